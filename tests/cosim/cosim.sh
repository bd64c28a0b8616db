#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random jobs through the command on both back ends: the same bytes, equal to the exact oracle, in the same number of clocks with the
# same DRAM commands and counters.
# usage: tests/cosim/cosim.sh BUILD [--seed S] [--cases N] [--only CASE] [--channels "1 2 3 5"] [--keep DIR]
# A case is drawn from (seed, case number) and the point's longest row alone. A mismatch prints the command that repeats it; a job
# that a side refuses is no mismatch.
set -u
build=$1
shift
seed=${DUPLEX_SEED:-1} cases=24 only='' channels='1 2 3 5' keep=''
while [ $# -gt 0 ]; do
  case $1 in
    --seed) seed=$2 ;; --cases) cases=$2 ;; --only) only=$2 ;; --channels) channels=$2 ;; --keep) keep=$2 ;;
    *) echo "cosim: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
duplex=$build/duplex
dir=${keep:-$(mktemp -d)}
[ -n "$keep" ] || trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"

# Numbers of this case: a small generator of its own, so that every case can be drawn alone. Neighbouring cases are mixed apart first.
state=0
start_case() { state=$(((seed * 1000003 + $1 * 7919 + 12345) & 0x7fffffff)); for _ in 1 2 3 4 5 6 7 8; do draw 2; done; }
draw() { # BOUND -> $value
  state=$(((state ^ (state >> 11)) * 1103515245 + 12345 & 0x7fffffff))
  state=$((state ^ (state >> 15)))
  value=$(((state >> 4) % $1))
}
pick() { draw $#; shift $value; value=$1; }

# Columns of a matrix: jobs are drawn within the limit of the point.
limit() { sed -n "s/^#define DUPLEX_$1 \([0-9]*\).*/\1/p" "$2"; }
header=$build/params/include/duplex/params.h
[ -e "$header" ] || header=include/duplex/params.h
most=$(($(limit K_TILES_MAX "$header") * $(limit WIDTH "$header"))) || exit 1
within() { value=$(((value - 1) % most + 1)); }

ended() { # WHAT WHY
  echo "$1 case $case_number of seed $seed ($text): $2"
  echo "replay: $0 $build --seed $seed --only $case_number --keep cosim-case"
  exit 1
}
refused() { ended FAILED "$1"; }
fail() { ended MISMATCH "$1"; }
random() { "$duplex" random --shape "$1" --seed "$((seed * 100000 + case_number * 10 + $2))" --dist "$3" --out "$dir/$4.npy" || refused "no input"; }
same() { cmp -s "$dir/$1" "$dir/$2" || { "$duplex" compare "$dir/$1" "$dir/$2"; fail "$1 differs from $2"; }; }
counters() { jq 'del(.backend)' "$dir/$1" >"$dir/$1.all"; }

run_gemm() {
  draw 40; m=$((value + 1)); [ "$m" -gt 16 ] && m=$(((m - 16) % 8 + 1))
  draw 150; n=$((value + 1))
  pick 1 2 63 64 65 100 127 128 200 320 511 1000 2049; within; k=$value
  pick f16 f32 acc; out_type=$value
  pick normal:1 normal:0.02 bits classes; dist=$value
  text="gemm M $m N $n K $k $out_type $dist"
  random "$m,$k" 1 "$dist" x
  random "$n,$k" 2 "$dist" w
  arguments=(gemm --x "$dir/x.npy" --w "$dir/w.npy" --out-type "$out_type")
}

run_expert() {
  draw 12; m=$((value + 1))
  pick 16 64 100 128 192; within; h=$value
  pick 1 7 32 65 128 200; within; f=$value
  pick silu gelu gelu_tanh relu identity; act=$value
  draw 4; gated=$((value > 0))
  text="expert M $m H $h F $f $act gated $gated"
  pick normal:1 normal:1 classes; x_dist=$value
  pick normal:0.05 normal:0.05 normal:0.05 classes; w_dist=$value
  text="$text, x $x_dist, w $w_dist"
  random "$m,$h" 1 "$x_dist" x
  random "$f,$h" 2 "$w_dist" g
  random "$f,$h" 3 "$w_dist" u
  random "$h,$f" 4 "$w_dist" d
  arguments=(expert --x "$dir/x.npy" --up "$dir/u.npy" --down "$dir/d.npy" --act "$act")
  [ $gated = 1 ] && arguments+=(--gate "$dir/g.npy")
}

run_case() {
  start_case "$case_number"
  pick gemm gemm expert
  kind=$value
  run_"$kind"
  # shellcheck disable=SC2086
  pick $channels
  c=$value
  text="$text, $c channels"
  "$duplex" "${arguments[@]}" --channels "$c" --out "$dir/model.npy" --stats "$dir/model.json" || refused "the C model fails"
  "$duplex" "${arguments[@]}" --channels "$c" --out "$dir/rtl.npy" --stats "$dir/rtl.json" \
    --backend rtl --command-trace "$dir/commands.txt" || refused "the RTL fails"
  same model.npy rtl.npy
  counters model.json
  counters rtl.json
  cmp -s "$dir/model.json.all" "$dir/rtl.json.all" || { diff "$dir/model.json.all" "$dir/rtl.json.all"; fail "statistics differ"; }
  "$build/timing_judge" params/dram/hbm3_5200.preset "$dir/commands.txt" >"$dir/judge.txt" || { cat "$dir/judge.txt"; fail "DRAM timing"; }
  tests/cosim/trace_counts.py "$dir/commands.txt" "$dir/rtl.json" || fail "the trace and the statistics"
  pick 1 3 5 32
  "$duplex" "${arguments[@]}" --channels "$value" --threads 2 --out "$dir/other.npy" || refused "the C model with $value channels fails"
  same model.npy other.npy
  if [ "$kind" = gemm ]; then
    "$build/tests/cli/oracle_gemm" "$dir/x.npy" "$dir/w.npy" "$out_type" "$dir/exact.npy" || refused "the oracle fails"
    same model.npy exact.npy
  fi
}

echo "seed $seed, $cases cases"
source tests/common/stacks.sh
# shellcheck disable=SC2086
take_stacks "$build" "$dir/rtl" $channels || { echo "cosim: no stacks"; exit 1; }
first=0 last=$((cases - 1))
[ -n "$only" ] && first=$only last=$only
for ((case_number = first; case_number <= last; case_number++)); do
  run_case
  echo "case $case_number same: $text"
done
echo "cosim: $((last - first + 1)) cases, all bytes, clocks and counters equal"
