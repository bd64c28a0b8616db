// SPDX-License-Identifier: Apache-2.0
// Multiplies: act = polynomial * g (or the polynomial alone), then act * u exactly, with the special values
// (docs/activation.md).
//
// Inputs of one value arrive together. |act * u| = product_o * 2^exponent_o unless a flag says otherwise.
// Latency 4 clocks: 1 |polynomial| and special values, 2 act (16 bits dropped), 3 partial products, 4
// product.
`default_nettype none
module activation_multiply (
  input wire clk_i,
  // From the segment and its polynomial
  input wire signed [20:0] polynomial_i,  // quarters of c0's unit
  input wire signed [8:0] entry_exponent_i,
  input wire ratio_i,
  input wire [5:0] limits_i,
  // Value, and the factor of a pair
  input wire [31:0] argument_i,
  input wire [31:0] factor_i,
  // To the rounding
  output reg [51:0] product_o,
  output reg signed [10:0] exponent_o,
  output wire nan_o,
  output wire infinite_o,
  output wire zero_o,
  output wire negative_o
);
  localparam [1:0] TAIL = 2'd0, ZERO = 2'd1, INFINITE = 2'd2, NAN = 2'd3;
  localparam [7:0] ONE_EXPONENT = 8'd127;

  // 1: magnitude; a direct polynomial, and any at Inf, is multiplied by 1.
  wire argument_negative = argument_i[31];
  wire argument_full = argument_i[30:23] == 8'hff, argument_fraction = argument_i[22:0] != 23'd0;
  wire argument_low = argument_i[30:23] == 8'd0;
  wire argument_infinite = argument_full && !argument_fraction;
  wire factor_full = factor_i[30:23] == 8'hff, factor_fraction = factor_i[22:0] != 23'd0;
  wire factor_low = factor_i[30:23] == 8'd0;
  wire factor_infinite = factor_full && !factor_fraction, factor_zero = factor_low && !factor_fraction;
  wire by_argument = ratio_i && !argument_infinite;

  wire polynomial_zero = polynomial_i == 21'sd0;
  wire [20:0] magnitude = polynomial_i[20] ? -polynomial_i : polynomial_i;
  wire [2:0] limit = argument_negative ? limits_i[2:0] : limits_i[5:3];
  wire [1:0] kind = argument_infinite ? limit[1:0] : TAIL;
  wire act_zero = kind == ZERO ||
      (kind == TAIL && (polynomial_zero || (by_argument && argument_low && !argument_fraction)));
  wire act_infinite = kind == INFINITE;
  wire act_negative = kind == TAIL
      ? !polynomial_zero && (polynomial_i[20] ^ (by_argument && argument_negative)) : limit[2];
  wire infinite = act_infinite || factor_infinite;
  wire zero = act_zero || factor_zero;
  wire nan = (argument_full && argument_fraction) || (factor_full && factor_fraction) || kind == NAN ||
      (infinite && zero);

  reg [19:0] magnitude_q;
  reg [23:0] multiplier_q, factor1_q, factor2_q;
  reg signed [10:0] exponent1_q, exponent2_q, exponent3_q;
  reg [3:0] special_q;
  wire [7:0] multiplier_exponent = !by_argument ? ONE_EXPONENT : argument_low ? 8'd1 : argument_i[30:23];
  wire [7:0] factor_exponent = factor_low ? 8'd1 : factor_i[30:23];
  reg [7:0] factor_exponent_q;
  always @(posedge clk_i) begin
    magnitude_q <= magnitude[19:0];
    multiplier_q <= by_argument ? {!argument_low, argument_i[22:0]} : 24'h800000;
    factor1_q <= {!factor_low, factor_i[22:0]};
    // Weights of the units: 2^(e - 34), 2^(exponent - 150) twice, and 2^16 for the bits that stage 2 drops.
    exponent1_q <= {{2{entry_exponent_i[8]}}, entry_exponent_i} + {3'd0, multiplier_exponent} - 11'd318;
    factor_exponent_q <= factor_exponent;
    special_q <= {nan, infinite, zero, act_negative ^ factor_i[31]};
  end

  // 2: act.
  wire [43:0] whole = magnitude_q * multiplier_q;
  reg [27:0] act_q;
  always @(posedge clk_i) begin
    act_q <= whole[43:16];
    factor2_q <= factor1_q;
    exponent2_q <= exponent1_q + {3'd0, factor_exponent_q};
  end

  // 3, 4: the product with u in two halves.
  reg [39:0] low_q, high_q;
  always @(posedge clk_i) begin
    low_q <= act_q * factor2_q[11:0];
    high_q <= act_q * factor2_q[23:12];
    exponent3_q <= exponent2_q;
    product_o <= {12'd0, low_q} + {high_q, 12'd0};
    exponent_o <= exponent3_q;
  end

  delay_line #(
    .WIDTH(4),
    .CLOCKS(3)
  ) special (
    .clk_i(clk_i),
    .data_i(special_q),
    .data_o({nan_o, infinite_o, zero_o, negative_o})
  );

  wire unused = &{1'b0, magnitude[20], whole[15:0]};
endmodule
`default_nettype wire
