#!/bin/sh
# Stands in for Expo's eas, as far as deployments need it. WORLD is the folder that it keeps its state in. What is in
# WORLD/fault.COMMAND goes wrong each time, what is in WORLD/once.COMMAND once.
world=WORLD
command=$1
echo "$*" >>"$world/calls"
env | cut -d= -f1 | sort -u >"$world/env"
fault=
[ ! -f "$world/fault.$command" ] || fault=$(cat "$world/fault.$command")
if [ -f "$world/once.$command" ]; then
  fault=$(cat "$world/once.$command")
  rm "$world/once.$command"
fi
case $fault in
"" | behind) ;;
garbage) echo 'this is no JSON {' && exit 0 ;;
killed) kill -9 $$ ;;
slow)
  sleep 300 &
  echo $! >"$world/slow.new" && mv "$world/slow.new" "$world/slow"
  wait
  ;;
*) echo "$fault" >&2 && exit 1 ;;
esac
if [ "$EXPO_TOKEN" != TOKEN ]; then
  echo 'The bearer token is invalid.' >&2
  exit 1
fi
id= alias= dir= message=
while [ $# -gt 0 ]; do
  case $1 in
  --id) id=$2 ;;
  --alias) alias=$2 ;;
  --export-dir) dir=$2 ;;
  --message) message=$2 ;;
  esac
  shift
done
if [ "$command" != whoami ] && ! grep -q '"owner":"acme"' app.json; then
  echo 'EAS project not configured.' >&2
  exit 1
fi
case $command in
whoami) echo test-person ;;
deploy)
  mkdir -p "$world/deployments"
  rm -rf "$world/deployments/$id"
  cp -R "$dir" "$world/deployments/$id" || exit 1
  echo "Creating deployment with $EXPO_TOKEN" >&2
  # What it was asked for is done, and its answer is lost.
  [ "$fault" != behind ] || kill -9 $$
  echo 'EAS Hosting is still in preview.'
  echo "{\"dashboardUrl\":\"https://expo.dev/x\",\"identifier\":\"$id\",\"url\":\"https://shop--$id.expo.app\"}"
  ;;
deploy:alias)
  if [ -n "$alias" ]; then
    echo "{\"aliases\":[{\"id\":\"a\",\"name\":\"$alias\",\"url\":\"https://shop--$alias.expo.app\"}]}"
  else
    echo "$id" >"$world/production"
    echo "{\"production\":{\"id\":\"$id\",\"url\":\"https://shop.expo.app\"}}"
  fi
  ;;
*)
  echo "command $command not found" >&2
  exit 2
  ;;
esac
