#!/usr/bin/env bash
# All checks, the same on a laptop and in CI: form, lints, tests. Ends with one line that counts them.
#
#   ./scripts/test.sh                     everything but the model inside the binary
#   ./scripts/test.sh --with-local-model  that too: compiles llama.cpp, which takes minutes
#   ./scripts/test.sh --contract 50000    tries the contract with so many requests, as every night, and not 5,000
set -euo pipefail

cd "$(dirname "$0")/.."

with_local_model=no
contract_cases=5000
while [ $# -gt 0 ]; do
  case "$1" in
    --with-local-model) with_local_model=yes ;;
    --contract)
      contract_cases=${2:-}
      [[ $contract_cases =~ ^[1-9][0-9]*$ ]] || {
        echo 'test.sh: --contract takes a number of requests, such as 50000' >&2
        exit 2
      }
      shift
      ;;
    *)
      echo "test.sh: $1 is no option; there are --with-local-model and --contract" >&2
      exit 2
      ;;
  esac
  shift
done

began=$SECONDS
doing='set up'
log=$(mktemp)

finish() {
  local status=$?
  rm -f "$log"
  [ "$status" -eq 0 ] || printf 'test.sh: FAILED: %s\n' "$doing"
}
trap finish EXIT

step() {
  doing=$1
  printf '\n== %s\n' "$1"
}

./scripts/setup.sh --tests
./scripts/test-clients.sh
[ "$with_local_model" = no ] || ./scripts/setup.sh

step 'scripts'
for script in scripts/*.sh .ci/run; do
  bash -n "$script"
done
if command -v shellcheck >/dev/null 2>&1; then
  shellcheck scripts/*.sh .ci/run
fi
if command -v python3 >/dev/null 2>&1; then
  for script in scripts/*.py tests/*/*.py; do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$script"
  done
fi

step 'page: types, unit tests, build'
./scripts/web.sh --check

step 'form: cargo fmt'
cargo fmt --all --check

step 'lints: cargo clippy'
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
if [ "$with_local_model" = yes ]; then
  cargo clippy --quiet --locked -p miteos --features embedded-llm -- -D warnings
  cargo clippy --quiet --locked -p miteos-models --features embedded-llm --all-targets -- -D warnings
fi

step 'tests: cargo test'
# Not nextest: one test program is its own harness, because it starts itself as the sandbox's helper.
status=0
cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log" || status=$?
if [ "$with_local_model" = yes ]; then
  cargo test --locked -p miteos-models --features embedded-llm --no-fail-fast 2>&1 | tee -a "$log" || status=$?
fi

if [ "$status" -eq 0 ]; then
  step "contract: schemathesis, $contract_cases requests"
  # The program that the tests have built.
  built=${CARGO_TARGET_DIR:-target}
  "$built/clients/contract/bin/python" tests/contract/run.py "$built/debug/miteos" --cases "$contract_cases" || status=$?
fi

if [ "$status" -eq 0 ]; then
  step 'TypeScript SDK'
  ./scripts/sdk.sh 2>&1 | tee -a "$log" || status=$?
fi

if [ "$status" -eq 0 ]; then
  step 'page: in a browser'
  ./scripts/test-page.sh "$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/miteos" 2>&1 | tee -a "$log" || status=$?
fi

count() {
  awk '
    /^test result:/ {
      for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed/) passed += $(i - 1)
        if ($i ~ /^failed/) failed += $(i - 1)
      }
    }
    END { printf "%d passed, %d failed\n", passed, failed }' "$log"
}

if [ "$status" -ne 0 ]; then
  printf '\n%s\n' "$(count)"
  exit "$status"
fi
took=$((SECONDS - began))
printf '\ntest.sh: everything passed in %d min %d s\n%s\n' $((took / 60)) $((took % 60)) "$(count)"
