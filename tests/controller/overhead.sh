#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the firmware's instructions cost at 0.7 a clock: at most 10% on attention of 32 sequences of length 512, with --expert also
# at most 2% on an expert of Mixtral's shape. usage: tests/controller/overhead.sh BUILD [--expert]
set -u
duplex=$(realpath "$1")/duplex
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
random() { "$duplex" random --shape "$1" --seed "$2" --dist "$3" --out "$4.npy" || exit 1; }
at_most() { # PERCENT NAME COMMAND...
  local percent=$1 name=$2
  shift 2
  "$duplex" "$@" --firmware riscv --stats s.json || exit 1
  jq -r "\"$name: \\(.cycles) clocks, \\(.firmware_instructions) instructions, overhead \\(.firmware_overhead * 10000 | round / 100)%\"" s.json
  jq -e ".firmware_overhead > 0 and .firmware_overhead <= $percent / 100" s.json >/dev/null || { echo "$name: expected at most $percent%"; exit 1; }
}
random 32,32,128 1 normal:1 q
random 32,8,512,128 2 normal:1 k
random 32,8,512,128 3 normal:1 v
at_most 10 attention attention --q q.npy --k k.npy --v v.npy --out o.npy
[ "${2:-}" = --expert ] || exit 0
random 8,4096 1 normal:1 x
random 14336,4096 2 normal:0.02 g
random 14336,4096 3 normal:0.02 u
random 4096,14336 4 normal:0.02 d
at_most 2 expert expert --x x.npy --gate g.npy --up u.npy --down d.npy --out y.npy
