// SPDX-License-Identifier: Apache-2.0
// A score's weight from the score and the maximum of its row: p = 2^(15 - (m - t)), docs/numerics.md N5.
//
// m - t is exact and then rounded down to units of 2^-23; its power has 23 bits. p_o, a weight of 12
// significant bits (docs/numerics.md): that power rounded to the nearest; with wide_i its upper 12 bits, and
// with low_i too the 11 below them, both together rounded to units of 2^-24. wide_i and low_i are of the same
// clock as t_i.
// p falls with m - t, and is 2^15 at m = t.
// +0 if t is -Inf or NaN, or m is NaN or infinite; 2^15 if t > m, which does not happen.
// Stages: order, align and subtract, fixed point and segment, slope, multiply, round, pack. Free-flowing.
// Latency: 7 clocks.
`default_nettype none
`include "duplex_exponential.vh"
module exponential (
  input wire clk_i,
  // Score and maximum, both scaled
  input wire [31:0] t_i,
  input wire [31:0] m_i,
  input wire wide_i,
  input wire low_i,
  // Weight
  output wire [15:0] p_o
);
  // Stage 1: m - t is never negative, so that of equal signs the larger magnitude is known; of different
  // signs they are added.
  wire hidden_t = t_i[30:23] != 8'd0;
  wire hidden_m = m_i[30:23] != 8'd0;
  wire [7:0] exponent_t = {t_i[30:24], t_i[23] | !hidden_t};
  wire [7:0] exponent_m = {m_i[30:24], m_i[23] | !hidden_m};
  wire [23:0] significand_t = {hidden_t, t_i[22:0]};
  wire [23:0] significand_m = {hidden_m, m_i[22:0]};
  wire top_t = &t_i[30:23];
  wire top_m = &m_i[30:23];
  wire negative = m_i[31];
  wire subtract = t_i[31] == m_i[31];
  wire t_higher = exponent_t > exponent_m;
  wire m_higher = exponent_m > exponent_t;
  wire t_large = subtract ? negative : t_higher;
  wire [7:0] distance = t_large ? exponent_t - exponent_m : exponent_m - exponent_t;
  reg [23:0] large_q, small_q;
  reg [4:0] distance_q;
  reg [7:0] exponent1_q;
  reg subtract_q, above1_q, zero1_q;
  always @(posedge clk_i) begin
    large_q     <= t_large ? significand_t : significand_m;
    small_q     <= t_large ? significand_m : significand_t;
    exponent1_q <= t_large ? exponent_t : exponent_m;
    distance_q  <= distance[7:5] != 3'd0 ? 5'd31 : distance[4:0];
    subtract_q  <= subtract;
    above1_q    <= top_t || (subtract ? (negative ? m_higher : t_higher) : negative);
    zero1_q     <= top_m || (top_t && (t_i[31] || t_i[22:0] != 23'd0));
  end

  // Stage 2: units of 2^-WINDOW of the larger operand's last place, rounded down.
  localparam WINDOW = 5;
  localparam WIDTH = 25 + WINDOW;
  wire [WIDTH+29:0] placed = {1'b0, small_q, {WINDOW{1'b0}}, 30'd0} >> distance_q;
  wire sticky = placed[29:0] != 30'd0;
  wire [WIDTH:0] difference = {2'd0, large_q, {WINDOW{1'b0}}} +
      ({1'b0, placed[WIDTH+29:30]} ^ {(WIDTH + 1) {subtract_q}}) +
      {{WIDTH{1'b0}}, subtract_q && !sticky};
  reg [WIDTH-1:0] difference_q;
  reg [7:0] exponent2_q;
  reg zero2_q;
  always @(posedge clk_i) begin
    difference_q <= difference[WIDTH] || above1_q ? {WIDTH{1'b0}} : difference[WIDTH-1:0];
    exponent2_q  <= exponent1_q;
    zero2_q      <= zero1_q;
  end

  // Stage 3: units of 2^-23, rounded down; the table's entry for the upper bits of the fraction. Exact: of
  // operands from 64 on the difference is 41 or more, or nothing was cut. With more than MOST places to the
  // left every difference is zero or 64 and more.
  localparam SEGMENT = `EXPONENTIAL_SEGMENT_BITS;
  localparam START = `EXPONENTIAL_START_BITS;
  localparam BASE = `EXPONENTIAL_BASE_BITS;
  localparam CURVE = `EXPONENTIAL_CURVE_BITS;
  localparam STRIDE = `EXPONENTIAL_STRIDE;
  localparam PLACE = 23 - SEGMENT;
  localparam MOST = 24;
  localparam [7:0] UNITS = 8'd127 + WINDOW + MOST;  // exponent at which the difference counts 2^MOST units
  wire huge = exponent2_q > UNITS;
  wire [7:0] right = UNITS - exponent2_q;
  wire [WIDTH+MOST-1:0] places = right[7:6] != 2'd0 ? {(WIDTH + MOST) {1'b0}}
      : {difference_q, {MOST{1'b0}}} >> right[5:0];
  wire [(STRIDE<<SEGMENT)-1:0] entries = `EXPONENTIAL_TABLE;
  wire [CURVE+BASE+START-1:0] entry = entries[STRIDE*places[22-:SEGMENT]+:CURVE+BASE+START];
  reg [START-1:0] start_q;
  reg [BASE-1:0] base_q;
  reg [CURVE-1:0] curve_q;
  reg [PLACE-1:0] place_q;
  reg [5:0] whole3_q;
  reg zero3_q;
  always @(posedge clk_i) begin
    {curve_q, base_q, start_q} <= entry;
    place_q <= ~places[PLACE-1:0];
    whole3_q <= places[28:23];
    zero3_q <= zero2_q || (huge ? difference_q != {WIDTH{1'b0}} : places[WIDTH+MOST-1:23] > 40);
  end

  // Stage 4: the slope at this distance from the segment's end.
  localparam TOP = `EXPONENTIAL_TOP_BITS;
  localparam CURVE_SHIFT = `EXPONENTIAL_CURVE_SHIFT;
  wire [CURVE+TOP-1:0] bend = {{TOP{1'b0}}, curve_q} * {{CURVE{1'b0}}, place_q[PLACE-1-:TOP]};
  wire [BASE:0] slope = {1'b0, base_q} +
      {{(BASE + 1 - (CURVE + TOP - CURVE_SHIFT)) {1'b0}}, bend[CURVE+TOP-1:CURVE_SHIFT]};
  reg [BASE:0] slope_q;
  reg [PLACE-1:0] place4_q;
  reg [START-1:0] start4_q;
  reg [5:0] whole4_q;
  reg zero4_q;
  always @(posedge clk_i) begin
    slope_q  <= slope;
    place4_q <= place_q;
    start4_q <= start_q;
    whole4_q <= whole3_q;
    zero4_q  <= zero3_q;
  end

  // Stage 5: 2^-fraction in units of 2^-23, above 1/2 and at most 1.
  localparam START_SHIFT = `EXPONENTIAL_START_SHIFT;
  localparam SLOPE_SHIFT = `EXPONENTIAL_SLOPE_SHIFT;
  localparam SUM = START + START_SHIFT;
  wire [BASE+PLACE:0] product = {{PLACE{1'b0}}, slope_q} * {{(BASE + 1) {1'b0}}, place4_q};
  wire [SUM:0] value = {1'b0, start4_q, {START_SHIFT{1'b0}}} + {{(SUM - BASE - PLACE) {1'b0}}, product};
  reg [23:0] value_q;
  reg [5:0] whole5_q;
  reg zero5_q;
  always @(posedge clk_i) begin
    value_q  <= value[SLOPE_SHIFT+:24];
    whole5_q <= whole4_q;
    zero5_q  <= zero4_q;
  end

  // Stage 6: the nearest weight, half up, or with wide_i the upper 12 bits; below 2^-13 the last place stays
  // 2^-24. The hidden one, and a carry, raise the exponent field. What is below the upper 12 bits, in units
  // of 2^-(8 + whole); from there on that these are below 2^-24, to the nearest of these, and where nothing
  // is left of it the upper bits are the nearest.
  wire wide, low;
  delay_line #(
    .WIDTH(1),
    .CLOCKS(5)
  ) wides (
    .clk_i(clk_i),
    .data_i(wide_i),
    .data_o(wide)
  );
  delay_line #(
    .WIDTH(1),
    .CLOCKS(6)
  ) lows (
    .clk_i(clk_i),
    .data_i(low_i),
    .data_o(low)
  );
  wire subnormal = whole5_q > 6'd27;
  wire [5:0] missing = whole5_q - 6'd27;
  wire [13:0] kept = value_q[23:10] >> (subnormal ? missing[3:0] : 4'd0);
  wire [4:0] field = subnormal ? 5'd0 : 5'd27 - whole5_q[4:0];
  wire fine = whole5_q > 6'd16;
  wire [5:0] below = whole5_q - 6'd16;
  wire [11:0] rest = {value_q[10:0], 1'b0} >> (fine ? below[4:0] : 5'd0);
  reg [15:0] high_q;
  reg [10:0] rest_q;
  reg [4:0] room_q;
  always @(posedge clk_i) begin
    high_q <= zero5_q ? 16'd0
        : {field, 11'd0} + {3'd0, kept[13:1]} + {15'd0, kept[0] && (!wide || subnormal)};
    rest_q <= zero5_q ? 11'd0 : rest[11:1] + {10'd0, rest[0]};
    room_q <= fine ? 5'd0 : 5'd16 - whole5_q[4:0];
  end

  // Stage 7: the rest to the left until its leading one is the twelfth bit, as far as the exponent allows.
  wire [11:0] rest0 = {1'b0, rest_q};
  wire zeros3 = rest0[11:4] == 8'd0;
  wire [11:0] rest1 = zeros3 ? {rest0[3:0], 8'd0} : rest0;
  wire zeros2 = rest1[11:8] == 4'd0;
  wire [11:0] rest2 = zeros2 ? {rest1[7:0], 4'd0} : rest1;
  wire zeros1 = rest2[11:10] == 2'd0;
  wire [11:0] rest3 = zeros1 ? {rest2[9:0], 2'd0} : rest2;
  wire [4:0] zeros = {1'b0, zeros3, zeros2, zeros1, !rest3[11]};
  wire [4:0] left = zeros < room_q ? zeros : room_q;
  wire [11:0] moved = {1'b0, rest_q} << left[3:0];
  wire [15:0] low_part = {room_q - left, 11'd0} + {4'd0, moved};
  reg [15:0] p_q;
  always @(posedge clk_i) p_q <= !low ? high_q : rest_q == 11'd0 ? 16'd0 : low_part;
  assign p_o = p_q;

  wire unused = &{1'b0, rest3[10:0], value[SLOPE_SHIFT-1:0], bend[CURVE_SHIFT-1:0], missing[5:4], below[5],
      left[4]};
endmodule
`default_nettype wire
