#!/usr/bin/env bash
# pull.sh BIGGAN: the time of a pull of 235 MB from this machine, beside curl and sha256sum
# on the same bytes in the same run, and the pull's anonymous memory.
set -euo pipefail
biggan=$(realpath "$1")
folder=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
"$biggan" synth biggan-deep-256 -o model.safetensors -q
mkdir served
"$biggan" export model.safetensors --to hf -o served/biggan-deep-256 -q >/dev/null
"$biggan" mirror served --addr 127.0.0.1:0 -q >url &
server=$!
until test -s url; do sleep 0.1; done
file=$(cat url)/biggan-deep-256/pytorch_model.bin
seconds() { # seconds COMMAND: after what was written before is on disk
  sync
  local start=$EPOCHREALTIME
  eval "$1" >/dev/null 2>&1
  echo "$EPOCHREALTIME - $start" | sed 's/,/./g' | awk '{printf "%.2f", $1 - $3}'
}
for _ in 1 2 3 4 5; do
  rm -rf store a b
  fetch=$(seconds "curl -s -o a $file; sha256sum a")
  rm -f a
  copy=$(seconds "curl -s -o a $file; sha256sum a; cp a b; sync b; sha256sum b")
  pull=$(seconds "'$biggan' pull biggan-deep-256 --mirror $(cat url) --store store -q")
  echo "curl and sha256sum $fetch s, with a synced copy $copy s, pull $pull s"
done
rm -rf store
"$biggan" pull biggan-deep-256 --mirror "$(cat url)" --store store -q >/dev/null &
pull=$!
peak=0
while kill -0 $pull 2>/dev/null; do
  now=$(awk '/RssAnon/ {print $2}' "/proc/$pull/status" 2>/dev/null || echo 0)
  ((${now:-0} > peak)) && peak=$now
done
echo "anonymous memory at its peak: $((peak / 1024)) MiB"
