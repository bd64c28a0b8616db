// Reads the activation tiles of a GEMM from the shared buffer, k_tiles * 32 words, once for each block, and offers each word to all
// channels. A channel takes it when it is ready; the next word comes when all have taken it. One word a clock if nobody waits.
`default_nettype none
module broadcast #(
  parameter CHANNELS = 32
) (
  input wire clk_i,
  input wire rst_ni,
  input wire start_i,
  input wire [15:0] address_i,   // of the first word
  input wire [10:0] k_tiles_i,
  input wire [15:0] blocks_i,
  output wire busy_o,
  // Shared buffer: data of a read that was granted come two clocks later
  output wire read_valid_o,
  input wire read_ready_i,
  output wire [15:0] read_address_o,
  input wire read_data_valid_i,
  input wire [255:0] read_data_i,
  // Channels
  output wire [CHANNELS-1:0] word_valid_o,
  input wire [CHANNELS-1:0] word_ready_i,
  output wire [255:0] word_o
);
  localparam [2:0] ROOM = 3'd4;

  reg reading_q;
  reg [15:0] address_q, words_q, blocks_q;  // words and blocks after this one
  reg [2:0] room_q;                         // words of the FIFO not spoken for
  reg [CHANNELS-1:0] taken_q;
  wire valid, unused_ready;
  wire [CHANNELS-1:0] taken = taken_q | word_ready_i;
  wire pop = valid && &taken;
  wire read = read_valid_o && read_ready_i;
  wire [15:0] words_1 = {k_tiles_i, 5'd0} - 16'd1;
  reg last_word_q, last_block_q;

  fifo #(.WIDTH(256), .DEPTH(4)) words (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .valid_i(read_data_valid_i), .ready_o(unused_ready), .data_i(read_data_i),
    .valid_o(valid), .ready_i(&taken), .data_o(word_o)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      reading_q <= 1'b0;
      room_q <= ROOM;
      taken_q <= 0;
    end else begin
      if (start_i) reading_q <= 1'b1;
      else if (read && last_word_q && last_block_q) reading_q <= 1'b0;
      room_q <= room_q - {2'd0, read} + {2'd0, pop};
      taken_q <= pop || !valid ? 0 : taken;
    end
  end

  always @(posedge clk_i) begin
    if (start_i) begin
      address_q <= address_i;
      words_q <= words_1;
      blocks_q <= blocks_i - 16'd1;
      last_word_q <= 1'b0;
      last_block_q <= blocks_i == 16'd1;
    end else if (read) begin
      address_q <= last_word_q ? address_i : address_q + 16'd1;
      words_q <= last_word_q ? words_1 : words_q - 16'd1;
      last_word_q <= words_q == 16'd1;
      if (last_word_q) begin
        blocks_q <= blocks_q - 16'd1;
        last_block_q <= blocks_q == 16'd1;
      end
    end
  end

  assign read_valid_o = reading_q && room_q != 3'd0;
  assign read_address_o = address_q;
  assign word_valid_o = {CHANNELS{valid}} & ~taken_q;
  assign busy_o = reading_q || room_q != ROOM;
endmodule
`default_nettype wire
