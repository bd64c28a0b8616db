// Turns the finished sums of a row (8 lanes) into words of 32 bytes: f16 two rows a word, f32 one row, acc four words a row (two
// lanes each, 16 bytes a lane). The last word of a block is marked; an f16 block of an odd number of rows ends with a half of zeros.
// No back-pressure: the room was reserved when the row's last beat was issued. acc: a row may come every 4 clocks, else every clock.
// Latency: that of round (f16, f32), 1 clock (acc). Numerics rule N3.
`default_nettype none
`include "duplex_params.vh"
module drain #(
  parameter ROUND_LATENCY = 3  // of round.v
) (
  input wire clk_i,
  input wire rst_ni,
  input wire [1:0] format_i,  // 0 f16, 1 f32, 2 acc
  input wire sum_valid_i,
  input wire [8*97-1:0] sum_i,
  input wire [8*3-1:0] flags_i,
  input wire [7:0] exponent_i,
  input wire block_end_i,
  output wire word_valid_o,
  output wire [255:0] word_o,
  output wire word_end_o
);
  localparam [1:0] F16 = 2'd0, ACC = 2'd2;

  // Rounders and what travels beside them.
  wire [255:0] f32;
  wire [127:0] f16;
  genvar lane;
  generate
    for (lane = 0; lane < `DUPLEX_LANES; lane = lane + 1) begin : g_lane
      round rounder (
        .clk_i(clk_i),
        .sum_i(sum_i[lane*97 +: 97]),
        .flags_i(flags_i[lane*3 +: 3]),
        .exponent_i(exponent_i),
        .f32_o(f32[lane*32 +: 32]),
        .f16_o(f16[lane*16 +: 16])
      );
    end
  endgenerate

  reg [ROUND_LATENCY-1:0] valid_q;
  wire rounded = valid_q[ROUND_LATENCY-1];
  wire rounded_end;
  delay_line #(.WIDTH(1), .CLOCKS(ROUND_LATENCY)) end_line (.clk_i(clk_i), .data_i(block_end_i), .data_o(rounded_end));

  // f16: the even row waits for the odd one.
  reg half_q;
  reg [127:0] half_data_q;

  // acc: the row is held for 4 clocks.
  reg [2:0] acc_left_q;
  reg acc_end_q;
  reg [1023:0] acc_q;
  integer l;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 0;
      half_q <= 1'b0;
      acc_left_q <= 3'd0;
    end else begin
      valid_q <= {valid_q[ROUND_LATENCY-2:0], sum_valid_i && format_i != ACC};
      if (rounded && format_i == F16) half_q <= !half_q && !rounded_end;
      if (sum_valid_i && format_i == ACC) acc_left_q <= 3'd4;
      else if (acc_left_q != 3'd0) acc_left_q <= acc_left_q - 3'd1;
    end
  end

  always @(posedge clk_i) begin
    if (rounded && !half_q) half_data_q <= f16;
    if (sum_valid_i) begin
      acc_end_q <= block_end_i;
      for (l = 0; l < `DUPLEX_LANES; l = l + 1)
        acc_q[l*128 +: 128] <= {flags_i[l*3 + 2], flags_i[l*3 + 1], flags_i[l*3], {28{sum_i[l*97 + 96]}}, sum_i[l*97 +: 97]};
    end else begin
      acc_q <= {256'd0, acc_q[1023:256]};
    end
  end

  wire f16_word = rounded && (half_q || rounded_end);
  wire acc_word = acc_left_q != 3'd0;
  assign word_valid_o = acc_word || (format_i == F16 ? f16_word : rounded);
  assign word_o = acc_word ? acc_q[255:0] :
                  format_i != F16 ? f32 :
                  half_q ? {f16, half_data_q} : {128'd0, f16};
  assign word_end_o = acc_word ? acc_end_q && acc_left_q == 3'd1 : rounded_end;
endmodule
`default_nettype wire
