#!/usr/bin/env bash
# Measures the page with a server's own data and prints a table: what is loaded, the first view, how long the page is busy and
# what it holds in memory with 20,000 events and 500 tasks. Takes some minutes. The figures are of this machine, so nothing
# else should run on it. Needs what ./scripts/test-page.sh needs.
#
#   ./scripts/bench-page.sh             with the debug program, which is built if need be: what is measured is the browser
#   ./scripts/bench-page.sh PROGRAM     with that program
set -euo pipefail

cd "$(dirname "$0")/.."

./scripts/web.sh
program=${1:-}
if [ -z "$program" ]; then
  cargo build --quiet --locked -p miteos
  program=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/miteos
fi
cd web
MITEOS_PROGRAM=$program node tests/page/bench.mjs
