#!/usr/bin/env bash
# Builds the page for people (web/) into web/dist, where the next `cargo build` takes it from. Does nothing when it is
# built already from the same files. Needs Node.js 20.19 or newer, with npm.
#
#   ./scripts/web.sh           builds the page
#   ./scripts/web.sh --check   checks its types and runs its unit tests, too
set -euo pipefail

cd "$(dirname "$0")/.."

check=no
case "${1:-}" in
  '') ;;
  --check) check=yes ;;
  *)
    echo "web.sh: $1 is no option; there is only --check" >&2
    exit 2
    ;;
esac

least=$(sed -n 's/^.*"node": *">=\([0-9.]*\)".*$/\1/p' web/package.json)
for program in node npm; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "web.sh: $program is missing; install Node.js $least or newer" >&2
    exit 2
  fi
done
version=$(node --version | sed 's/^v//')
if [ "$(printf '%s\n%s\n' "$version" "$least" | sort -V | head -n 1)" != "$least" ]; then
  echo "web.sh: Node.js is $version, at least $least is needed; get one from https://nodejs.org/en/download" >&2
  exit 2
fi

# What the page is made of, as one sum.
sources() {
  find web sdk/typescript/src -type f \
    -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -path 'web/tests/*' -not -path 'web/screenshots/*' -print0 |
    LC_ALL=C sort -z | xargs -0 cksum | cksum
}

# The packages, if they are not those that the lock file names.
install() {
  local stamp=web/node_modules/.installed
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cksum <web/package-lock.json)" ]; then
    return
  fi
  (cd web && npm ci --silent --no-audit --no-fund --ignore-scripts)
  cksum <web/package-lock.json >"$stamp"
}

stamp=web/dist/.built
if [ "$check" = yes ]; then
  install
  (cd web && npx --no-install tsc && npx --no-install vitest run --silent)
fi
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(sources)" ]; then
  exit 0
fi
install
find web/dist -mindepth 1 -not -name .gitkeep -delete
(cd web && npx --no-install vite build --logLevel warn)
sources >"$stamp"
