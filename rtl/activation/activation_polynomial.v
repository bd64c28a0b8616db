// SPDX-License-Identifier: Apache-2.0
// The cubic of a table entry by Horner's rule, each step rounded down (docs/activation.md).
//
// place_i: signed, units of 2^-16, -1/2 to 1/2. value_o: signed, in quarters of c0's unit.
// Latency 3 clocks: 1 p2 = 16 c2 + 64 c3 t, 2 p1 = 4 c1 + p2 t, 3 p0 = c0 + p1 t.
`default_nettype none
module activation_polynomial (
  input wire clk_i,
  input wire [53:0] coefficients_i,  // c3, c2, c1, c0 as in the table entry
  input wire signed [15:0] place_i,
  output wire signed [20:0] value_o
);
  wire signed [17:0] c0 = coefficients_i[17:0];
  wire signed [14:0] c1 = coefficients_i[32:18];
  wire signed [11:0] c2 = coefficients_i[44:33];
  wire signed [8:0] c3 = coefficients_i[53:45];

  // The addition is part of the product's own tree of adders; the bits below are dropped after it.
  wire signed [26:0] sum2 = $signed({c2, 14'd0}) + c3 * place_i;
  reg signed [16:0] p2_q;
  reg signed [15:0] place1_q, place2_q;
  reg signed [14:0] c1_q;
  reg signed [17:0] c0_1_q, c0_2_q;

  wire signed [33:0] sum1 = $signed({c1_q, 18'd0}) + p2_q * place1_q;
  reg signed [19:0] p1_q;

  wire signed [36:0] sum0 = $signed({c0_2_q, 18'd0}) + p1_q * place2_q;
  reg signed [20:0] p0_q;

  always @(posedge clk_i) begin
    p2_q <= sum2[26:10];
    place1_q <= place_i;
    c1_q <= c1;
    c0_1_q <= c0;

    p1_q <= sum1[33:14];
    place2_q <= place1_q;
    c0_2_q <= c0_1_q;

    p0_q <= sum0[36:16];
  end
  assign value_o = p0_q;

  wire unused = &{1'b0, sum2[9:0], sum1[13:0], sum0[15:0]};
endmodule
`default_nettype wire
