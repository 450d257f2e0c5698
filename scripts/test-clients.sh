#!/usr/bin/env bash
# Installs the libraries of others that our server is tested with (tests/clients) into the target folder. Does nothing
# when they are there. Needs python3 with venv: ./scripts/setup.sh --tests gets it.
set -euo pipefail

cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/clients"
target=$(cd "$target/clients" && pwd)

if ! command -v python3 >/dev/null 2>&1; then
  echo "test-clients.sh: python3 is missing; run: ./scripts/setup.sh --tests" >&2
  exit 2
fi

# Whether the folder holds what these files ask for.
is_done() {
  local stamp=$1/.installed
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | cksum)" ]
}

python_from=(tests/clients/requirements.txt)
if ! is_done "$target/python" "${python_from[@]}"; then
  rm -rf "$target/python"
  python3 -m venv "$target/python" || {
    echo "test-clients.sh: python3 cannot make an environment; run: ./scripts/setup.sh --tests" >&2
    exit 2
  }
  "$target/python/bin/python" -m pip install --quiet --disable-pip-version-check -r "${python_from[0]}" || {
    echo "test-clients.sh: the packages of ${python_from[0]} could not be installed" >&2
    exit 2
  }
  cat "${python_from[@]}" | cksum >"$target/python/.installed"
fi
