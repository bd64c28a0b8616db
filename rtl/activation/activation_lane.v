// SPDX-License-Identifier: Apache-2.0
// One lane of the activation unit: h = RN16(act(g) * u), without a gate RN16(act(u)) (SPEC N4,
// docs/activation.md).
//
// g_i, u_i: binary32, any pattern. result_o: binary16. One value per clock, no stall; latency 17 clocks: 6
// segment, 3 polynomial, 4 multiply, 4 round. The table port is that of activation_segment.
`default_nettype none
module activation_lane (
  input wire clk_i,
  // Table
  input wire table_valid_i,
  input wire [7:0] table_address_i,
  input wire [255:0] table_data_i,
  // One value, or a pair
  input wire gated_i,
  input wire [31:0] g_i,
  input wire [31:0] u_i,
  // Result
  output wire [15:0] result_o
);
  localparam [31:0] ONE = 32'h3f800000;
  localparam SEGMENT_CLOCKS = 6, POLYNOMIAL_CLOCKS = 3;

  wire [31:0] argument = gated_i ? g_i : u_i;
  wire [31:0] factor = gated_i ? u_i : ONE;

  wire [63:0] entry;
  wire signed [15:0] place;
  wire [5:0] limits;
  activation_segment finder (
    .clk_i(clk_i),
    .table_valid_i(table_valid_i),
    .table_address_i(table_address_i),
    .table_data_i(table_data_i),
    .argument_i(argument),
    .limits_o(limits),
    .entry_o(entry),
    .place_o(place)
  );

  wire signed [20:0] polynomial;
  activation_polynomial cubic (
    .clk_i(clk_i),
    .coefficients_i(entry[53:0]),
    .place_i(place),
    .value_o(polynomial)
  );

  // What the multiplier needs beside the polynomial.
  wire [9:0] late_entry;
  wire [31:0] late_argument, late_factor;
  delay_line #(
    .WIDTH(10),
    .CLOCKS(POLYNOMIAL_CLOCKS)
  ) entry_delay (
    .clk_i(clk_i),
    .data_i(entry[63:54]),
    .data_o(late_entry)
  );
  delay_line #(
    .WIDTH(64),
    .CLOCKS(SEGMENT_CLOCKS + POLYNOMIAL_CLOCKS)
  ) operand_delay (
    .clk_i(clk_i),
    .data_i({argument, factor}),
    .data_o({late_argument, late_factor})
  );

  wire [51:0] product;
  wire signed [10:0] exponent;
  wire nan, infinite, zero, negative;
  activation_multiply multiply (
    .clk_i(clk_i),
    .polynomial_i(polynomial),
    .entry_exponent_i(late_entry[8:0]),
    .ratio_i(late_entry[9]),
    .limits_i(limits),
    .argument_i(late_argument),
    .factor_i(late_factor),
    .product_o(product),
    .exponent_o(exponent),
    .nan_o(nan),
    .infinite_o(infinite),
    .zero_o(zero),
    .negative_o(negative)
  );

  activation_round rounder (
    .clk_i(clk_i),
    .product_i(product),
    .exponent_i(exponent),
    .nan_i(nan),
    .infinite_i(infinite),
    .zero_i(zero),
    .negative_i(negative),
    .result_o(result_o)
  );
endmodule
`default_nettype wire
