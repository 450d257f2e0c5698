#!/usr/bin/env bash
# Finds what this machine lacks to build, run and test Miteos, and installs it with the machine's package manager.
#
#   ./scripts/setup.sh           what a build and a run need
#   ./scripts/setup.sh --tests   what the tests need
#
# Says nothing when all is there. Installs only as root or where sudo asks for no password; else it prints the one
# line to run, and ends with 2. Rust is never installed by this script: it prints how.
set -euo pipefail

cd "$(dirname "$0")/.."

purpose=run
case "${1:-}" in
  '') ;;
  --tests) purpose=tests ;;
  *)
    echo "setup.sh: $1 is no option; there is only --tests" >&2
    exit 2
    ;;
esac

os=$(uname -s)

have() { command -v "$1" >/dev/null 2>&1; }

# --- What is asked for, by a name of ours ---------------------------------------------------------------------------

# bindgen looks for this library; the compiler alone may come without it.
have_libclang() {
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  if [ "$os" = Darwin ]; then
    xcode-select -p >/dev/null 2>&1
    return
  fi
  local file
  for file in /usr/lib*/libclang{,-[0-9]*}.so* /usr/lib/*/libclang{,-[0-9]*}.so* \
    /usr/lib*/llvm*/lib*/libclang{,-[0-9]*}.so* /usr/local/lib/libclang{,-[0-9]*}.so*; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

have_pip() { python3 -m pip --version >/dev/null 2>&1 || python -m pip --version >/dev/null 2>&1; }

have_venv() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

have_browser() {
  have chromium || have chromium-browser || have google-chrome || have google-chrome-stable ||
    [ -x '/Applications/Chromium.app/Contents/MacOS/Chromium' ] ||
    [ -x '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' ]
}

is_there() {
  case "$1" in
    chromium) have_browser ;;
    cc) have cc ;;
    c++) have c++ ;;
    make) have make ;;
    cmake) have cmake ;;
    libclang) have_libclang ;;
    bwrap) have bwrap ;;
    kill) [ -n "$(type -P kill)" ] ;;
    unshare) have unshare ;;
    curl) have curl ;;
    pip) have_pip ;;
    venv) have_venv ;;
    node) have node && have npm ;;
  esac
}

# Needed: without it nothing goes on. Wanted: it goes on, with less.
needed=(cc)
wanted=()
if [ "$purpose" = tests ]; then
  # What is sent to others is verified with their libraries for Python and JavaScript.
  needed+=(venv node)
  # The examples of the documentation are commands for curl.
  needed+=(curl)
  # The sandbox is tested with each of its ways, and the crash tests kill processes.
  [ "$os" != Linux ] || needed+=(bwrap kill unshare)
  # Streams are tested with the clients that people have: a browser, and a library of Python.
  needed+=(chromium)
else
  # The model inside the binary is C++. Its weights may come through pip. A second way to isolate programs.
  needed+=(c++ make cmake libclang)
  wanted+=(pip)
  [ "$os" != Linux ] || wanted+=(bwrap)
fi

missing() {
  local thing
  for thing in "$@"; do
    is_there "$thing" || echo "$thing"
  done
}

# --- What the package managers call it --------------------------------------------------------------------------------

manager() {
  local name
  for name in apt-get dnf pacman apk brew; do
    if have "$name"; then
      echo "$name"
      return
    fi
  done
}

packages() {
  local manager=$1 thing
  shift
  for thing in "$@"; do
    case "$manager:$thing" in
      apt-get:cc | apt-get:c++ | apt-get:make) echo build-essential ;;
      apt-get:libclang) echo clang libclang-dev ;;
      apt-get:kill) echo procps ;;
      apt-get:pip) echo python3 python3-pip ;;
      apt-get:venv) echo python3 python3-venv ;;
      apt-get:node | pacman:node | apk:node) echo nodejs npm ;;
      dnf:node) echo nodejs nodejs-npm ;;
      dnf:venv | apk:venv) echo python3 ;;
      pacman:venv | brew:venv) echo python ;;
      dnf:cc) echo gcc ;;
      dnf:c++) echo gcc-c++ ;;
      dnf:libclang) echo clang clang-devel ;;
      dnf:kill) echo util-linux procps-ng ;;
      dnf:pip) echo python3 python3-pip ;;
      pacman:cc | pacman:c++ | pacman:make) echo base-devel ;;
      pacman:libclang) echo clang ;;
      pacman:kill) echo util-linux procps-ng ;;
      pacman:pip) echo python python-pip ;;
      apk:cc | apk:c++ | apk:make) echo build-base ;;
      apk:libclang) echo clang clang-dev ;;
      apk:kill) echo procps ;;
      apk:pip) echo python3 py3-pip ;;
      brew:cc | brew:c++ | brew:make | brew:libclang) ;; # Apple's command line tools, below.
      brew:pip) echo python ;;
      *:venv) echo python3 ;;
      *:bwrap) echo bubblewrap ;;
      *:unshare) echo util-linux ;;
      *) echo "$thing" ;;
    esac
  done | tr ' ' '\n' | sort -u | tr '\n' ' '
}

