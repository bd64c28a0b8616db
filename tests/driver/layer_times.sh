#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The clocks of a piece of an expert that the C model tells are those of the RTL: for each cut of parts and of joined ones, 1 to 32
# tokens, weights in 1 to 4 bundles, which are all that Logic-PIM owns or not. usage: tests/driver/layer_times.sh BUILD
# [--all]
set -u
times=$1/tests/driver/layer_times
same() { # OPTIONS...
  diff <("$times" --channels 2 "$@") <("$times" --channels 2 "$@" --backend rtl) || { echo "layer_times $*: other clocks"; exit 1; }
}
if [ "${2:-}" = --all ]; then
  for bundles in 1 3 7 15; do
    same --hidden 320 --inner 128,64,50 --bundles $bundles --owned $bundles
    same --hidden 320 --inner 132,60,50 --joined 1 --up-exponents 1 --bundles $bundles --owned $bundles
  done
  same --hidden 200 --inner 76,60,30 --joined 1 --gated 0 --bundles 7 --owned 7 --format 1
  same --hidden 200 --inner 64,30 --gated 0 --bundles 3 --owned 15 --format 1
fi
for bundles in 1 3 7 15; do
  same --hidden 100 --inner 64,20 --bundles $bundles --owned $bundles --tokens 4,9
done
same --hidden 100 --inner 50,31 --bundles 7 --owned 7 --tokens 4,9
same --hidden 100 --inner 68,20 --joined 1 --bundles 7 --owned 7 --tokens 4,9
same --hidden 100 --inner 52,20,7 --joined 1 --products 1 --format 1 --bundles 7 --owned 7 --tokens 4,17
same --hidden 100 --inner 64,30 --bundles 12 --owned 15 --firmware riscv --tokens 32
echo "C model and RTL: the same clocks"
# Small experts, with nothing but the firmware between one and the next: it keeps up.
small=(--channels 32 --hidden 2048 --inner 64,13 --bundles 3 --experts 24 --tokens 8,16)
for joined in 0 1; do paste -d ' ' <("$times" "${small[@]}" --joined $joined) <("$times" "${small[@]}" --joined $joined --firmware riscv) | awk '
  NR > 1 { printf "cut %d, %d tokens: an expert takes %d clocks, with firmware that takes time %d (a job %d more)\n", $1, $2, $4, $8, $7 - $3
           rows++; if ($8 > 1.08 * $4) slow++ }
  END { if (slow || rows != 4) { print "expected at most 8% more"; exit 1 } }' || exit 1
done
