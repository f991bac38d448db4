#!/usr/bin/env bash
# kill.sh BIGGAN N KILLS [OUT...]: runs that are killed again and again end with the same bytes as
# unbroken ones. BIGGAN is the program, N the number of pictures; OUT are names as -o takes them
# (default many/, many.npz and many.tar).
set -euo pipefail
biggan=$1 n=$2 kills=$3
shift 3
[ $# -gt 0 ] || set -- many/ many.npz many.tar
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for out in "$@"; do
  rm -rf "$work/whole" "$work/broken"
  mkdir "$work/whole" "$work/broken"
  run() { exec "$biggan" generate -n "$n" --seed 3 --per-file "$((n / 20 + 1))" -o "$out" --quiet; }
  start=$(date +%s%N)
  (cd "$work/whole" && run > /dev/null)
  took=$(($(date +%s%N) - start))
  killed=0
  for ((i = 0; i < kills; i++)); do
    (cd "$work/broken" && run > /dev/null) &
    pid=$!
    # on average after half the fair share of the whole time
    sleep "$(awk -v t="$took" -v k="$kills" -v r="$RANDOM" 'BEGIN { printf "%.3f", t / 1e9 * (0.02 + r / 32768 / k) }')"
    if kill -KILL "$pid" 2> /dev/null; then killed=$((killed + 1)); fi
    wait "$pid" 2> /dev/null || true
  done
  left=$(cd "$work/broken" && find . -type f -name '*.png' -o -name '*.npz' -o -name '*.tar' | wc -l)
  (cd "$work/broken" && run > /dev/null)
  diff -r "$work/whole" "$work/broken"
  echo "$out: $n pictures, killed $killed times, then $left files were there: the same bytes as an unbroken run"
done
