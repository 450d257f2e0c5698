#!/usr/bin/env bash
# Installs the libraries of others that our server is tested with (tests/clients) into the target folder. Does nothing
# when they are there. Needs python3 with venv, node and npm: ./scripts/setup.sh --tests gets them.
set -euo pipefail

cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/clients"
target=$(cd "$target/clients" && pwd)

for program in python3 node npm; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "test-clients.sh: $program is missing; run: ./scripts/setup.sh --tests" >&2
    exit 2
  fi
done

# Whether the folder holds what these files ask for.
is_done() {
  local stamp=$1/.installed
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | cksum)" ]
}

# An environment of its own for each: what one pins does not bind the other.
python_into() {
  local into=$1 from=$2
  if is_done "$into" "$from"; then
    return
  fi
  rm -rf "$into"
  python3 -m venv "$into" || {
    echo "test-clients.sh: python3 cannot make an environment; run: ./scripts/setup.sh --tests" >&2
    exit 2
  }
  "$into/bin/python" -m pip install --quiet --disable-pip-version-check -r "$from"
  cksum <"$from" >"$into/.installed"
}

python_into "$target/python" tests/clients/requirements.txt
python_into "$target/contract" tests/contract/requirements.txt

node_from=(tests/clients/package.json tests/clients/package-lock.json)
if ! is_done "$target/node" "${node_from[@]}"; then
  rm -rf "$target/node"
  mkdir -p "$target/node"
  cp tests/clients/.npmrc "${node_from[@]}" "$target/node/"
  (cd "$target/node" && npm ci --silent --no-audit --no-fund --ignore-scripts)
  cat "${node_from[@]}" | cksum >"$target/node/.installed"
fi
