// SPDX-License-Identifier: Apache-2.0
// Rounds one exact sum to binary32 and to binary16: RN(2^exponent * sum), docs/numerics.md N3.
//
// sum_i in units of 2^-48, flags bit 0 NaN, 1 +Inf, 2 -Inf; exponent_i signed. To nearest, ties to even,
// gradual underflow, overflow to Inf; NaN or infinities of both signs give the canonical NaN; an exact zero
// is +0.
// Stages: magnitude, normalise, round and pack. Free-flowing. Latency: 3 clocks.
`default_nettype none
`include "duplex_params.vh"
module round (
  input wire clk_i,
  // Sum
  input wire [`DUPLEX_SUM_BITS-1:0] sum_i,
  input wire [2:0] flags_i,
  input wire signed [7:0] exponent_i,
  // Rounded
  output wire [31:0] f32_o,
  output wire [15:0] f16_o
);
  // Stages 1 and 2: 24 bits of significand and the round bit; what leaves them is sticky.
  wire [24:0] leading;
  wire sticky, zero, minus;
  wire signed [9:0] power;  // exponent of the leading one
  normalise #(.KEEP(25)) normalise (
    .clk_i(clk_i),
    .sum_i(sum_i),
    .exponent_i(exponent_i),
    .leading_o(leading),
    .sticky_o(sticky),
    .zero_o(zero),
    .negative_o(minus),
    .power_o(power)
  );
  reg [2:0] flags_q, special_q;
  always @(posedge clk_i) begin
    flags_q   <= flags_i;
    special_q <= flags_q;
  end

  // Stage 3: each format shifts further right if the result is subnormal, rounds, and packs: a carry out of
  // the fraction raises the exponent field by itself.
  wire nan = special_q[0] || (special_q[1] && special_q[2]);
  wire infinite = |special_q[2:1];

  wire signed [9:0] under32 = -10'sd126 - power;
  wire subnormal32 = under32 > 0;
  wire [4:0] right32 = !subnormal32 ? 5'd0 : under32 > 10'sd26 ? 5'd26 : under32[4:0];
  wire [51:0] wide32 = {leading, 27'd0} >> right32;
  wire up32 = wide32[27] && (wide32[28] || sticky || |wide32[26:0]);
  wire [7:0] field32 = subnormal32 ? 8'd0 : power[7:0] + 8'd126;  // one less: the hidden one adds it
  wire [30:0] packed32 = {field32, 23'd0} + {7'd0, wide32[51:28]} + {30'd0, up32};
  wire over32 = power > 10'sd127;

  wire signed [9:0] under16 = -10'sd14 - power;
  wire subnormal16 = under16 > 0;
  wire [3:0] right16 = !subnormal16 ? 4'd0 : under16 > 10'sd13 ? 4'd13 : under16[3:0];
  wire [37:0] wide16 = {leading, 13'd0} >> right16;
  wire up16 = wide16[26] && (wide16[27] || sticky || |wide16[25:0]);
  wire [4:0] field16 = subnormal16 ? 5'd0 : power[4:0] + 5'd14;
  wire [14:0] packed16 = {field16, 10'd0} + {4'd0, wide16[37:27]} + {14'd0, up16};
  wire over16 = power > 10'sd15;

  reg [31:0] f32_q;
  reg [15:0] f16_q;
  wire [31:0] finite32 = {minus, over32 ? 31'h7f800000 : packed32};
  wire [15:0] finite16 = {minus, over16 ? 15'h7c00 : packed16};
  always @(posedge clk_i) begin
    f32_q <= nan ? 32'h7fc00000 : infinite ? {special_q[2], 31'h7f800000} : zero ? 32'd0 : finite32;
    f16_q <= nan ? 16'h7e00 : infinite ? {special_q[2], 15'h7c00} : zero ? 16'd0 : finite16;
  end
  assign f32_o = f32_q;
  assign f16_o = f16_q;
endmodule
`default_nettype wire
