// SPDX-License-Identifier: Apache-2.0
// Exact dot product of WIDTH (64) pairs of numbers, decoded by `operand`: w binary16, x binary16 or weights
// of softmax (docs/numerics.md, N1 and N2; paper 1.4: one processing unit). WIDTH is a multiple of 8.
//
// Result in units of 2^-48: sum = high * 2^48 + low, low unsigned up to WIDTH * 2^48; and the flags of the
// products: bit 0 NaN, 1 +Inf, 2 -Inf. A product is a magnitude of 23 bits shifted left by 0 to 57 places, or
// of 22 by up to 58. If it is negative, it is inverted before the shift with ones on both sides, and the
// missing one is added with the low words. Low word (48 bits) and high word (33, signed) are summed apart, so
// that no carry runs over more than a word before the accumulator joins them. docs/synthesis.md compares
// other structures. Stages: product, align and sum of 8, sum of all. Free-flowing, no stall. Latency: 3
// clocks.
`default_nettype none
`include "duplex_params.vh"
module dot64 #(
  parameter LOW_BITS = 49 + $clog2(`DUPLEX_WIDTH),
  parameter HIGH_BITS = 33 + $clog2(`DUPLEX_WIDTH)
) (
  input wire clk_i,
  // Activations
  input wire [13*`DUPLEX_WIDTH-1:0] x_significand_i,
  input wire [5*`DUPLEX_WIDTH-1:0] x_exponent_i,
  // Weights
  input wire [12*`DUPLEX_WIDTH-1:0] w_significand_i,
  input wire [5*`DUPLEX_WIDTH-1:0] w_exponent_i,
  // Dot product
  output reg [LOW_BITS-1:0] low_o,
  output reg [HIGH_BITS-1:0] high_o,
  output reg [2:0] flags_o
);
  localparam WIDTH = `DUPLEX_WIDTH;
  wire [WIDTH-1:0] nan, pos_inf, neg_inf;
  genvar i, g;

  generate
    for (i = 0; i < WIDTH; i = i + 1) begin : lane
      wire [12:0] x = x_significand_i[13*i+:13];
      wire [11:0] w = w_significand_i[12*i+:12];
      wire [4:0] x_exponent = x_exponent_i[5*i+:5];
      wire [4:0] w_exponent = w_exponent_i[5*i+:5];
      wire        negative = x[12] ^ w[11];

      wire [5:0] shift = {1'b0, x_exponent} + {1'b0, w_exponent};

      // The shift by 0 or 1 stands beside the multiplier, where there is time for it.
      reg  [23:0] product_q;
      reg  [ 4:0] shift_q;
      reg         negative_q;
      always @(posedge clk_i) begin
        product_q  <= {1'd0, {11'd0, x[11:0]} * {12'd0, w[10:0]}} << shift[0];
        shift_q    <= shift[5:1];
        negative_q <= negative;
      end

      // Rest of the shift, by 2, 4, 8, 16 and 32, of the product inverted if it is negative; its sign fills
      // up on both sides. The largest product is below 2^80, so the high word has 32 bits beside its sign.
      wire [23:0] by0 = product_q ^ {24{negative_q}};
      wire [25:0] by2 = shift_q[0] ? {by0, {2{negative_q}}} : {{2{negative_q}}, by0};
      wire [29:0] by4 = shift_q[1] ? {by2, {4{negative_q}}} : {{4{negative_q}}, by2};
      wire [37:0] by8 = shift_q[2] ? {by4, {8{negative_q}}} : {{8{negative_q}}, by4};
      wire [53:0] by16 = shift_q[3] ? {by8, {16{negative_q}}} : {{16{negative_q}}, by8};
      wire [47:0] low = shift_q[4] ? {by16[15:0], {32{negative_q}}} : by16[47:0];
      wire [31:0] high = shift_q[4] ? by16[47:16] : {{26{negative_q}}, by16[53:48]};
      // What the group adds: the low word with its one, the high word with its sign.
      wire [51:0] low_term = {4'd0, low} + {51'd0, negative_q};
      wire [35:0] high_term = {{4{negative_q}}, high};

      wire x_inf = x_exponent == 5'd30, w_inf = w_exponent == 5'd30;
      wire x_zero = x_exponent == 5'd31 && !x[12], w_zero = w_exponent == 5'd31 && !w[11];
      wire x_nan = x_exponent == 5'd31 && x[12], w_nan = w_exponent == 5'd31 && w[11];
      assign nan[i]     = x_nan || w_nan || (x_inf && w_zero) || (x_zero && w_inf);
      assign pos_inf[i] = (x_inf || w_inf) && !nan[i] && !negative;
      assign neg_inf[i] = (x_inf || w_inf) && !nan[i] && negative;
    end

    for (g = 0; g < WIDTH / 8; g = g + 1) begin : group
      reg  [51:0] low_q;
      reg  [35:0] high_q;
      always @(posedge clk_i) begin
        low_q <= lane[8*g].low_term + lane[8*g+1].low_term + lane[8*g+2].low_term + lane[8*g+3].low_term +
            lane[8*g+4].low_term + lane[8*g+5].low_term + lane[8*g+6].low_term + lane[8*g+7].low_term;
        high_q <= lane[8*g].high_term + lane[8*g+1].high_term +
            lane[8*g+2].high_term + lane[8*g+3].high_term +
            lane[8*g+4].high_term + lane[8*g+5].high_term +
            lane[8*g+6].high_term + lane[8*g+7].high_term;
      end

      // Sum of this group and those before it.
      wire [LOW_BITS-1:0] low;
      wire [HIGH_BITS-1:0] high;
      if (g == 0) begin : first
        assign low  = {{(LOW_BITS - 52) {1'b0}}, low_q};
        assign high = {{(HIGH_BITS - 36) {high_q[35]}}, high_q};
      end else begin : next
        assign low  = group[g-1].low + {{(LOW_BITS - 52) {1'b0}}, low_q};
        assign high = group[g-1].high + {{(HIGH_BITS - 36) {high_q[35]}}, high_q};
      end
    end
  endgenerate

  always @(posedge clk_i) begin
    low_o  <= group[WIDTH/8-1].low;
    high_o <= group[WIDTH/8-1].high;
  end

  // Flags travel the same three stages.
  reg [WIDTH-1:0] nan_q, pos_inf_q, neg_inf_q;
  reg [2:0] flags_q;
  always @(posedge clk_i) begin
    nan_q     <= nan;
    pos_inf_q <= pos_inf;
    neg_inf_q <= neg_inf;
    flags_q   <= {|neg_inf_q, |pos_inf_q, |nan_q};
    flags_o   <= flags_q;
  end
endmodule
`default_nettype wire
