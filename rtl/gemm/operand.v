// Decodes one binary16 number for the exact dot product (docs/numerics.md, N1). Combinational.
//   finite: value = significand * 2^(exponent - 24), significand signed, exponent 0 to 29
//   Inf and NaN: significand 0 and a code in special; a zero is told apart because Inf x 0 is NaN
`default_nettype none
module operand (
    input  wire        [15:0] value_i,
    output wire signed [11:0] significand_o,
    output wire        [ 4:0] exponent_o,
    output wire               zero_o,
    output wire               nan_o,
    output wire               pos_inf_o,
    output wire               neg_inf_o
);
  wire        sign = value_i[15];
  wire [ 4:0] field = value_i[14:10];
  wire        special = &field;
  wire        normal = |field;
  wire        fraction_zero = value_i[9:0] == 10'd0;
  wire [10:0] magnitude = special ? 11'd0 : {normal, value_i[9:0]};

  assign significand_o = $signed({1'b0, magnitude} ^ {12{sign}}) + $signed({11'd0, sign});
  assign exponent_o    = normal && !special ? field - 5'd1 : 5'd0;
  assign zero_o        = !normal && fraction_zero;
  assign nan_o         = special && !fraction_zero;
  assign pos_inf_o     = special && fraction_zero && !sign;
  assign neg_inf_o     = special && fraction_zero && sign;
endmodule
`default_nettype wire
