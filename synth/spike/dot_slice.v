// SPDX-License-Identifier: Apache-2.0
// Structures of the exact dot product, to be compared: one slice of GROUP products (product, align, sum of the group) with its registers.
// A study, not part of the design; docs/decisions.md has the figures and rtl/gemm/dot64.v the structure that was chosen.
//   PRODUCT 0  two's complement operands, signed multiplication
//           1  sign and magnitude; product inverted if negative, the ones of the two's complement counted in the sum
//           2  as 1, multiplication by radix-4 Booth rows
//   FILL    0  product shifted with zeros, then all aligned bits inverted if negative
//           1  product inverted before the shift, the shift fills both sides with the sign
//   SHIFT   0  one shift by 0 to 58 places; 1  fine shift by 0 to 15, then a choice of four places
//   WORD       bits of a word; words are summed apart, without carries between them
//   SAVE    1  the sums leave in carry-save form (two numbers)
`default_nettype none
module dot_slice #(
    parameter PRODUCT = 1,
    parameter FILL = 1,
    parameter SHIFT = 1,
    parameter WORD = 48,
    parameter GROUP = 8,
    parameter SAVE = 0,
    parameter WORDS = (81 + WORD - 1) / WORD,
    parameter GROW = $clog2(GROUP) + 1,
    parameter OUT = WORDS * (WORD + GROW)
) (
    input  wire                  clk_i,
    input  wire [  12*GROUP-1:0] x_significand_i,
    input  wire [   5*GROUP-1:0] x_exponent_i,
    input  wire [  12*GROUP-1:0] w_significand_i,
    input  wire [   5*GROUP-1:0] w_exponent_i,
    output wire [       OUT-1:0] sum_o,
    output wire [       OUT-1:0] save_o,
    output wire [           1:0] ones_o   // carry-save: two ones that found no place yet
);
  genvar i, w;
  reg [1:0] ones_q;
  always @(posedge clk_i) ones_q <= ones[GROUP-1:GROUP-2];
  assign ones_o = SAVE ? ones_q : 2'd0;
  wire [80:0] aligned[0:GROUP-1];
  wire [GROUP-1:0] ones;

  generate
    for (i = 0; i < GROUP; i = i + 1) begin : product
      wire [11:0] x = x_significand_i[12*i+:12];
      wire [11:0] y = w_significand_i[12*i+:12];
      wire [22:0] value;
      wire negative;
      if (PRODUCT == 0) begin : g_signed
        assign value    = $signed(x) * $signed(y);
        assign negative = 1'b0;
      end else if (PRODUCT == 1) begin : g_magnitude
        assign value    = {1'b0, {11'd0, x[10:0]} * {11'd0, y[10:0]}};
        assign negative = x[11] ^ y[11];
      end else begin : g_booth
        booth booth (
            .x_i(x[10:0]),
            .y_i(y[10:0]),
            .p_o(value[21:0])
        );
        assign value[22] = 1'b0;
        assign negative  = x[11] ^ y[11];
      end
      reg [22:0] value_q;
      reg [ 5:0] shift_q;
      reg        negative_q;
      always @(posedge clk_i) begin
        value_q    <= FILL ? value ^ {23{negative}} : value;
        negative_q <= negative;
        shift_q    <= {1'b0, x_exponent_i[5*i+:5]} + {1'b0, w_exponent_i[5*i+:5]};
      end
      // Bits beside the product: below it (fill) and above it (sign).
      wire fill = FILL && PRODUCT != 0 && negative_q;
      wire sign = PRODUCT == 0 ? value_q[22] : fill;
      wire [80:0] placed;
      if (SHIFT == 0) begin : g_one
        wire [138:0] wide = {{58{sign}}, value_q, {58{fill}}} >> (6'd58 - shift_q);
        assign placed = wide[80:0];
      end else begin : g_two
        wire [52:0] wide = {{15{sign}}, value_q, {15{fill}}} >> ~shift_q[3:0];
        wire [37:0] fine = wide[37:0];
        assign placed = shift_q[5] ? (shift_q[4] ? {fine[32:0], {48{fill}}} : {{11{sign}}, fine, {32{fill}}})
                                   : (shift_q[4] ? {{27{sign}}, fine, {16{fill}}} : {{43{sign}}, fine});
      end
      assign aligned[i] = FILL || PRODUCT == 0 ? placed : placed ^ {81{negative_q}};
      assign ones[i]    = PRODUCT != 0 && negative_q;
    end

    for (w = 0; w < WORDS; w = w + 1) begin : word
      localparam LAST = w == WORDS - 1;
      localparam BITS = LAST ? 81 - WORD * w : WORD;
      wire [(WORD+GROW)*GROUP-1:0] rows;
      for (i = 0; i < GROUP; i = i + 1) begin : row
        assign rows[(WORD+GROW)*i+:WORD+GROW] = {{(WORD + GROW - BITS) {LAST && aligned[i][80]}}, aligned[i][WORD*w+:BITS]};
      end
      group_sum #(
          .WIDTH(BITS + GROW),
          .STRIDE(WORD + GROW),
          .COUNT(GROUP),
          .SAVE(SAVE)
      ) group_sum (
          .clk_i (clk_i),
          .rows_i(rows),
          .ones_i(w == 0 ? ones : {GROUP{1'b0}}),
          .sum_o (sum_o[(WORD+GROW)*w+:BITS+GROW]),
          .save_o(save_o[(WORD+GROW)*w+:BITS+GROW])
      );
    end
  endgenerate
endmodule

module group_sum #(
    parameter WIDTH = 51,
    parameter STRIDE = 51,
    parameter COUNT = 8,
    parameter SAVE = 0
) (
    input  wire                    clk_i,
    input  wire [STRIDE*COUNT-1:0] rows_i,
    input  wire [       COUNT-1:0] ones_i,
    output wire [       WIDTH-1:0] sum_o,
    output wire [       WIDTH-1:0] save_o
);
  // Eight rows and eight ones: the ones stand in the free lowest places of the carries.
  genvar i;
  generate
    if (SAVE == 0) begin : g_sum
      reg [WIDTH-1:0] sum_q;
      if (COUNT == 4) begin : g4
        always @(posedge clk_i)
          sum_q <= rows_i[0*STRIDE+:WIDTH] + rows_i[1*STRIDE+:WIDTH] + rows_i[2*STRIDE+:WIDTH] + rows_i[3*STRIDE+:WIDTH] +
                   ones_i[0] + ones_i[1] + ones_i[2] + ones_i[3];
      end else begin : g8
        always @(posedge clk_i)
          sum_q <= rows_i[0*STRIDE+:WIDTH] + rows_i[1*STRIDE+:WIDTH] + rows_i[2*STRIDE+:WIDTH] + rows_i[3*STRIDE+:WIDTH] +
                   rows_i[4*STRIDE+:WIDTH] + rows_i[5*STRIDE+:WIDTH] + rows_i[6*STRIDE+:WIDTH] + rows_i[7*STRIDE+:WIDTH] +
                   ones_i[0] + ones_i[1] + ones_i[2] + ones_i[3] + ones_i[4] + ones_i[5] + ones_i[6] + ones_i[7];
      end
      assign sum_o  = sum_q;
      assign save_o = {WIDTH{1'b0}};
    end else begin : g_save
      // 8 -> 6 -> 4 -> 3 -> 2 rows; every carry word has room for a one.
      wire [WIDTH-1:0] r[0:7];
      for (i = 0; i < 8; i = i + 1) begin : unpack
        assign r[i] = rows_i[i*STRIDE+:WIDTH];
      end
      wire [WIDTH-1:0] s0, c0, s1, c1, s2, c2, s3, c3, s4, c4, s5, c5;
      full_adders #(WIDTH) a0 (r[0], r[1], r[2], ones_i[0], s0, c0);
      full_adders #(WIDTH) a1 (r[3], r[4], r[5], ones_i[1], s1, c1);
      full_adders #(WIDTH) a2 (s0, c0, r[6], ones_i[2], s2, c2);
      full_adders #(WIDTH) a3 (s1, c1, r[7], ones_i[3], s3, c3);
      full_adders #(WIDTH) a4 (s2, c2, s3, ones_i[4], s4, c4);
      full_adders #(WIDTH) a5 (s4, c4, c3, ones_i[5], s5, c5);
      reg [WIDTH-1:0] sum_q, save_q;
      always @(posedge clk_i) begin
        sum_q  <= s5;
        save_q <= c5;
      end
      assign sum_o  = sum_q;
      assign save_o = save_q;
    end
  endgenerate
endmodule

module full_adders #(
    parameter WIDTH = 51
) (
    input  wire [WIDTH-1:0] a_i,
    input  wire [WIDTH-1:0] b_i,
    input  wire [WIDTH-1:0] c_i,
    input  wire             one_i,
    output wire [WIDTH-1:0] sum_o,
    output wire [WIDTH-1:0] carry_o
);
  wire [WIDTH-1:0] carry = (a_i & b_i) | (c_i & (a_i ^ b_i));
  assign sum_o   = a_i ^ b_i ^ c_i;
  assign carry_o = {carry[WIDTH-2:0], one_i};
endmodule

// 11 x 11 unsigned product of six radix-4 Booth rows, each -2x to 2x.
module booth (
    input  wire [10:0] x_i,
    input  wire [10:0] y_i,
    output wire [21:0] p_o
);
  wire [12:0] y = {1'b0, y_i, 1'b0};
  wire [22*6-1:0] rows;
  wire [5:0] minus;
  genvar i;
  generate
    for (i = 0; i < 6; i = i + 1) begin : row
      wire [2:0] code = y[2*i+:3];
      wire one = code[0] ^ code[1];
      wire two = code == 3'b100 || code == 3'b011;
      wire [11:0] chosen = ({12{one}} & {1'b0, x_i}) | ({12{two}} & {x_i, 1'b0});
      assign minus[i] = code[2];
      // Sign extension by an inverted sign bit and constants: see `constant`.
      assign rows[22*i+:22] = {9'd0, ~minus[i], chosen ^ {12{minus[i]}}} << (2 * i);
    end
  endgenerate
  // Each row's sign -2^12 s = 2^12 (1 - s) - 2^12.
  wire [21:0] constant = -(22'h1000 + 22'h4000 + 22'h10000 + 22'h40000 + 22'h100000 + 22'h000000);
  assign p_o = rows[0+:22] + rows[22+:22] + rows[44+:22] + rows[66+:22] + rows[88+:22] + rows[110+:22] + constant +
               {11'd0, minus[5], 1'b0, minus[4], 1'b0, minus[3], 1'b0, minus[2], 1'b0, minus[1], 1'b0, minus[0]};
endmodule
`default_nettype wire
