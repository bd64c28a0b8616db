#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Awkward shapes on both back ends: the same bytes, equal to the exact oracle. usage: tests/cosim/shapes.sh BUILD
set -u
build=$1
duplex=$build/duplex
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "MISMATCH $shape: $1"; exit 1; }

source tests/common/stacks.sh
take_stacks "$build" "$dir/rtl" 1 2 || { echo "shapes: no stacks"; exit 1; }

# M N K channels type dist
while read -r m n k channels type dist; do
  shape="M $m N $n K $k $channels channels $type $dist"
  "$duplex" random --shape "$m,$k" --seed "$((m + k))" --dist "$dist" --out "$dir/x.npy" || fail "no input"
  "$duplex" random --shape "$n,$k" --seed "$((n + k + 1))" --dist "$dist" --out "$dir/w.npy" || fail "no input"
  arguments=(gemm --x "$dir/x.npy" --w "$dir/w.npy" --out-type "$type")
  "$duplex" "${arguments[@]}" --out "$dir/model.npy" --stats "$dir/model.json" || fail "the C model fails"
  "$duplex" "${arguments[@]}" --out "$dir/rtl.npy" --backend rtl --channels "$channels" --stats "$dir/rtl.json" || fail "the RTL fails"
  "$build/tests/cli/oracle_gemm" "$dir/x.npy" "$dir/w.npy" "$type" "$dir/exact.npy" || fail "the oracle fails"
  cmp -s "$dir/model.npy" "$dir/exact.npy" || fail "the C model is not exact"
  cmp -s "$dir/rtl.npy" "$dir/exact.npy" || fail "the RTL is not exact"
  for stats in model rtl; do
    jq -e --argjson m "$m" --argjson n "$n" --argjson k "$k" '(.channels | length) as $c | ([.channels[].rows] | add) == $n and
      ([.channels[].rows] | max) <= (($n + $c - 1) / $c | floor) and ([.channels[].macs] | add) == $m * $n * $k and
      ([.channels[].read_bytes] | add) == .dram_read_bytes and .useful_bytes == 2 * $n * $k' "$dir/$stats.json" >/dev/null ||
      fail "$stats: counters do not add up"
  done
  echo "same: $shape"
done <<'L'
1 1 1 1 f16 normal:1
1 1 65536 2 acc bits
3 5 65536 2 f32 normal:1
2 3 65535 1 f16 uniform:60000
8 64 64 1 f32 classes
64 70 100 2 f16 classes
65 2 129 2 acc normal:1
8 129 63 2 f16 uniform:0.00005
16 1000 65 2 f32 classes
7 31 4096 2 f16 normal:1
200 3 5 2 f16 bits
L
