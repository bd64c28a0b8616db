// SPDX-License-Identifier: Apache-2.0
// A row of the context divided by the sum of the weights: o = RN16(sum / l), correctly rounded,
// docs/numerics.md N5.
//
// sum_i in units of 2^-48, flags_i bit 0 NaN, 1 +Inf, 2 -Inf, as `round` takes them. load_i takes the
// divisor: l_i in units of 2^-24, and row_nan_i, which makes every result NaN (as l_i = 0 does). It counts
// from the sum of the same clock on; the last sum before it must have come 14 clocks or more ago.
// Stages: magnitude, normalise, 13 steps of division of one bit each, round and pack. Free-flowing. Latency:
// 16 clocks.
`default_nettype none
`include "duplex_params.vh"
module quotient (
  input wire clk_i,
  // Sum of weights
  input wire load_i,
  input wire [56:0] l_i,
  input wire row_nan_i,
  // Context sum
  input wire [`DUPLEX_SUM_BITS-1:0] sum_i,
  input wire [2:0] flags_i,
  // Result
  output wire [15:0] o_o
);
  localparam STEPS = 13;  // 11 bits of result, one below, and one because the quotient may be below 1
  localparam BITS = STEPS - 1;  // of the dividend, below the divisor's last place
  localparam SIDE = 13;  // what goes beside the remainder

  // The divisor, its leading one at the top.
  wire [63:0] l0 = {l_i, 7'd0};
  wire l_zeros5 = l0[63:32] == 32'd0;
  wire [63:0] l1 = l_zeros5 ? {l0[31:0], 32'd0} : l0;
  wire l_zeros4 = l1[63:48] == 16'd0;
  wire [63:0] l2 = l_zeros4 ? {l1[47:0], 16'd0} : l1;
  wire l_zeros3 = l2[63:56] == 8'd0;
  wire [63:0] l3 = l_zeros3 ? {l2[55:0], 8'd0} : l2;
  wire l_zeros2 = l3[63:60] == 4'd0;
  wire [63:0] l4 = l_zeros2 ? {l3[59:0], 4'd0} : l3;
  wire l_zeros1 = l4[63:62] == 2'd0;
  wire [63:0] l5 = l_zeros1 ? {l4[61:0], 2'd0} : l4;
  wire l_zeros0 = !l5[63];
  wire [63:0] l6 = l_zeros0 ? {l5[62:0], 1'd0} : l5;
  reg [56:0] divisor_q;
  reg [5:0] divisor_zeros_q;
  reg row_nan_q;
  always @(posedge clk_i)
    if (load_i) begin
      divisor_q       <= l6[63:7];
      divisor_zeros_q <= {l_zeros5, l_zeros4, l_zeros3, l_zeros2, l_zeros1, l_zeros0};
      row_nan_q       <= row_nan_i || l_i == 57'd0;
    end

  // Stages 1 and 2: the dividend, its leading one at the top.
  wire [56+BITS:0] dividend;
  wire sticky, zero, minus;
  wire signed [9:0] power_sum;
  normalise #(.KEEP(57 + BITS)) normalise (
    .clk_i(clk_i),
    .sum_i(sum_i),
    .exponent_i(8'sd0),
    .leading_o(dividend),
    .sticky_o(sticky),
    .zero_o(zero),
    .negative_o(minus),
    .power_o(power_sum)
  );
  reg [2:0] flags_q, special_q;
  always @(posedge clk_i) begin
    flags_q   <= flags_i;
    special_q <= flags_q;
  end
  // The quotient's leading one if the dividend is not below the divisor; both are fractions now, the
  // divisor's in units of 2^32.
  wire signed [7:0] power = power_sum[7:0] - 8'sd32 + $signed({2'd0, divisor_zeros_q});
  wire nan = row_nan_q || special_q[0] || (special_q[1] && special_q[2]);
  wire infinite = |special_q[2:1];
  wire [SIDE-1:0] side = {power, nan, infinite, zero && !infinite, infinite ? special_q[2] : minus, sticky};

  // Steps: the remainder, and one more bit of the dividend, less the divisor if it is not smaller. Bits of
  // the dividend leave at the top of `bits`, bits of the quotient enter below.
  wire [57*STEPS-1:0] remainders;
  wire [STEPS*STEPS-1:0] bits;
  wire [SIDE*STEPS-1:0] sides;
  genvar i;
  generate
    for (i = 0; i < STEPS; i = i + 1) begin : step
      wire [57:0] taken;
      wire [BITS-1:0] bits_taken;
      wire [SIDE-1:0] side_taken;
      if (i == 0) begin : first
        assign taken      = {1'b0, dividend[56+BITS-:57]};
        assign bits_taken = dividend[BITS-1:0];
        assign side_taken = side;
      end else begin : next
        assign taken      = {remainders[57*(i-1)+:57], bits[STEPS*i-1]};
        assign bits_taken = bits[STEPS*(i-1)+:BITS];
        assign side_taken = sides[SIDE*(i-1)+:SIDE];
      end
      wire [57:0] less = taken - {1'b0, divisor_q};
      reg [56:0] remainder_q;
      reg [STEPS-1:0] bits_q;
      reg [SIDE-1:0] side_q;
      always @(posedge clk_i) begin
        remainder_q <= less[57] ? taken[56:0] : less[56:0];
        bits_q      <= {bits_taken, !less[57]};
        side_q      <= side_taken;
      end
      assign remainders[57*i+:57] = remainder_q;
      assign bits[STEPS*i+:STEPS] = bits_q;
      assign sides[SIDE*i+:SIDE]  = side_q;
    end
  endgenerate

  // Round and pack: a rest of the division is sticky.
  wire [STEPS-1:0] result = bits[STEPS*BITS+:STEPS];
  wire rest = remainders[57*BITS+:57] != 57'd0;
  wire signed [7:0] power_last;
  wire nan_last, infinite_last, zero_last, minus_last, sticky_last;
  assign {power_last, nan_last, infinite_last, zero_last, minus_last, sticky_last} = sides[SIDE*BITS+:SIDE];
  wire below = !result[BITS];
  wire [11:0] leading = below ? result[11:0] : result[12:1];
  wire inexact = sticky_last || rest || (!below && result[0]);
  wire signed [7:0] top = power_last - {7'd0, below};
  wire signed [7:0] under = -8'sd14 - top;
  wire subnormal = under > 0;
  wire [3:0] right = !subnormal ? 4'd0 : under > 8'sd12 ? 4'd13 : under[3:0];
  wire [24:0] wide = {leading, 13'd0} >> right;
  wire up = wide[13] && (wide[14] || inexact || |wide[12:0]);
  wire [4:0] field = subnormal ? 5'd0 : top[4:0] + 5'd14;
  wire [14:0] number = {field, 10'd0} + {4'd0, wide[24:14]} + {14'd0, up};
  wire over = top > 8'sd15;
  reg [15:0] o_q;
  always @(posedge clk_i) o_q <= nan_last ? 16'h7e00
      : zero_last ? 16'd0
      : {minus_last, infinite_last || over ? 15'h7c00 : number};
  assign o_o = o_q;

  wire unused = &{1'b0, l6[6:0], power_sum[9:8]};
endmodule
`default_nettype wire
