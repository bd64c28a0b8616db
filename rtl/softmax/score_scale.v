// SPDX-License-Identifier: Apache-2.0
// A score times the scale of its descriptor, rounded to binary32: t = RN32(s * c), docs/numerics.md N5.
//
// IEEE: gradual underflow, overflow to Inf, signed zeros; Inf x 0 and NaN give the canonical NaN.
// Stages: multiply, normalise, round and pack. Free-flowing. Latency: 3 clocks.
`default_nettype none
module score_scale (
  input wire clk_i,
  input wire [31:0] s_i,
  input wire [31:0] c_i,
  output wire [31:0] t_o
);
  // Stage 1: significands multiplied; a subnormal has no hidden one and exponent 1.
  wire hidden_s = s_i[30:23] != 8'd0;
  wire hidden_c = c_i[30:23] != 8'd0;
  wire top_s = &s_i[30:23];
  wire top_c = &c_i[30:23];
  wire fraction_s = s_i[22:0] != 23'd0;
  wire fraction_c = c_i[22:0] != 23'd0;
  wire zero_s = !hidden_s && !fraction_s;
  wire zero_c = !hidden_c && !fraction_c;
  reg [47:0] product_q;
  reg [8:0] exponent_q;  // sum of the fields
  reg sign_q, nan_q, infinite_q;
  always @(posedge clk_i) begin
    product_q  <= {hidden_s, s_i[22:0]} * {hidden_c, c_i[22:0]};
    exponent_q <= {1'b0, s_i[30:24], s_i[23] | !hidden_s} + {1'b0, c_i[30:24], c_i[23] | !hidden_c};
    sign_q     <= s_i[31] ^ c_i[31];
    nan_q      <= (top_s && (fraction_s || zero_c)) || (top_c && (fraction_c || zero_s));
    infinite_q <= top_s || top_c;
  end

  // Stage 2: the leading one moves to the top; what leaves 24 bits and the round bit is sticky.
  wire zeros5 = product_q[47:16] == 32'd0;
  wire [47:0] n1 = zeros5 ? {product_q[15:0], 32'd0} : product_q;
  wire zeros4 = n1[47:32] == 16'd0;
  wire [47:0] n2 = zeros4 ? {n1[31:0], 16'd0} : n1;
  wire zeros3 = n2[47:40] == 8'd0;
  wire [47:0] n3 = zeros3 ? {n2[39:0], 8'd0} : n2;
  wire zeros2 = n3[47:44] == 4'd0;
  wire [47:0] n4 = zeros2 ? {n3[43:0], 4'd0} : n3;
  wire zeros1 = n4[47:46] == 2'd0;
  wire [47:0] n5 = zeros1 ? {n4[45:0], 2'd0} : n4;
  wire zeros0 = !n5[47];
  wire [47:0] n6 = zeros0 ? {n5[46:0], 1'd0} : n5;
  reg [24:0] leading_q;
  reg sticky_q, zero_q, minus_q, special_nan_q, special_infinite_q;
  reg signed [9:0] power_q;  // exponent of the leading one
  always @(posedge clk_i) begin
    leading_q <= n6[47:23];
    sticky_q <= n6[22:0] != 23'd0;
    zero_q <= !n6[47];
    minus_q <= sign_q;
    special_nan_q <= nan_q;
    special_infinite_q <= infinite_q;
    power_q <= {1'b0, exponent_q} - 10'd253 - {4'd0, zeros5, zeros4, zeros3, zeros2, zeros1, zeros0};
  end

  // Stage 3: a subnormal shifts further right; a carry out of the fraction raises the exponent field by
  // itself.
  wire signed [9:0] under = -10'sd126 - power_q;
  wire subnormal = under > 0;
  wire [4:0] right = !subnormal ? 5'd0 : under > 10'sd26 ? 5'd26 : under[4:0];
  wire [50:0] wide = {leading_q, 26'd0} >> right;
  wire up = wide[26] && (wide[27] || sticky_q || |wide[25:0]);
  wire [7:0] field = subnormal ? 8'd0 : power_q[7:0] + 8'd126;  // one less: the hidden one adds it
  wire [30:0] number = {field, 23'd0} + {7'd0, wide[50:27]} + {30'd0, up};
  wire infinite = special_infinite_q || power_q > 10'sd127;
  reg [31:0] t_q;
  always @(posedge clk_i) t_q <= special_nan_q ? 32'h7fc00000
      : {minus_q, infinite ? 31'h7f800000 : zero_q ? 31'd0 : number};
  assign t_o = t_q;
endmodule
`default_nettype wire
