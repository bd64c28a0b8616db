// Structures of the exact division of `quotient`, to be compared: normalised dividend (69 bits) by normalised divisor (57 bits, held still),
// 13 bits of quotient and whether a rest is left. A study, not part of the design; docs/decisions.md has the figures.
//   KIND  0  one bit a clock, restoring: the difference if it is not negative, else the remainder
//         1  one bit a clock, not restoring: a negative remainder gets the divisor back in the next step
//         2  estimate by the divisor's reciprocal (made once, elsewhere), one multiplication back, correction by at most one
`default_nettype none
module division #(
    parameter KIND = 1
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
      // Stage 1: the estimate is the quotient or one less, or two less.
      wire [31:0] wide = {16'd0, dividend_i[68:53]} * {16'd0, reciprocal_i};
      reg [12:0] estimate_q, estimate2_q;
      reg [68:0] dividend_q;
      // Stage 2: divisor times estimate. Stage 3: what is left of the dividend, and of that less one and two divisors.
      reg [69:0] product_q;
      reg signed [59:0] left_q;
      reg [12:0] estimate3_q;
      reg [68:0] dividend2_q;
      wire signed [59:0] left1 = left_q - $signed({3'd0, divisor_i});
      reg signed [59:0] last_q;
      reg [12:0] quotient_q;
      wire signed [59:0] left2 = last_q - $signed({3'd0, divisor_i});
      reg [12:0] out_q;
      reg rest_q;
      always @(posedge clk_i) begin
        estimate_q  <= wide[31:19];
        dividend_q  <= dividend_i;
        product_q   <= {57'd0, estimate_q} * {13'd0, divisor_i};
        estimate2_q <= estimate_q;
        dividend2_q <= dividend_q;
        left_q      <= dividend2_q[59:0] - product_q[59:0];
        estimate3_q <= estimate2_q;
        last_q      <= left1[59] ? left_q : left1;
        quotient_q  <= estimate3_q + {12'd0, !left1[59]};
        out_q       <= quotient_q + {12'd0, !left2[59]};
        rest_q      <= left2[59] ? last_q != 60'd0 : left2 != 60'd0;
      end
      assign quotient_o = out_q;
      assign rest_o = rest_q;
    end else begin : g_steps
      wire [58*13-1:0] remainders;
      wire [12*13-1:0] bits;
      for (i = 0; i < 13; i = i + 1) begin : step
        reg [57:0] remainder_q;
        reg [11:0] bits_q;
        wire [57:0] doubled;
        wire [11:0] bits_before;
        wire last;  // the last step's bit
        if (i == 0) begin : first
          assign doubled = {1'b0, dividend_i[68:12]};
          assign bits_before = dividend_i[11:0];
          assign last = 1'b1;
        end else begin : next
          assign doubled = {remainders[58*(i-1)+:57], bits[12*i-1]};
          assign bits_before = KIND == 0 ? bits[12*(i-1)+:12] : {bits[12*(i-1)+:11], last};
          assign last = !remainders[58*i-1];
        end
        wire [57:0] after = KIND == 0 ? doubled - {1'b0, divisor_i} : doubled + ({1'b0, divisor_i} ^ {58{last}}) + {57'd0, last};
        always @(posedge clk_i) begin
          remainder_q <= KIND == 0 && after[57] ? doubled : after;
          bits_q <= KIND == 0 && i > 0 ? {bits_before[10:0], !after[57]} : KIND == 0 ? bits_before : bits_before;
        end
        assign remainders[58*i+:58] = remainder_q;
        assign bits[12*i+:12] = bits_q;
      end
      wire [57:0] rest = remainders[58*12+:58];
      wire negative = KIND == 1 && rest[57];
      assign quotient_o = {bits[12*12+:12], !rest[57]};
      assign rest_o = negative ? (rest ^ {1'b0, divisor_i}) != {rest[56:0] | divisor_i, 1'b0} : rest != 58'd0;
    end
  endgenerate
endmodule
`default_nettype wire
