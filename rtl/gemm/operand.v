// SPDX-License-Identifier: Apache-2.0
// Decodes one number for the exact dot product (docs/numerics.md, N1): a binary16 number, or with p16_i a
// weight of softmax. Combinational. 18 bits keep what a product needs; they are stored for a whole activation
// tile, so each bit counts: finite, not zero: |value| = magnitude * 2^(exponent - 24); binary16: magnitude 1
// to 2047, exponent 0 to 29; weights, which have no sign, one more bit of fraction, and are at most 2^15:
// magnitude 1 to 4095, exponent 0 to 28 exponent 30: Inf; exponent 31: zero (sign 0, whatever the zero's
// sign) or NaN (sign 1); magnitude 0 in all three Zero has a code of its own because Inf x 0 is NaN; the sign
// of a zero has no effect on an exact sum.
`default_nettype none
module operand (
  input wire [15:0] value_i,
  input wire p16_i,
  output wire [12:0] significand_o,  // sign, magnitude
  output wire [4:0] exponent_o
);
  wire       sign = value_i[15] && !p16_i;
  wire [4:0] field = p16_i ? value_i[15:11] : value_i[14:10];
  wire       top = &field && !p16_i;
  wire       normal = |field;
  wire       fraction_zero = value_i[9:0] == 10'd0 && !(p16_i && value_i[10]);
  wire       zero = !normal && fraction_zero;
  wire       nan = top && !fraction_zero;
  wire       infinite = top && fraction_zero;
  wire [11:0] magnitude = p16_i ? {normal, value_i[10:0]} : {1'b0, normal, value_i[9:0]};

  assign significand_o = {nan || (sign && !zero), top ? 12'd0 : magnitude};
  assign exponent_o    = zero || nan ? 5'd31 : infinite ? 5'd30 : normal ? field - 5'd1 : 5'd0;
endmodule
`default_nettype wire
