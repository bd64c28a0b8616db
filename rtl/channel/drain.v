// SPDX-License-Identifier: Apache-2.0
// Turns the finished sums of a row (8 lanes of 8 bytes) into words of 64 bytes: f16 four rows a word, f32
// two, acc two words a row (four lanes each, 16 bytes a lane). The last word of a block, or of a group of
// tokens, is marked; what it has no rows for is zero. No back-pressure: the room was reserved when the row's
// last beat was issued. acc: a row may come every 2 clocks, else every clock. Latency: that of round (f16,
// f32), 1 clock (acc). Numerics rule N3.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
module drain #(
  parameter ROUND_LATENCY = 3,  // of round.v
  parameter LANES = `DUPLEX_LANES,
  parameter SUM_BITS = `DUPLEX_SUM_BITS,
  parameter WORD = 8 * `DUPLEX_WORD_BYTES
) (
  input wire clk_i,
  input wire rst_ni,
  // Sums
  input wire [1:0] format_i,  // 0 f16, 1 f32, 2 acc
  input wire sum_valid_i,
  input wire [LANES*SUM_BITS-1:0] sum_i,
  input wire [LANES*3-1:0] flags_i,
  input wire [7:0] exponent_i,
  input wire end_i,
  // Rows of attention
  input wire row_valid_i,     // a row of f16 that is made elsewhere
  input wire row_end_i,
  input wire [16*LANES-1:0] row_i,
  // Sums, rounded
  output wire [32*LANES-1:0] f32_o,  // the sums rounded, whatever comes of them
  // Result buffer
  output wire word_valid_o,
  output wire [WORD-1:0] word_o,
  output wire word_end_o,
  output wire word_single_o   // f32: one row, not two
);
  localparam [1:0] F16 = `DUPLEX_RESULT_FORMAT_F16, ACC = `DUPLEX_RESULT_FORMAT_ACC;
  localparam ROW = 16 * LANES;  // bits of a row as f16: a quarter of a word

  // Rounders and what travels beside them.
  wire [2*ROW-1:0] f32;
  wire [ROW-1:0] rounded_f16;
  wire [ROW-1:0] f16 = row_valid_i ? row_i : rounded_f16;
  genvar lane;
  generate
    for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lane
      round rounder (
        .clk_i(clk_i),
        .sum_i(sum_i[lane*SUM_BITS +: SUM_BITS]),
        .flags_i(flags_i[lane*3 +: 3]),
        .exponent_i(exponent_i),
        .f32_o(f32[lane*32 +: 32]),
        .f16_o(rounded_f16[lane*16 +: 16])
      );
    end
  endgenerate

  reg [ROUND_LATENCY-1:0] valid_q;
  wire rounded = valid_q[ROUND_LATENCY-1] || row_valid_i;
  wire sum_end;
  wire rounded_end = row_valid_i ? row_end_i : sum_end;
  delay_line #(
    .WIDTH(1),
    .CLOCKS(ROUND_LATENCY)
  ) end_line (
    .clk_i(clk_i),
    .data_i(end_i),
    .data_o(sum_end)
  );

  // Rows that wait for the rest of their word.
  reg [1:0] held_q;
  reg [3*ROW-1:0] hold_q;
  wire is_f16 = format_i == F16;
  wire full = is_f16 ? &held_q : held_q[0];
  wire complete = rounded && (full || rounded_end);

  // acc: the row is held for 2 clocks.
  reg [1:0] acc_left_q;
  reg acc_end_q;
  reg [2*WORD-1:0] acc_q;
  integer l;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 0;
      held_q <= 2'd0;
      acc_left_q <= 2'd0;
    end else begin
      valid_q <= {valid_q[ROUND_LATENCY-2:0], sum_valid_i && format_i != ACC};
      if (rounded) held_q <= complete ? 2'd0 : held_q + 2'd1;
      if (sum_valid_i && format_i == ACC) acc_left_q <= 2'd2;
      else if (acc_left_q != 2'd0) acc_left_q <= acc_left_q - 2'd1;
    end
  end

  always @(posedge clk_i) begin
    if (rounded) begin
      if (!is_f16) hold_q[2*ROW-1:0] <= f32;
      else if (held_q == 2'd0) hold_q[ROW-1:0] <= f16;
      else if (held_q == 2'd1) hold_q[2*ROW-1:ROW] <= f16;
      else hold_q[3*ROW-1:2*ROW] <= f16;
    end
    if (sum_valid_i) begin
      acc_end_q <= end_i;
      for (l = 0; l < LANES; l = l + 1)
        acc_q[l*128 +: 128] <= {flags_i[l*3 + 2], flags_i[l*3 + 1], flags_i[l*3],
            {(125 - SUM_BITS){sum_i[(l+1)*SUM_BITS - 1]}}, sum_i[l*SUM_BITS +: SUM_BITS]};
    end else begin
      acc_q <= {{WORD{1'b0}}, acc_q[2*WORD-1:WORD]};
    end
  end

  reg [WORD-1:0] f16_word;
  always @* begin
    case (held_q)
      2'd0: f16_word = {{3*ROW{1'b0}}, f16};
      2'd1: f16_word = {{2*ROW{1'b0}}, f16, hold_q[ROW-1:0]};
      2'd2: f16_word = {{ROW{1'b0}}, f16, hold_q[2*ROW-1:0]};
      default: f16_word = {f16, hold_q};
    endcase
  end
  wire acc_word = acc_left_q != 2'd0;
  assign f32_o = f32;
  assign word_valid_o = acc_word || complete;
  assign word_o = acc_word ? acc_q[WORD-1:0]
      : is_f16 ? f16_word
      : held_q[0] ? {f32, hold_q[2*ROW-1:0]}
      : {{2*ROW{1'b0}}, f32};
  assign word_end_o = acc_word ? acc_end_q && acc_left_q == 2'd1 : rounded_end;
  assign word_single_o = !acc_word && !held_q[0];
endmodule
`default_nettype wire