# The command that installs packages, as a person would type it behind the second argument, which is sudo or nothing.
command_for() {
  case "$1" in
    apt-get) echo "apt-get update && ${2}apt-get install -y --no-install-recommends" ;;
    dnf) echo "dnf install -y" ;;
    pacman) echo "pacman -S --needed --noconfirm" ;;
    apk) echo "apk add" ;;
    brew) echo "brew install" ;;
  esac
}

# --- Rust ---------------------------------------------------------------------------------------------------------------

least=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

# Whether the first version is not below the second.
not_below() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

check_rust() {
  # rustup puts it there, but only new shells look for it.
  if ! have cargo && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    echo "setup.sh: Rust is installed, but not on the PATH; run: . \"${CARGO_HOME:-$HOME/.cargo}/env\"" >&2
    exit 2
  fi
  if ! have cargo || ! have rustc; then
    echo "setup.sh: Rust $least or newer is missing; run: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    exit 2
  fi
  local version
  version=$(rustc --version | sed 's/^rustc \([0-9.]*\).*/\1/')
  if ! not_below "$version" "$least"; then
    if have rustup; then
      echo "setup.sh: Rust is $version, at least $least is needed; run: rustup update stable && rustup default stable" >&2
    else
      echo "setup.sh: Rust is $version, at least $least is needed; run: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    fi
    exit 2
  fi
  if [ "$purpose" = tests ] && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
    echo "setup.sh: rustfmt and clippy are missing; run: rustup component add rustfmt clippy" >&2
    exit 2
  fi
}

# --- Node.js -------------------------------------------------------------------------------------------------------------

# What builds the page says which one it needs.
least_node=$(sed -n 's/^.*"node": *">=\([0-9.]*\)".*$/\1/p' web/package.json)

# One that is there but too old: package managers of systems often have no newer one, so what helps is said.
check_node() {
  have node || return 0
  local version
  version=$(node --version | sed 's/^v//')
  if ! not_below "$version" "$least_node"; then
    echo "setup.sh: Node.js is $version, at least $least_node is needed; get one from https://nodejs.org/en/download, or with a version manager: nvm install --lts" >&2
    exit 2
  fi
}

# --- Installing -----------------------------------------------------------------------------------------------------------

# As root, or as somebody whom sudo does not ask.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

may_install() { [ "$1" = brew ] || [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }

install() {
  local manager=$1
  shift
  case "$manager" in
    apt-get)
      # The lists are fetched only here: when something is missing.
      as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
      ;;
    dnf) as_root dnf -q install -y "$@" ;;
    pacman) as_root pacman -S --needed --noconfirm --quiet "$@" ;;
    apk) as_root apk add --quiet "$@" ;;
    brew) brew install --quiet "$@" ;;
  esac
}

main() {
  check_rust
  [ "$purpose" != tests ] || check_node
  local lacking=() unmet=() names=() name manager line sudo=''
  mapfile_of lacking missing "${needed[@]}" ${wanted[@]+"${wanted[@]}"}
  [ "${#lacking[@]}" -gt 0 ] || return 0
  if [ "$os" = Darwin ] && ! xcode-select -p >/dev/null 2>&1; then
    echo "setup.sh: Apple's command line tools are missing; run: xcode-select --install" >&2
    exit 2
  fi
  manager=$(manager)
  if [ -n "$manager" ]; then
    for name in $(packages "$manager" "${lacking[@]}"); do names+=("$name"); done
    [ "$manager" = brew ] || [ "$(id -u)" = 0 ] || sudo='sudo '
    line="$sudo$(command_for "$manager" "$sudo") ${names[*]-}"
    if [ "${#names[@]}" -gt 0 ] && may_install "$manager"; then
      echo "setup.sh: installing ${names[*]}"
      install "$manager" "${names[@]}" || echo "setup.sh: $manager could not install all of it" >&2
    fi
  fi
  mapfile_of unmet missing "${needed[@]}"
  if [ "${#unmet[@]}" -gt 0 ]; then
    if [ -n "$manager" ]; then
      echo "setup.sh: ${unmet[*]} missing; run: $line" >&2
    else
      echo "setup.sh: ${unmet[*]} missing, and no package manager was found that is known here; install them by hand" >&2
    fi
    exit 2
  fi
  [ "$purpose" != tests ] || check_node
  mapfile_of unmet missing ${wanted[@]+"${wanted[@]}"}
  [ "${#unmet[@]}" -eq 0 ] || echo "setup.sh: going on without ${unmet[*]}${line:+; to have it, run: $line}"
}

# Reads the lines that a function prints into an array; `mapfile` is not in the bash that macOS has.
mapfile_of() {
  local into=$1 each
  shift
  eval "$into=()"
  while IFS= read -r each; do
    [ -z "$each" ] || eval "$into+=(\"\$each\")"
  done < <("$@")
}

main
