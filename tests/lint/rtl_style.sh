#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plants numbers where docs/rtl_style.md wants names, and ports without the name of their group, one at a time, in a module:
# scripts/rtl_style.py must find each at its line, and nothing in the module without them. usage: tests/lint/rtl_style.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
file=$dir/planted.v

ports='' # lines of ports, each with its comma
# The module, with the ports and the statement given; its labels are those of a `case` over `kind_q`.
module() { # STATEMENT LABELS
  cat <<EOF
// SPDX-License-Identifier: Apache-2.0
// A module with a state and a selector. It has one place for a statement and one for labels.
\`default_nettype none
\`include "duplex_enumerations.vh"
module planted (
  input wire clk_i,
${ports}  input wire [7:0] opcode_i,
  input wire write_mode_i,
  output wire is_o
);
  localparam [1:0] IDLE = 2'd0, BUSY = 2'd1;
  reg [1:0] state_q, kind_q;
  $1
  always @(posedge clk_i) begin
    case (kind_q)
      $2 state_q <= BUSY;
      default: state_q <= IDLE;
    endcase
  end
endmodule
\`default_nettype wire
EOF
}

clean() { # NAME STATEMENT LABELS
  local said
  module "$2" "$3" >"$file"
  if said=$(scripts/rtl_style.py "$file"); then echo "ok   $1"; return; fi
  echo "FAIL $1: expected nothing, got: $said"
  failures=$((failures + 1))
}

found() { # NAME STATEMENT LABELS LINE [WHAT]
  local said what=${5:-a state or a selector by number}
  module "$2" "$3" >"$file"
  said=$(scripts/rtl_style.py "$file")
  if [ "$said" = "$file:$4: $what" ]; then echo "ok   $1"; return; fi
  echo "FAIL $1: expected line $4, $what, got: ${said:-nothing}"
  failures=$((failures + 1))
}

good="assign is_o = opcode_i == \`DUPLEX_OPCODE_GEMM;"
labels="\`DUPLEX_BUS_WORD_ROWS, \`DUPLEX_BUS_WORD_GATED:"
clean "names" "$good" "$labels"
clean "a flag of one bit" "assign is_o = write_mode_i == 1'b0;" "$labels"
clean "a width, a count, a bit" "assign is_o = kind_q[1] && words_q == 4'd2 && opcode_i <= limit_q;" "$labels"
found "an opcode" "assign is_o = opcode_i == 8'd2;" "$labels" 13
found "an opcode without a width" "assign is_o = opcode_i != 2;" "$labels" 13
found "the number first" "assign is_o = 8'h02 == opcode_i;" "$labels" 13
found "a field of a record" "assign is_o = job.kind == 2'd3;" "$labels" 13
found "a part of a selector" "assign is_o = row_command[1:0] === 2'b10;" "$labels" 13
found "a format in brackets" "assign is_o = (result_format_q) != 2'd0;" "$labels" 13
found "a mode that is set" "always @(posedge clk_i) mode_q <= 2'd1;" "$labels" 13
found "a state" "assign is_o = state_q == 2'd1;" "$labels" 13
found "one label" "$good" "2'd0:" 16
found "two labels" "$good" "2'd0, 2'd1:" 16
found "a name and a number" "$good" "\`DUPLEX_BUS_WORD_ROWS, 2'd1:" 16
found "two labels in two lines" "$good" "\`DUPLEX_BUS_WORD_ROWS,
      2'd1:" 17

many() { for ((i = 0; i < $1; i++)); do printf '  input wire port_%d_i,\n' "$i"; done; }
ports=$(many 1)$'\n'
clean "four ports" "$good" "$labels"
ports=$(many 2)$'\n'
found "five ports without a group" "$good" "$labels" 7 "more than 4 ports: a comment above each group names it"
ports=$(many 2)$'\n  // Opcode\n'
found "the first of two groups" "$good" "$labels" 7 "more than 4 ports: a comment above each group names it"
ports=$'  // ports of a job\n'$(many 2)$'\n'
found "a comment of a port is no group" "$good" "$labels" 8 "more than 4 ports: a comment above each group names it"
ports=$'  // Job\n'$(many 9)$'\n'
clean "a group of 12" "$good" "$labels"
ports=$'  // Job\n'$(many 10)$'\n'
found "a group of 13" "$good" "$labels" 20 "more than 12 ports in a group"

# A handshake_check that is taken out is missing from the page's list.
mkdir "$dir/tree" && cp -r scripts rtl params docs "$dir/tree"
sed -i 's/^  handshake_check .*) tile_check (/  other_check tile_check (/' "$dir/tree/rtl/gemm/gemm.v"
said=$("$dir/tree/scripts/rtl_style.py")
if [ "$said" = "docs/rtl_style.md: gemm.tile_check: rtl has no such handshake_check" ]; then
  echo "ok   a handshake_check that is taken out"
else
  echo "FAIL a handshake_check that is taken out: got ${said:-nothing}"
  failures=$((failures + 1))
fi
[ $failures = 0 ]
