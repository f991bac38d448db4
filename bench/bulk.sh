#!/usr/bin/env bash
# bulk.sh BIGGAN BULK N: the Beam pipeline BULK (bulk/) writes the files of `BIGGAN generate`, whatever the parallelism, and
# also where a process is killed on the way: its chunks are made again, nothing is double.
set -euo pipefail
biggan=$1 bulk=$2 n=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{cli,one,many,killed}
(cd "$work/cli" && "$biggan" generate -n "$n" --seed 3 -o pictures/ --quiet > /dev/null)
run() { exec "$bulk" -n "$n" -seed 3 -o pictures/ "$@" > paths 2> log; }
(cd "$work/one" && run -chunk "$n")
(cd "$work/many" && run -chunk 7)
for delay in 0.3 0.6 0.9; do
  (cd "$work/killed" && run -chunk 7) &
  pid=$!
  sleep "$delay"
  kill -KILL "$pid" 2> /dev/null || true
  wait "$pid" 2> /dev/null || true
done
left=$(find "$work/killed" -name '*.png' | wc -l)
(cd "$work/killed" && run -chunk 7)
for folder in one many killed; do
  diff -r "$work/cli/pictures" "$work/$folder/pictures"
  [ "$(sort -u "$work/$folder/paths" | wc -l)" = "$n" ]
done
echo "$n pictures: the same bytes in one chunk, in many, and after three kills that left $left files"
