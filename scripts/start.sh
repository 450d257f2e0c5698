#!/usr/bin/env bash
# From a fresh clone to a task that was carried out: sets up, builds, gets a local model if there is no other, runs.
#
#   ./scripts/start.sh                      runs a first task
#   ./scripts/start.sh "what you want done" runs that one; flags of `miteos run` may follow
#
# The files that come of it are in ./miteos-out/. Run it as often as you like: what is there is not made again.
set -euo pipefail

here=$PWD
cd "$(dirname "$0")/.."

# Small enough for the small local model.
first_task='Add up the amounts in sales.csv for each region with a Python program and publish the totals as totals.csv'
first_file=$PWD/docs/sales.csv

step() { printf '\n[%s/4] %s\n' "$1" "$2"; }

step 1 'looking for what the build needs'
./scripts/setup.sh

step 2 'building (the first time this takes several minutes)'
# The page that `miteos serve` shows; the rest works without.
if command -v npm >/dev/null 2>&1; then
  ./scripts/web.sh || echo 'the page could not be built; going on without'
else
  echo 'without npm there is no page in the browser; going on without'
fi
cargo build --release --locked -p miteos --features embedded-llm
target=${CARGO_TARGET_DIR:-target}
miteos=$(cd "$target/release" && pwd)/miteos

step 3 'looking for a language model'
# A named server has its own, and test mode needs none.
elsewhere=${MITEOS_URL:+yes}
for argument in "$@"; do
  case "$argument" in
    --test | --url | --url=*) elsewhere=yes ;;
  esac
done
if [ -n "$elsewhere" ]; then
  echo 'none is needed here'
elif "$miteos" model list --json | grep -q '"default"'; then
  "$miteos" model list
else
  echo 'no provider key and no local model yet: getting one (1.1 GB, once)'
  "$miteos" model pull
fi

step 4 'running a task'
cd "$here"
[ "$#" -gt 0 ] || set -- "$first_task" --file "$first_file"
case "$1" in
  -*) ;;
  *) printf 'task: %s\n\n' "$1" ;;
esac
exec "$miteos" run "$@"
