#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Area and longest path of one module: Yosys (flattened, mapped and buffered by abc), then OpenSTA on the mapped net list.
# usage: synth/spike/measure.sh TOP [-p NAME=VALUE]... FILE...
#   LIBERTY  the library, default osu018 of qflow-tech-osu018; ASAP7 is recognised by its cells
#   TARGET   abc's delay target in ps (default 10000, ASAP7 1200); OUT  folder for net list and reports (default build/spike)
# Prints: top, parameters, area, cells, longest path between registers or ports in ns. RAM stays a black box without area.
set -euo pipefail
cd "$(dirname "$0")/../.."
liberty=${LIBERTY:-/usr/share/qflow/tech/osu018/osu018_stdcells.lib}
top=$1
shift
parameters= label=
while [ "${1:-}" = -p ]; do
  parameters+=" -set ${2%%=*} ${2#*=}"
  label+=" $2"
  shift 2
done
if grep -qm1 ASAP7 "$liberty"; then
  constraints=$'set_driving_cell INVx2_ASAP7_75t_R\nset_load 1.0 [all_outputs]' target=${TARGET:-1200} to_ns=0.001
else
  constraints=$'set_driving_cell INVX4\nset_load 50.0 [all_outputs]' target=${TARGET:-10000} to_ns=1
fi
out=${OUT:-build/spike}/$top$(tr ' ' _ <<<"$label")_$(basename "$liberty" .lib)
mkdir -p "$out"
printf '%s\n' "$constraints" >"$out/constraints"
cat >"$out/blackbox.v" <<'V'
(* blackbox *) module ram_1r1w #(parameter WIDTH = 32, parameter DEPTH = 64, parameter ADDRESS_BITS = $clog2(DEPTH)) (
  input clk_i, input write_i, input [ADDRESS_BITS-1:0] write_address_i, input [WIDTH-1:0] write_data_i,
  input [ADDRESS_BITS-1:0] read_address_i, output [WIDTH-1:0] read_data_o);
endmodule
V
yosys -q -l "$out/yosys.log" -p "
  read_verilog -sv -Iparams/generated $* $out/blackbox.v
  ${parameters:+chparam$parameters $top}
  hierarchy -check -top $top
  synth -flatten -top $top; techmap; opt
  dfflibmap -liberty $liberty; opt
  abc -liberty $liberty -constr $out/constraints -D $target
  setundef -zero; splitnets -ports -format __; opt_clean -purge
  delete t:*ram_1r1w*; opt_clean
  tee -o $out/stat.txt stat -liberty $liberty
  write_verilog -noattr -noexpr $out/net.v" >"$out/yosys.out" 2>&1 || { tail -3 "$out/yosys.log"; exit 1; }
if grep -qE '^ +\$' "$out/stat.txt"; then echo "unmapped cells, see $out/stat.txt"; exit 1; fi
module=$(sed -n 's/^module \([^ (]*\).*/\1/p' "$out/net.v" | head -1)
cat >"$out/sta.tcl" <<T
read_liberty $liberty
read_verilog $out/net.v
link_design {$module}
create_clock -name clk -period 100000 [get_ports clk_i]
set_input_delay 0 -clock clk [all_inputs]
set_output_delay 0 -clock clk [all_outputs]
report_checks -path_delay max -path_group clk -format full -digits 4
T
sta -no_splash -exit "$out/sta.tcl" >"$out/sta.log" 2>&1
# OpenSTA goes on after an error and would report the half-read net list.
if grep -q '^Error' "$out/sta.log"; then grep '^Error' "$out/sta.log"; exit 1; fi
area=$(awk '/Chip area/ { print $NF }' "$out/stat.txt")
cells=$(awk '/Number of cells/ { print $NF }' "$out/stat.txt")
# Path and setup time of its end.
path=$(awk -v k=$to_ns '/data arrival time/ && !a { a = $1 } /library setup time/ && !s { s = -$1 } END { printf "%.3f", (a + s) * k }' "$out/sta.log")
printf '%-12s%-48s area %10.0f um2  cells %7d  path %6.3f ns\n' "$top" "$label" "$area" "$cells" "$path"
