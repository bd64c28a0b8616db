// SPDX-License-Identifier: Apache-2.0
// Structures of the exact division of `quotient`, to be compared: normalised dividend (69 bits) by normalised divisor (57 bits, held still),
// 13 bits of quotient and whether a rest is left. A study, not part of the design; docs/decisions.md has the figures.
//   KIND  0  one bit a clock, restoring: the difference if it is not negative, else the remainder; 13 clocks
//         1  one bit a clock, not restoring: a negative remainder gets the divisor back in the next step; 13 clocks
//         2  estimate by the divisor's reciprocal (made once for all rows, elsewhere), multiplied back, corrected by one; 4 clocks
`default_nettype none
module division #(
    parameter KIND = 0
) (
    input  wire        clk_i,
    input  wire [68:0] dividend_i,
    input  wire [56:0] divisor_i,
    input  wire [15:0] reciprocal_i,  // floor(2^72 / divisor) - 1: KIND 2
    output wire [12:0] quotient_o,
    output wire        rest_o
);
  genvar i;
  generate
    if (KIND == 2) begin : g_multiply
      // The estimate is the quotient or one less.
      wire [31:0] wide = {16'd0, dividend_i[68:53]} * {16'd0, reciprocal_i};
      reg [12:0] estimate1_q, estimate2_q, estimate3_q, quotient_q;
      reg [58:0] dividend1_q, dividend2_q;  // what the estimate leaves needs no more
      reg [58:0] product_q, left_q;
      wire [58:0] less = left_q - {2'd0, divisor_i};
      reg rest_q;
      always @(posedge clk_i) begin
        estimate1_q <= wide[31:19];
        dividend1_q <= dividend_i[58:0];
        product_q   <= estimate1_q * divisor_i;
        estimate2_q <= estimate1_q;
        dividend2_q <= dividend1_q;
        left_q      <= dividend2_q - product_q;
        estimate3_q <= estimate2_q;
        quotient_q  <= estimate3_q + {12'd0, !less[58]};
        rest_q      <= less[58] ? left_q != 59'd0 : less != 59'd0;
      end
      assign quotient_o = quotient_q;
      assign rest_o = rest_q;
    end else begin : g_steps
      wire [58*13-1:0] remainders;
      wire [13*13-1:0] bits;
      for (i = 0; i < 13; i = i + 1) begin : step
        wire [57:0] taken;
        wire [11:0] bits_taken;
        wire subtract;
        if (i == 0) begin : first
          assign taken = {1'b0, dividend_i[68:12]};
          assign bits_taken = dividend_i[11:0];
          assign subtract = 1'b1;
        end else begin : next
          assign taken = {remainders[58*(i-1)+:57], bits[13*i-1]};
          assign bits_taken = bits[13*(i-1)+:12];
          assign subtract = KIND == 0 || !remainders[58*i-1];
        end
        wire [57:0] after = taken + ({1'b0, divisor_i} ^ {58{subtract}}) + {57'd0, subtract};
        reg [57:0] remainder_q;
        reg [12:0] bits_q;
        always @(posedge clk_i) begin
          remainder_q <= KIND == 0 && after[57] ? taken : after;
          bits_q <= {bits_taken, !after[57]};
        end
        assign remainders[58*i+:58] = remainder_q;
        assign bits[13*i+:13] = bits_q;
      end
      wire [57:0] rest = remainders[58*12+:58];
      assign quotient_o = bits[13*12+:13];
      assign rest_o = KIND == 1 && rest[57] ? (rest ^ {1'b0, divisor_i}) != {rest[56:0] | divisor_i, 1'b0} : rest != 58'd0;
    end
  endgenerate
endmodule
`default_nettype wire
