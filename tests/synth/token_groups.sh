#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a second group of tokens costs in area: the units that know of groups and pairs, as they are and with these inputs tied to 0.
# usage: tests/synth/token_groups.sh [LIBERTY]; Yosys with abc, flattened, RAM as it is inferred (registers) left out
set -eu
liberty=${1:-/usr/share/qflow/tech/osu018/osu018_stdcells.lib}
area() { # MODULE TIED-INPUTS
  local tie=
  for input in $2; do tie+="delete -input w:$input; "; done
  yosys -q -p "read_verilog -sv -Iparams/generated $(find rtl -name "$1.v") rtl/common/ram_fifo.v rtl/common/fifo.v
    read_verilog -sv -lib rtl/common/ram_1r1w.v
    hierarchy -top $1; proc; flatten; memory; $tie setundef -undriven -zero; opt -full; synth -run coarse:; dfflibmap -liberty $liberty
    abc -liberty $liberty; opt_clean; tee -a /dev/stdout stat -liberty $liberty" | awk '/Chip area/ {sum = $NF} END {print sum}'
}
printf '%-16s %14s %14s\n' unit "with groups" without
for unit in weight_stream stream_request tile_gate bus_port broadcast; do
  inputs=two_groups_i
  case $unit in weight_stream | broadcast) inputs='two_groups_i two_streams_i' ;; stream_request) inputs=two_streams_i ;; esac
  printf '%-16s %14s %14s\n' $unit "$(area $unit '')" "$(area $unit "$inputs")"
done
