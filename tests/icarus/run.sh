#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plain Verilog benches, with Icarus: the AXI4-Lite port alone, then whole jobs on the stack, without an unknown output.
# usage: tests/icarus/run.sh BUILD [--long]
#   --long  larger jobs, several channels
set -eu
cd "$(dirname "$0")/../.."
build=$1
out=$build/icarus
mkdir -p "$out"
mapfile -t rtl < <(grep -v -e '^#' -e '^$' rtl/files.f)

compile() { # TOP OUTPUT OPTION... FILE...
  iverilog -g2012 -Wall -Wno-timescale -Iparams/generated -Irtl/common -s "$1" -o "$2" "${@:3}"
}

# What driver and firmware do for a job, played on the RTL in four states.
job() { # KIND CHANNELS ROWS COLUMNS TOKENS
  local bench=$out/stack_$2.vvp script=$out/$1_$2_$3_$4_$5.script
  [ -n "${compiled[$2]:-}" ] || compile stack_tb "$bench" -Pstack_tb.CHANNELS="$2" "${rtl[@]}" tests/icarus/{dram,stack_tb}.v
  compiled[$2]=1
  "$build/tests/icarus/record" "$@" >"$script"
  echo "$*:"
  vvp -n "$bench" +script="$script"
}
declare -A compiled

if [ "${2:-}" = --long ]; then
  job gemm 2 140 200 11
  job gemm 3 70 130 3
  job expert 2 70 128 9
  job attention 2 3 200 12
  exit
fi
compile axi_lite_tb "$out/axi_lite_tb.vvp" -y rtl/control -y rtl/common tests/icarus/axi_lite_tb.v
vvp -n "$out/axi_lite_tb.vvp" +seed="${DUPLEX_SEED:-1}" +accesses=$((2000 * ${DUPLEX_CASES:-1}))
job gemm 1 8 64 1
# The script that `fusesoc run --target=sim` plays is the one that is recorded now.
cmp "$out/gemm_1_8_64_1.script" tests/icarus/gemm.script
job expert 1 16 64 1
job attention 1 1 20 1
