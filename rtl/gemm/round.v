// Rounds one exact sum to binary32 and to binary16: RN(2^exponent * sum), docs/numerics.md N3.
//
// sum_i in units of 2^-48, flags bit 0 NaN, 1 +Inf, 2 -Inf; exponent_i signed. To nearest, ties to even, gradual underflow, overflow to
// Inf; NaN or infinities of both signs give the canonical NaN; an exact zero is +0.
// Stages: magnitude, normalise, round and pack. Free-flowing. Latency: 3 clocks.
`default_nettype none
`include "duplex_params.vh"
module round (
    input  wire                               clk_i,
    input  wire        [`DUPLEX_SUM_BITS-1:0] sum_i,
    input  wire        [                 2:0] flags_i,
    input  wire signed [                 7:0] exponent_i,
    output wire        [                31:0] f32_o,
    output wire        [                15:0] f16_o
);
  // Stage 1: magnitude. Both halves are negated apart, and the high one takes its carry by a choice: half as long a chain.
  wire negative = sum_i[`DUPLEX_SUM_BITS-1];
  wire [47:0] low = sum_i[47:0];
  wire [48:0] high = sum_i[`DUPLEX_SUM_BITS-1:48];
  wire [48:0] negated_high = low == 48'd0 ? -high : ~high;
  reg [`DUPLEX_SUM_BITS-1:0] magnitude_q;
  reg negative_q;
  reg [2:0] flags_q;
  reg signed [7:0] exponent_q;
  always @(posedge clk_i) begin
    magnitude_q <= negative ? {negated_high, -low} : sum_i;
    negative_q  <= negative;
    flags_q     <= flags_i;
    exponent_q  <= exponent_i;
  end

  // Stage 2: the leading one moves to the top of 128 bits, so that the search for it halves evenly; what leaves the 25 bits of a binary32 with its round bit is sticky.
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

  reg [24:0] leading_q;  // 24 bits of significand and the round bit
  reg sticky_q, zero_q, minus_q;
  reg [2:0] special_q;
  reg signed [9:0] power_q;  // exponent of the leading one
  always @(posedge clk_i) begin
    leading_q <= n7[127:103];
    sticky_q  <= |n7[102:0];
    zero_q    <= !n7[127];
    minus_q   <= negative_q;
    special_q <= flags_q;
    power_q   <= 10'sd127 - 10'sd`DUPLEX_SUM_FRACTION_BITS - $signed({3'd0, zeros6, zeros5, zeros4, zeros3, zeros2, zeros1, zeros0}) + {{2{exponent_q[7]}}, exponent_q};
  end

  // Stage 3: each format shifts further right if the result is subnormal, rounds, and packs: a carry out of the fraction
  // raises the exponent field by itself.
  wire nan = special_q[0] || (special_q[1] && special_q[2]);
  wire infinite = |special_q[2:1];

  wire signed [9:0] under32 = -10'sd126 - power_q;
  wire subnormal32 = under32 > 0;
  wire [4:0] right32 = !subnormal32 ? 5'd0 : under32 > 10'sd26 ? 5'd26 : under32[4:0];
  wire [51:0] wide32 = {leading_q, 27'd0} >> right32;
  wire up32 = wide32[27] && (wide32[28] || sticky_q || |wide32[26:0]);
  wire [7:0] field32 = subnormal32 ? 8'd0 : power_q[7:0] + 8'd126;  // one less: the hidden one adds it
  wire [30:0] packed32 = {field32, 23'd0} + {7'd0, wide32[51:28]} + {30'd0, up32};
  wire over32 = power_q > 10'sd127;

  wire signed [9:0] under16 = -10'sd14 - power_q;
  wire subnormal16 = under16 > 0;
  wire [3:0] right16 = !subnormal16 ? 4'd0 : under16 > 10'sd13 ? 4'd13 : under16[3:0];
  wire [37:0] wide16 = {leading_q, 13'd0} >> right16;
  wire up16 = wide16[26] && (wide16[27] || sticky_q || |wide16[25:0]);
  wire [4:0] field16 = subnormal16 ? 5'd0 : power_q[4:0] + 5'd14;
  wire [14:0] packed16 = {field16, 10'd0} + {4'd0, wide16[37:27]} + {14'd0, up16};
  wire over16 = power_q > 10'sd15;

  reg [31:0] f32_q;
  reg [15:0] f16_q;
  always @(posedge clk_i) begin
    f32_q <= nan ? 32'h7fc00000 : infinite ? {special_q[2], 31'h7f800000} : zero_q ? 32'd0 : {minus_q, over32 ? 31'h7f800000 : packed32};
    f16_q <= nan ? 16'h7e00 : infinite ? {special_q[2], 15'h7c00} : zero_q ? 16'd0 : {minus_q, over16 ? 15'h7c00 : packed16};
  end
  assign f32_o = f32_q;
  assign f16_o = f16_q;
endmodule
`default_nettype wire
