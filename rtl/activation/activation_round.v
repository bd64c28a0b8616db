// SPDX-License-Identifier: Apache-2.0
// RN16 of product * 2^exponent with the given sign, or the special value that a flag names
// (docs/activation.md).
//
// To nearest, ties to even, gradual underflow, overflow to Inf; a product of 0 gives a zero with sign.
// Latency 4 clocks: 1 leading zeros, 2 normalise, 3 down-shift of a subnormal, 4 round and pack.
`default_nettype none
module activation_round (
  input wire clk_i,
  // Product
  input wire [51:0] product_i,
  input wire signed [10:0] exponent_i,
  input wire nan_i,
  input wire infinite_i,
  input wire zero_i,
  input wire negative_i,
  // Result
  output reg [15:0] result_o
);
  // 1: leading zeros: of four bits each, then the first group that is not empty.
  reg [5:0] zeros;
  reg [3:0] group;
  integer i;
  always @* begin
    zeros = 6'd0;
    group = 4'd0;
    for (i = 0; i < 13; i = i + 1) begin
      if (product_i[4*i +: 4] != 4'd0) begin
        group = product_i[4*i +: 4];
        zeros[5:2] = 4'd12 - i[3:0];
      end
    end
    zeros[1:0] = group[3] ? 2'd0 : group[2] ? 2'd1 : group[1] ? 2'd2 : 2'd3;
  end
  reg [51:0] product1_q;
  reg [5:0] zeros1_q;
  reg signed [10:0] exponent1_q;
  reg nan1_q, infinite1_q, zero1_q, negative1_q;
  always @(posedge clk_i) begin
    product1_q <= product_i;
    zeros1_q <= zeros;
    exponent1_q <= exponent_i;
    nan1_q <= nan_i;
    infinite1_q <= infinite_i;
    zero1_q <= zero_i || product_i == 52'd0;
    negative1_q <= negative_i;
  end

  // 2: the leading one to the top; top is its weight.
  wire [51:0] normal = product1_q << zeros1_q;
  reg [12:0] normal2_q;  // 11 bits of result, guard, sticky
  reg signed [11:0] top2_q;
  reg nan2_q, infinite2_q, zero2_q, negative2_q;
  always @(posedge clk_i) begin
    normal2_q <= {normal[51:40], normal[39:0] != 40'd0};
    top2_q <= {exponent1_q[10], exponent1_q} + 12'sd51 - $signed({6'd0, zeros1_q});
    nan2_q <= nan1_q;
    infinite2_q <= infinite1_q;
    zero2_q <= zero1_q;
    negative2_q <= negative1_q;
  end

  // 3: below 2^-14 the last place stays 2^-24.
  wire subnormal = top2_q < -12'sd14;
  wire [11:0] missing = -12'sd14 - top2_q;
  wire [23:0] placed = {normal2_q, 11'd0} >> (subnormal ? missing[3:0] : 4'd0);
  reg [10:0] significand3_q;
  reg [4:0] field3_q;
  reg up3_q, nan3_q, infinite3_q, zero3_q, negative3_q;
  always @(posedge clk_i) begin
    significand3_q <= placed[23:13];
    up3_q <= placed[12] && (placed[13] || placed[11:0] != 12'd0);
    field3_q <= subnormal ? 5'd0 : top2_q[4:0] + 5'd14;
    nan3_q <= nan2_q;
    infinite3_q <= infinite2_q || (top2_q > 12'sd15 && !zero2_q);
    zero3_q <= zero2_q || (top2_q < -12'sd25 && !infinite2_q);
    negative3_q <= negative2_q;
  end

  // 4: the hidden one adds 1 to the exponent field, and so does a carry.
  wire [14:0] rounded = {field3_q, 10'd0} + {4'd0, significand3_q} + {14'd0, up3_q};
  always @(posedge clk_i)
    result_o <= nan3_q ? 16'h7e00 : {negative3_q, infinite3_q ? 15'h7c00 : zero3_q ? 15'd0 : rounded};

  wire unused = &{1'b0, missing[11:4], group[0], i[31:4]};
endmodule
`default_nettype wire
