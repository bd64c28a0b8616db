#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Decode attention through the command on both back ends: the same bytes, clocks, DRAM commands and counters, and legal DRAM timing.
# usage: tests/cosim/attention.sh BUILD [--long]   (--long: 32,768 positions and more)
# Random batches with pages that lie apart and shared prefixes: build/tests/cosim/attention.
set -u
build=$1
long=${2:-}
duplex=$build/duplex
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "MISMATCH $shape: $1"; exit 1; }

source tests/common/stacks.sh
# --long has stacks of other timings, which are built on demand.
[ -n "$long" ] || take_stacks "$build" "$dir/rtl" 1 2 || { echo "attention: no stacks"; exit 1; }

# batch, query heads, KV heads, positions, head size, channels, distribution of values, lengths ("-": all positions), options
while read -r b hq hkv l d channels dist lengths options; do
  shape="B $b Hq $hq Hkv $hkv L $l D $d $channels channels $dist lengths $lengths $options"
  "$duplex" random --shape "$b,$hq,$d" --seed "$((l + d))" --dist "$dist" --out "$dir/q.npy" || fail "no input"
  "$duplex" random --shape "$b,$hkv,$l,$d" --seed "$((l + d + 1))" --dist "$dist" --out "$dir/k.npy" || fail "no input"
  "$duplex" random --shape "$b,$hkv,$l,$d" --seed "$((l + d + 2))" --dist "$dist" --out "$dir/v.npy" || fail "no input"
  # shellcheck disable=SC2206
  arguments=(attention --q "$dir/q.npy" --k "$dir/k.npy" --v "$dir/v.npy" --channels "$channels" $options)
  [ "$lengths" = - ] || arguments+=(--lengths "$lengths")
  "$duplex" "${arguments[@]}" --out "$dir/model.npy" --stats "$dir/model.json" || fail "the C model fails"
  "$duplex" "${arguments[@]}" --out "$dir/rtl.npy" --stats "$dir/rtl.json" --backend rtl --command-trace "$dir/commands.txt" || fail "the RTL fails"
  cmp -s "$dir/model.npy" "$dir/rtl.npy" || { "$duplex" compare "$dir/model.npy" "$dir/rtl.npy"; fail "the bytes differ"; }
  for side in model rtl; do jq 'del(.backend)' "$dir/$side.json" >"$dir/$side.all"; done
  cmp -s "$dir/model.all" "$dir/rtl.all" || { diff "$dir/model.all" "$dir/rtl.all"; fail "statistics differ"; }
  case $options in *strict*) rule=--strict ;; *) rule= ;; esac
  case $options in *hbm3_6400*) preset=hbm3_6400 ;; *) preset=hbm3_5200 ;; esac
  "$build/timing_judge" params/dram/$preset.preset "$dir/commands.txt" $rule >"$dir/judge.txt" || { cat "$dir/judge.txt"; fail "DRAM timing"; }
  tests/cosim/trace_counts.py "$dir/commands.txt" "$dir/rtl.json" || fail "the trace and the statistics"
  echo "same: $shape, $(jq .cycles "$dir/rtl.json") clocks"
done < <(
  if [ -n "$long" ]; then
    cat <<'L'
1 1 1 32768 64 1 normal:1 - --weights p16
1 4 1 32768 128 2 normal:1 -
1 8 1 20000 80 1 normal:0.3 -
2 2 1 130 64 1 normal:1 130,129 --append inside --bundles 0,2 --dram-preset hbm3_6400 --rank-switch 2
L
  else
    cat <<'L'
1 1 1 1 16 1 normal:1 -
2 4 1 65 16 2 normal:1 1,65
3 6 2 200 128 2 normal:1 200,64,129 --weights p16
1 16 1 130 256 1 normal:1 -
2 8 8 100 80 2 classes -
1 2 2 300 96 2 bits -
4 8 2 512 128 2 normal:1 512,1,300,64 --weights p16
2 8 2 200 128 2 normal:1 200,64 --weights p32
1 10 1 130 80 2 bits - --weights p32 --spread 2
2 4 2 150 64 2 normal:1 - --bundles 0,1,2 --xpu-traffic stream
3 8 2 200 128 2 normal:1 200,65,1 --append inside
2 4 2 150 80 2 normal:1 - --append inside --bundles 0,1,2 --xpu-traffic stream --activation-rule strict
2 2 1 130 64 1 normal:1 130,129 --append inside --bundles 0,2
2 4 2 150 128 1 normal:1 - --bundles 0,2 --xpu-traffic stream --activation-rule strict
L
  fi
)
