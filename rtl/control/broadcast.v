// SPDX-License-Identifier: Apache-2.0
// Reads the activation tiles of a GEMM from the shared buffer, k_tiles * groups * 16 words, once for each
// block, and offers each word to all channels. A channel takes it when it is ready; the next word comes when
// all have taken it. One word a clock if nobody waits. Tiles of a group follow each other; with a stride of
// 16 words the tiles of the two groups take turns. With two streams the groups are read in turn by two
// k-tiles.
// Columns of the last k-tile from `k_last_i` on (if it is not 0) are given as zero.
// A word that the job before has still to make (`waits_i`) is not read yet.
`default_nettype none
`include "duplex_params.vh"
module broadcast #(
  parameter CHANNELS = 32
) (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,
  input wire [14:0] address_i,   // of the first word
  input wire [13:0] stride_i,    // words from the first group's tiles to the second's
  input wire two_groups_i,
  input wire two_streams_i,
  input wire [10:0] k_tiles_i,
  input wire [`DUPLEX_WIDTH_BITS-1:0] k_last_i,
  input wire [15:0] blocks_i,
  output wire busy_o,
  // Shared buffer: data of a read that was granted come two clocks later
  output wire read_valid_o,
  input wire read_ready_i,
  output wire [14:0] read_address_o,
  output wire [14:0] first_group_o,  // the same word of the first group
  input wire waits_i,
  input wire read_data_valid_i,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] read_data_i,
  // Channels
  output wire [CHANNELS-1:0] word_valid_o,
  input wire [CHANNELS-1:0] word_ready_i,
  output wire [8*`DUPLEX_WORD_BYTES-1:0] word_o
);
  localparam [2:0] ROOM = 3'd4;
  localparam [14:0] TILE = `DUPLEX_TILE_WORDS;
  localparam COLUMN = 16 * `DUPLEX_LANES;  // bits of a tile's column, a quarter of a word

  reg reading_q;
  reg [14:0] first_q;                       // word of the first group
  reg second_q;                             // the second group's is read
  reg half_q;                               // two streams: the second k-tile of the group's turn
  reg [`DUPLEX_TILE_WORD_BITS-1:0] word_q;
  reg [10:0] k_q;                           // k-tiles after this one
  reg [15:0] blocks_q;                      // blocks after this one
  reg last_k_q, last_block_q;
  reg [2:0] room_q;                         // words of the FIFO not spoken for
  reg [CHANNELS-1:0] taken_q;
  reg [3:0] zero_q, zero_data_q;            // columns of the word on the way that are zero
  wire valid, unused_ready;
  wire [CHANNELS-1:0] taken = taken_q | word_ready_i;
  wire pop = valid && &taken;
  wire read = read_valid_o && read_ready_i;
  wire group_end = !two_groups_i || second_q;
  wire tile_end = read && &word_q;
  wire turn_end = !two_streams_i || half_q || last_k_q;
  wire k_end = tile_end && group_end && turn_end;

  wire [14:0] k_step = two_groups_i && stride_i == TILE[13:0] ? TILE + 15'd1 : 15'd1;

  // Columns 4 * word to 4 * word + 3 against k_last_i.
  wire cut = last_k_q && k_last_i != 0;
  wire beyond = word_q > k_last_i[`DUPLEX_WIDTH_BITS-1:2];
  wire [3:0] part = 4'b1111 << k_last_i[1:0];
  wire [3:0] zero = !cut ? 4'd0 : beyond ? 4'b1111 : word_q == k_last_i[`DUPLEX_WIDTH_BITS-1:2] ? part : 4'd0;
  integer i;
  reg [8*`DUPLEX_WORD_BYTES-1:0] data;
  always @* begin
    data = read_data_i;
    for (i = 0; i < 4; i = i + 1) if (zero_data_q[i]) data[i*COLUMN +: COLUMN] = 0;
  end

  fifo #(
    .WIDTH(8*`DUPLEX_WORD_BYTES),
    .DEPTH(4)
  ) words (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(read_data_valid_i),
    .ready_o(unused_ready),
    .data_i(data),
    .valid_o(valid),
    .ready_i(&taken),
    .data_o(word_o)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      reading_q <= 1'b0;
      room_q <= ROOM;
      taken_q <= 0;
    end else begin
      if (start_i) reading_q <= 1'b1;
      else if (k_end && last_k_q && last_block_q) reading_q <= 1'b0;
      room_q <= room_q - {2'd0, read} + {2'd0, pop};
      taken_q <= pop || !valid ? 0 : taken;
    end
  end

  always @(posedge clk_i) begin
    zero_q <= zero;
    zero_data_q <= zero_q;
    if (start_i) begin
      first_q <= address_i;
      second_q <= 1'b0;
      half_q <= 1'b0;
      word_q <= 0;
      k_q <= k_tiles_i - 11'd1;
      last_k_q <= k_tiles_i == 11'd1;
      blocks_q <= blocks_i - 16'd1;
      last_block_q <= blocks_i == 16'd1;
    end else if (read) begin
      word_q <= word_q + 1'b1;
      first_q <= !tile_end ? first_q + 15'd1
          : !turn_end ? first_q + k_step
          : !group_end ? first_q - (half_q ? TILE + TILE - 15'd2 + k_step : TILE - 15'd1)
          : last_k_q ? address_i : first_q + k_step;
      if (tile_end) half_q <= !turn_end;
      if (tile_end && turn_end && two_groups_i) second_q <= !second_q;
      if (tile_end && !turn_end) begin
        k_q <= k_q - 11'd1;
        last_k_q <= k_q == 11'd1;
      end else if (tile_end && !group_end && half_q) begin
        k_q <= k_q + 11'd1;
        last_k_q <= 1'b0;
      end
      if (k_end) begin
        k_q <= last_k_q ? k_tiles_i - 11'd1 : k_q - 11'd1;
        last_k_q <= last_k_q ? k_tiles_i == 11'd1 : k_q == 11'd1;
        if (last_k_q) begin
          blocks_q <= blocks_q - 16'd1;
          last_block_q <= blocks_q == 16'd1;
        end
      end
    end
  end

  assign read_valid_o = reading_q && room_q != 3'd0 && !waits_i;
  assign first_group_o = first_q;
  assign read_address_o = first_q + (second_q ? {1'b0, stride_i} : 15'd0);
  assign word_valid_o = {CHANNELS{valid}} & ~taken_q;
  assign busy_o = reading_q || room_q != ROOM;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(read_data_valid_i && !unused_ready));
    end
  end
`endif
endmodule
`default_nettype wire
