// SPDX-License-Identifier: Apache-2.0
// Rule `strict`: at most four bank activations of one rank within nFAW, those of the xPU among them. Four
// slots; an activation takes one for nFAW, a Logic-PIM activation of four banks all of them.
// Under either rule the xPU gets its grant only in clocks in which the distance to Logic-PIM's commands
// allows it (`ready_i`, rank_distance). While Logic-PIM will need the slots soon (`need_i`) the xPU has to
// wait; after each bundle that was opened it has its turn first, so that nobody waits for ever.
`default_nettype none
`include "duplex_dram.vh"
module activation_window (
  input wire clk_i,
  input wire rst_ni,
  // Rule
  input wire strict_i,
  // Logic-PIM
  input wire need_i,      // Logic-PIM will activate a bundle soon
  input wire act_i,       // four banks of it now
  input wire opened_i,    // and with them the whole bundle is open
  // The xPU
  input wire ready_i,     // the xPU may activate, but for this rule
  input wire request_i,
  output wire grant_o,
  // State
  output wire four_o      // all slots are free
);
  localparam [5:0] FAW = (`DRAM_NFAW + 1) / 2 - 1;
  reg [4*6-1:0] slot_q;   // clocks for which each slot is taken
  reg turn_q;             // of the xPU
  wire [3:0] free = {slot_q[23:18] == 6'd0, slot_q[17:12] == 6'd0, slot_q[11:6] == 6'd0, slot_q[5:0] == 6'd0};
  wire [3:0] first = free & (~free + 4'd1);
  wire granted = request_i && grant_o;
  integer i;
  always @(posedge clk_i) begin
    for (i = 0; i < 4; i = i + 1)
      if (!rst_ni) slot_q[6*i +: 6] <= 6'd0;
      else if (act_i || (granted && first[i])) slot_q[6*i +: 6] <= FAW;
      else if (slot_q[6*i +: 6] != 6'd0) slot_q[6*i +: 6] <= slot_q[6*i +: 6] - 6'd1;
    if (!rst_ni) turn_q <= 1'b0;
    else if (opened_i) turn_q <= 1'b1;
    else if (free != 4'd0 && ready_i) turn_q <= 1'b0;
  end
  assign four_o = !strict_i || &free;
  assign grant_o = ready_i && (!strict_i || (free != 4'd0 && (!need_i || turn_q)));
endmodule
`default_nettype wire
