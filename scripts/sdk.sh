#!/usr/bin/env bash
# Checks, builds and tests the TypeScript SDK (sdk/typescript) against the server that cargo has built.
#
#   ./scripts/sdk.sh            everything
#   ./scripts/sdk.sh --build    only what others import: installs and builds, no checks and no server
#
# What it is built with is pinned, and installed into its own folder; nothing is installed when it is there. Needs node and
# npm: ./scripts/setup.sh --tests gets them.
set -euo pipefail

cd "$(dirname "$0")/.."

build_only=no
case "${1:-}" in
  '') ;;
  --build) build_only=yes ;;
  *)
    echo "sdk.sh: $1 is no option; there is only --build" >&2
    exit 2
    ;;
esac

for program in node npm; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "sdk.sh: $program is missing; run: ./scripts/setup.sh --tests" >&2
    exit 2
  fi
done

# The oldest that the package promises to run on.
least=$(sed -n 's/^    "node": ">=\([0-9]*\)"$/\1/p' sdk/typescript/package.json)
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt "$least" ]; then
  echo "sdk.sh: node is $major, at least $least is needed; install a newer one from your package manager or nodejs.org" >&2
  exit 2
fi

target=${CARGO_TARGET_DIR:-target}
server=$target/debug/miteos
if [ "$build_only" = no ]; then
  if [ ! -x "$server" ]; then
    echo "sdk.sh: there is no $server; run: cargo build -p miteos" >&2
    exit 2
  fi
  MITEOS_BIN=$(cd "$target/debug" && pwd)/miteos
  export MITEOS_BIN
fi

cd sdk/typescript

wanted=$(cat package.json package-lock.json | cksum)
stamp=node_modules/.installed
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
  npm ci --loglevel=error --no-audit --no-fund --ignore-scripts
  echo "$wanted" >"$stamp"
fi

if [ "$build_only" = yes ]; then
  npm run --silent build
  exit
fi

npm run --silent lint
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
npm test --silent 2>&1 | tee "$log" || status=$?
# In cargo's words, so that test.sh counts these too.
awk '
  $1 == "#" || $1 == "ℹ" { found[$2] = $3 }
  END { printf "test result: %d passed; %d failed\n", found["pass"], found["fail"] + found["cancelled"] }' "$log"
exit "$status"
