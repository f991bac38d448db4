#!/usr/bin/env bash
# bulk.sh BIGGAN BULK N: the Beam pipeline BULK (bulk/) writes the files of `BIGGAN generate`, whatever the parallelism, and
# also where the program is killed on the way and given again, or its worker is and nobody does anything: chunks are made
# again, nothing is double.
set -euo pipefail
biggan=$1 bulk=$2 n=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{cli,one,many,killed,worker}
(cd "$work/cli" && "$biggan" generate -n "$n" --seed 3 -o pictures/ --quiet > /dev/null)
run() { exec "$bulk" -n "$n" -seed 3 -o pictures/ "$@" > paths 2> log; }
(cd "$work/one" && run -chunk "$n")
(cd "$work/many" && run -chunk 7)
made() { find "$work/$1" -name '*.png' | wc -l; }
await() { # FOLDER N PID: until there are so many files, or the program has ended
  until [ "$(made "$1")" -ge "$2" ] || ! kill -0 "$3" 2> /dev/null; do sleep 0.01; done
}
for _ in 1 2 3; do
  (cd "$work/killed" && run -chunk 7) &
  pid=$!
  await killed $(($(made killed) + 20)) "$pid"
  kill -KILL "$pid" 2> /dev/null || true
  wait "$pid" 2> /dev/null || true
done
left=$(made killed)
(cd "$work/killed" && run -chunk 7)
(cd "$work/worker" && run -chunk 7) &
pid=$!
for n_made in 20 60; do
  await worker "$n_made" "$pid"
  worker=$(pgrep -P "$pid" || true)
  [ -z "$worker" ] || kill -KILL "$worker" 2> /dev/null || true
done
wait "$pid"
for folder in one many killed worker; do
  diff -r "$work/cli/pictures" "$work/$folder/pictures"
  [ "$(sort -u "$work/$folder/paths" | wc -l)" = "$n" ]
done
grep -q 'bulk: attempt 1: signal: killed' "$work/worker/log"
echo "$n pictures: the same bytes in one chunk, in many, after three kills that left $left files, and with its worker killed"
