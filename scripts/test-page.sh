#!/usr/bin/env bash
# Builds the page and tests it in a browser, against a program that holds it. Needs Node.js with npm, and Chromium:
# ./scripts/setup.sh --tests gets them.
#
#   ./scripts/test-page.sh             all of it, with the debug program, which is built if need be
#   ./scripts/test-page.sh PROGRAM     with that program
set -euo pipefail

cd "$(dirname "$0")/.."

./scripts/web.sh --check
program=${1:-}
if [ -z "$program" ]; then
  cargo build --quiet --locked -p miteos
  program=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/miteos
fi
cd web
status=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT
MITEOS_PROGRAM=$program node --test --test-reporter=spec --test-concurrency=1 tests/page/*.test.mjs | tee "$said" || status=$?
# As cargo says it, so that test.sh counts these, too.
sum() { awk -v name="$1" '$2 == name { print $3 }' "$said" | tail -n 1; }
printf 'test result: %s passed; %s failed\n' "$(sum pass)" "$(sum fail)"
exit "$status"
