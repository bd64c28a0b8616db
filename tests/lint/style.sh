#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names that scripts/rtl_style.py has to refuse, one line each: used before their declaration, keywords of other languages.
# usage: tests/lint/style.sh BUILD
set -eu
cd "$(dirname "$0")/../.."
out=$1/style
mkdir -p "$out"
cat >"$out/entity.v" <<'V'
// A unit with wrong names: each is found.
`default_nettype none
module entity #(
  parameter UNITS = 1
) (
  input wire early_i,
  output wire late_o
);
  wire [1:0] late = {early, early_i};
  wire early, inf, table_q;
  reg [UNITS-1:0] max;
  event checker;
  assign late_o = late_q[0] && uses;
  reg [1:0] late_q = 2'd0, unique0;
  wire uses = early;
endmodule
`default_nettype wire
V
sed "s|^|$out/entity.v:|" >"$out/expected" <<'L'
3: entity: a keyword of VHDL
4: UNITS: a keyword of VHDL
9: early: used before its declaration in line 10
10: inf: a keyword of SystemVerilog or Verilog-AMS
11: max: a keyword of SystemVerilog or Verilog-AMS
12: checker: a keyword of SystemVerilog or Verilog-AMS
13: late_q: used before its declaration in line 14
13: uses: used before its declaration in line 15
14: unique0: a keyword of SystemVerilog or Verilog-AMS
L
if scripts/rtl_style.py "$out/entity.v" >"$out/found"; then echo "style: wrong names are not refused"; exit 1; fi
diff "$out/expected" "$out/found"
echo "style: $(wc -l <"$out/found") wrong names found"
