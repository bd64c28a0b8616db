// Decodes one binary16 number for the exact dot product (docs/numerics.md, N1). Combinational.
// 17 bits keep what a product needs; they are stored for a whole activation tile, so each bit counts:
//   finite, not zero: |value| = magnitude * 2^(exponent - 24), magnitude 1 to 2047, exponent 0 to 29
//   exponent 30: Inf; exponent 31: zero (sign 0, whatever the zero's sign) or NaN (sign 1); magnitude 0 in all three
// Zero has a code of its own because Inf x 0 is NaN; the sign of a zero has no effect on an exact sum.
`default_nettype none
module operand (
    input  wire [15:0] value_i,
    output wire [11:0] significand_o,  // sign, magnitude
    output wire [ 4:0] exponent_o
);
  wire       sign = value_i[15];
  wire [4:0] field = value_i[14:10];
  wire [9:0] fraction = value_i[9:0];
  wire       top = &field;
  wire       normal = |field;
  wire       fraction_zero = fraction == 10'd0;
  wire       zero = !normal && fraction_zero;
  wire       nan = top && !fraction_zero;
  wire       inf = top && fraction_zero;

  assign significand_o = {nan || (sign && !zero), top ? 11'd0 : {normal, fraction}};
  assign exponent_o    = zero || nan ? 5'd31 : inf ? 5'd30 : normal ? field - 5'd1 : 5'd0;
endmodule
`default_nettype wire
