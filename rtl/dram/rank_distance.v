// SPDX-License-Identifier: Apache-2.0
// Distance of the commands that open rows of one rank, ACT and REF, whichever side gives them: nRRDL after
// an ACT, nRREFD after a REF. A bundle lies in all bank groups, so that the long distance counts on both
// sides; between two commands of the xPU the xPU keeps its own.
// The xPU asks for each ACT and REF in the clock before its pins show it; granted in clock t it is on its
// pins in t + 1, as Logic-PIM's own command of clock t. In one clock Logic-PIM goes first.
`default_nettype none
`include "duplex_dram.vh"
module rank_distance (
  input wire clk_i,
  input wire rst_ni,
  // Commands of this clock
  input wire act_i,       // of Logic-PIM, now
  input wire ref_i,
  input wire xpu_act_i,   // of the xPU, granted now
  input wire xpu_ref_i,
  // What is allowed
  output wire ok_o,       // Logic-PIM may give one
  output wire xpu_ok_o    // the xPU may
);
  localparam [3:0] RRD = (`DRAM_NRRDL + 1) / 2 - 1;
  localparam [3:0] RREFD = (`DRAM_NRREFD + 1) / 2 - 1;
  reg [3:0] own_q, xpu_q;  // clocks left to wait
  wire [3:0] own_left = own_q == 4'd0 ? 4'd0 : own_q - 4'd1;
  wire [3:0] xpu_left = xpu_q == 4'd0 ? 4'd0 : xpu_q - 4'd1;
  wire [3:0] after_own = ref_i ? RREFD : RRD;
  wire [3:0] after_xpu = xpu_ref_i ? RREFD : xpu_act_i ? RRD : 4'd0;
  wire given = act_i || ref_i;
  always @(posedge clk_i) begin
    own_q <= !rst_ni ? 4'd0 : given ? after_own : after_xpu > own_left ? after_xpu : own_left;
    xpu_q <= !rst_ni ? 4'd0 : given ? after_own : xpu_left;
  end
  assign ok_o = own_q == 4'd0;
  assign xpu_ok_o = xpu_q == 4'd0 && !given;
endmodule
`default_nettype wire
