// A score's weight from the score and the maximum of its row: p = 2^(15 - (m - t)) in binary16, docs/numerics.md N5.
//
// m - t is exact and then rounded half up to units of 2^-14; p is within 1 ulp, falls with m - t, and is 2^15 at m = t.
// +0 if t is -Inf or NaN, or m is NaN or infinite; 2^15 if t > m, which does not happen.
// Stages: order, align and subtract, fixed point, segment, interpolate, round and pack. Free-flowing. Latency: 6 clocks.
`default_nettype none
`include "duplex_exponential.vh"
module exponential (
    input  wire        clk_i,
    input  wire [31:0] t_i,
    input  wire [31:0] m_i,
    output wire [15:0] p_o
);
  // Stage 1: m - t is never negative, so that of equal signs the larger magnitude is known; of different signs they are added.
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

  // Stage 2: quarters of the larger operand's last place, rounded down.
  wire [56:0] placed = {small_q, 2'd0, 31'd0} >> distance_q;
  wire sticky = placed[30:0] != 31'd0;
  wire [27:0] difference = {2'd0, large_q, 2'd0} + ({2'd0, placed[56:31]} ^ {28{subtract_q}}) + {27'd0, subtract_q && !sticky};
  reg [26:0] difference_q;
  reg [7:0] exponent2_q;
  reg zero2_q;
  always @(posedge clk_i) begin
    difference_q <= difference[27] || above1_q ? 27'd0 : difference[26:0];
    exponent2_q  <= exponent1_q;
    zero2_q      <= zero1_q;
  end

  // Stage 3: units of 2^-15, rounded down; 64 and more is far. Exact: of operands above 2^10 the difference is far, or nothing was cut.
  wire huge = exponent2_q > 8'd157;
  wire [7:0] right = 8'd157 - exponent2_q;
  wire [46:0] halves = right[7:6] != 2'd0 ? 47'd0 : {difference_q, 20'd0} >> right[5:0];
  reg [20:0] halves_q;
  reg zero3_q;
  always @(posedge clk_i) begin
    halves_q <= huge ? 21'd0 : halves[20:0];
    zero3_q  <= zero2_q || (huge ? difference_q != 27'd0 : halves[46:21] != 26'd0);
  end

  // Stage 4: half up to units of 2^-14; the table's entry for the upper bits of the fraction.
  localparam SEGMENT = `EXPONENTIAL_SEGMENT_BITS;
  localparam START = `EXPONENTIAL_START_BITS;
  localparam SLOPE = `EXPONENTIAL_SLOPE_BITS;
  localparam PLACE = 14 - SEGMENT;
  wire [20:0] rounded = {1'b0, halves_q[20:1]} + {20'd0, halves_q[0]};
  wire [(32<<SEGMENT)-1:0] entries = `EXPONENTIAL_TABLE;
  wire [START+SLOPE-1:0] entry = entries[{rounded[13-:SEGMENT], 5'd0}+:START+SLOPE];
  reg [START-1:0] start_q;
  reg [SLOPE-1:0] slope_q;
  reg [PLACE-1:0] place_q;
  reg [5:0] whole4_q;
  reg zero4_q;
  always @(posedge clk_i) begin
    {slope_q, start_q} <= entry;
    place_q <= rounded[PLACE-1:0];
    whole4_q <= rounded[19:14];
    zero4_q <= zero3_q || rounded[20:14] > 7'd40;
  end

  // Stage 5: 2^-fraction, at least 1/2 and below 1: 11 bits of result and 5 below.
  wire [START-1:0] value = start_q - {{(START - PLACE - SLOPE) {1'b0}}, slope_q * {{SLOPE{1'b0}}, place_q}};
  reg [11:0] value_q;
  reg [5:0] whole5_q;
  reg zero5_q;
  always @(posedge clk_i) begin
    value_q  <= value[START-1-:12];
    whole5_q <= whole4_q;
    zero5_q  <= zero4_q;
  end

  // Stage 6: half up; below 2^-14 the last place stays 2^-24. The hidden one, and a carry, raise the exponent field.
  wire subnormal = whole5_q > 6'd28;
  wire [5:0] missing = whole5_q - 6'd28;
  wire [11:0] kept = value_q >> (subnormal ? missing[3:0] : 4'd0);
  wire [4:0] field = subnormal ? 5'd0 : 5'd28 - whole5_q[4:0];
  reg [15:0] p_q;
  always @(posedge clk_i) p_q <= zero5_q ? 16'd0 : {1'b0, field, 10'd0} + {5'd0, kept[11:1]} + {15'd0, kept[0]};
  assign p_o = p_q;

  wire unused = &{1'b0, value[START-13:0], missing[5:4]};
endmodule
`default_nettype wire
