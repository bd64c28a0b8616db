// SPDX-License-Identifier: Apache-2.0
// An exact sum as sign, power and leading bits: what `round` and `quotient` begin with.
//
// sum_i in units of 2^-48. leading_o: KEEP bits from the leading one on, sticky_o: a one below them; zero_o:
// the sum is 0. power_o: exponent of the leading one, of 2^exponent_i * sum.
// Stages: magnitude, normalise. Free-flowing. Latency: 2 clocks.
`default_nettype none
`include "duplex_params.vh"
module normalise #(
  parameter KEEP = 25
) (
  input wire clk_i,
  // Sum
  input wire [`DUPLEX_SUM_BITS-1:0] sum_i,
  input wire signed [7:0] exponent_i,
  // Its leading bits, sign and power of two
  output wire [KEEP-1:0] leading_o,
  output wire sticky_o,
  output wire zero_o,
  output wire negative_o,
  output wire signed [9:0] power_o
);
  // Stage 1: magnitude. Both halves are negated apart, and the high one takes its carry by a choice: half as
  // long a chain.
  wire negative = sum_i[`DUPLEX_SUM_BITS-1];
  wire [47:0] low = sum_i[47:0];
  wire [48:0] high = sum_i[`DUPLEX_SUM_BITS-1:48];
  wire [48:0] negated_high = low == 48'd0 ? -high : ~high;
  reg [`DUPLEX_SUM_BITS-1:0] magnitude_q;
  reg negative_q;
  reg signed [7:0] exponent_q;
  always @(posedge clk_i) begin
    magnitude_q <= negative ? {negated_high, -low} : sum_i;
    negative_q  <= negative;
    exponent_q  <= exponent_i;
  end

  // Stage 2: the leading one moves to the top of 128 bits, so that the search for it halves evenly.
  wire [127:0] n0 = {{(128 - `DUPLEX_SUM_BITS) {1'b0}}, magnitude_q};
  wire zeros6 = n0[127:64] == 64'd0;
  wire [127:0] n1 = zeros6 ? {n0[63:0], 64'd0} : n0;
  wire zeros5 = n1[127:96] == 32'd0;
  wire [127:0] n2 = zeros5 ? {n1[95:0], 32'd0} : n1;
  wire zeros4 = n2[127:112] == 16'd0;
  wire [127:0] n3 = zeros4 ? {n2[111:0], 16'd0} : n2;
  wire zeros3 = n3[127:120] == 8'd0;
  wire [127:0] n4 = zeros3 ? {n3[119:0], 8'd0} : n3;
  wire zeros2 = n4[127:124] == 4'd0;
  wire [127:0] n5 = zeros2 ? {n4[123:0], 4'd0} : n4;
  wire zeros1 = n5[127:126] == 2'd0;
  wire [127:0] n6 = zeros1 ? {n5[125:0], 2'd0} : n5;
  wire zeros0 = !n6[127];
  wire [127:0] n7 = zeros0 ? {n6[126:0], 1'd0} : n6;
  reg [KEEP-1:0] leading_q;
  reg sticky_q, zero_q, minus_q;
  reg signed [9:0] power_q;
  always @(posedge clk_i) begin
    leading_q <= n7[127-:KEEP];
    sticky_q  <= n7[127-KEEP:0] != 0;
    zero_q    <= !n7[127];
    minus_q   <= negative_q;
    power_q   <= 10'sd127 - 10'sd`DUPLEX_SUM_FRACTION_BITS -
        $signed({3'd0, zeros6, zeros5, zeros4, zeros3, zeros2, zeros1, zeros0}) +
        {{2{exponent_q[7]}}, exponent_q};
  end
  assign leading_o  = leading_q;
  assign sticky_o   = sticky_q;
  assign zero_o     = zero_q;
  assign negative_o = minus_q;
  assign power_o    = power_q;
endmodule
`default_nettype wire
