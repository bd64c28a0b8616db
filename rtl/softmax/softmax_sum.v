// SPDX-License-Identifier: Apache-2.0
// The sum of one lane's weights: l = sum p in units of 2^-24, exact, docs/numerics.md N5.
//
// clear_i forgets what came before; valid_i says that p_i counts; both may come in one clock. Free-flowing.
// Latency: 2 clocks.
`default_nettype none
module softmax_sum (
  input wire clk_i,
  input wire clear_i,
  input wire valid_i,
  input wire [15:0] p_i,
  output wire [56:0] l_o
);
  // Stage 1: the integer.
  wire [4:0] field = p_i[15:11];
  wire hidden = field != 5'd0;
  reg [41:0] units_q;
  reg clear_q;
  always @(posedge clk_i) begin
    units_q <= valid_i ? {30'd0, hidden, p_i[10:0]} << (hidden ? field - 5'd1 : 5'd0) : 42'd0;
    clear_q <= clear_i;
  end

  // Stage 2: the sum.
  reg [56:0] l_q;
  always @(posedge clk_i) l_q <= (clear_q ? 57'd0 : l_q) + {15'd0, units_q};
  assign l_o = l_q;
endmodule
`default_nettype wire
