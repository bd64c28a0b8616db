// Exact dot product of 64 pairs of binary16 numbers, decoded by `operand` (docs/numerics.md, N1 and N2; paper 1.4: one processing unit).
//
// Result in units of 2^-48: sum = high * 2^48 + low, low unsigned; and the flags of Inf and NaN among the products.
// A product is a signed 23-bit number shifted left by 0 to 58 places; it is cut into a low word of 48 bits and a signed high word, and
// both are summed apart, so that no carry runs over more than a word before the accumulator joins them.
// Stages: product, align and sum of 8, sum of 64. Free-flowing, no stall. Latency: 3 clocks (DUPLEX_DOT64_LATENCY).
`default_nettype none
`include "duplex_params.vh"
module dot64 (
    input  wire                             clk_i,
    input  wire [12*`DUPLEX_WIDTH-1:0]      x_significand_i,
    input  wire [ 5*`DUPLEX_WIDTH-1:0]      x_exponent_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      x_zero_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      x_nan_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      x_pos_inf_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      x_neg_inf_i,
    input  wire [12*`DUPLEX_WIDTH-1:0]      w_significand_i,
    input  wire [ 5*`DUPLEX_WIDTH-1:0]      w_exponent_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      w_zero_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      w_nan_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      w_pos_inf_i,
    input  wire [   `DUPLEX_WIDTH-1:0]      w_neg_inf_i,
    output reg  [                 53:0]      low_o,
    output reg  signed [          43:0]      high_o,
    output reg  [                  2:0]      flags_o
);
  genvar i, g;

  generate
    for (i = 0; i < `DUPLEX_WIDTH; i = i + 1) begin : lane
      wire signed [11:0] x = x_significand_i[12*i+:12];
      wire signed [11:0] w = w_significand_i[12*i+:12];
      reg signed  [22:0] product_q;
      reg         [ 5:0] shift_q;
      always @(posedge clk_i) begin
        product_q <= x * w;
        shift_q   <= {1'b0, x_exponent_i[5*i+:5]} + {1'b0, w_exponent_i[5*i+:5]};
      end

      wire signed [37:0] fine = {{15{product_q[22]}}, product_q} <<< shift_q[3:0];
      // verilator lint_off UNUSED
      wire        [63:0] coarse = {{26{fine[37]}}, fine} << {shift_q[5:4], 4'd0};
      // verilator lint_on UNUSED
      wire        [50:0] low = {3'd0, coarse[47:0]};
      wire signed [40:0] high = $signed({{3{fine[37]}}, fine}) >>> {~shift_q[5:4], 4'd0};
    end

    for (g = 0; g < `DUPLEX_WIDTH / 8; g = g + 1) begin : group
      reg        [50:0] low_q;
      reg signed [40:0] high_q;
      wire       [53:0] low = {3'd0, low_q};
      wire signed [43:0] high = {{3{high_q[40]}}, high_q};
      always @(posedge clk_i) begin
        low_q <= lane[8*g].low + lane[8*g+1].low + lane[8*g+2].low + lane[8*g+3].low +
                 lane[8*g+4].low + lane[8*g+5].low + lane[8*g+6].low + lane[8*g+7].low;
        high_q <= lane[8*g].high + lane[8*g+1].high + lane[8*g+2].high + lane[8*g+3].high +
                  lane[8*g+4].high + lane[8*g+5].high + lane[8*g+6].high + lane[8*g+7].high;
      end
    end
  endgenerate

  always @(posedge clk_i) begin
    low_o <= group[0].low + group[1].low + group[2].low + group[3].low +
             group[4].low + group[5].low + group[6].low + group[7].low;
    high_o <= group[0].high + group[1].high + group[2].high + group[3].high +
              group[4].high + group[5].high + group[6].high + group[7].high;
  end

  // Flags travel the same three stages.
  wire [`DUPLEX_WIDTH-1:0] x_inf = x_pos_inf_i | x_neg_inf_i;
  wire [`DUPLEX_WIDTH-1:0] w_inf = w_pos_inf_i | w_neg_inf_i;
  wire [`DUPLEX_WIDTH-1:0] nan = x_nan_i | w_nan_i | (x_inf & w_zero_i) | (x_zero_i & w_inf);
  wire [`DUPLEX_WIDTH-1:0] inf = (x_inf | w_inf) & ~nan;
  wire [`DUPLEX_WIDTH-1:0] x_negative, w_negative;
  generate
    for (i = 0; i < `DUPLEX_WIDTH; i = i + 1) begin : sign
      assign x_negative[i] = x_significand_i[12*i+11] | x_neg_inf_i[i];
      assign w_negative[i] = w_significand_i[12*i+11] | w_neg_inf_i[i];
    end
  endgenerate
  wire [`DUPLEX_WIDTH-1:0] negative = x_negative ^ w_negative;
  reg [`DUPLEX_WIDTH-1:0] nan_q, pos_inf_q, neg_inf_q;
  reg [2:0] flags_q;
  always @(posedge clk_i) begin
    nan_q     <= nan;
    pos_inf_q <= inf & ~negative;
    neg_inf_q <= inf & negative;
    flags_q   <= {|neg_inf_q, |pos_inf_q, |nan_q};
    flags_o   <= flags_q;
  end
endmodule
`default_nettype wire
