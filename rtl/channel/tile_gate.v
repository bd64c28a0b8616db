// SPDX-License-Identifier: Apache-2.0
// Takes the words of the activation tiles from the broadcast: those of blocks in which this channel has rows
// go on to the GEMM module, the others are dropped. A FIFO of two words cuts the path between the broadcast
// and the GEMM module.
`default_nettype none
`include "duplex_params.vh"
module tile_gate (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,
  input wire [23:0] rows_i,        // rows of this channel
  input wire [10:0] k_tiles_i,
  input wire [`DUPLEX_ROW_BITS:0] block_rows_i,
  input wire two_groups_i,
  // Broadcast
  input wire word_valid_i,
  output wire word_ready_o,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] word_i,
  // GEMM module
  output wire tile_valid_o,
  input wire tile_ready_i,
  output wire [8*`DUPLEX_WORD_BYTES-1:0] tile_data_o
);
  localparam WORD_BITS = $clog2(`DUPLEX_TILE_WORDS);

  reg [23:0] left_q;   // rows of this block and those after it
  reg drop_q;          // none
  reg [11:0] tile_q;   // tiles of the block after this one
  reg tile_last_q;
  reg [WORD_BITS-1:0] word_q;
  wire [11:0] tiles = two_groups_i ? {k_tiles_i, 1'b0} : {1'b0, k_tiles_i};
  wire valid;
  wire take = valid && (drop_q || tile_ready_i);
  wire more = left_q > {{(23 - `DUPLEX_ROW_BITS) {1'b0}}, block_rows_i};

  fifo #(
    .WIDTH(8 * `DUPLEX_WORD_BYTES),
    .DEPTH(2)
  ) words (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(word_valid_i),
    .ready_o(word_ready_o),
    .data_i(word_i),
    .valid_o(valid),
    .ready_i(drop_q || tile_ready_i),
    .data_o(tile_data_o)
  );

  // The broadcast of a job begins when every channel has its job.
  always @(posedge clk_i) begin
    if (start_i) begin
      left_q <= rows_i;
      drop_q <= rows_i == 24'd0;
      tile_q <= tiles - 12'd1;
      tile_last_q <= tiles == 12'd1;
      word_q <= 0;
    end else if (take) begin
      word_q <= word_q + 1'b1;
      if (&word_q) begin
        tile_q <= tile_last_q ? tiles - 12'd1 : tile_q - 12'd1;
        tile_last_q <= tile_last_q ? tiles == 12'd1 : tile_q == 12'd1;
        if (tile_last_q) begin
          left_q <= more ? left_q - {{(23 - `DUPLEX_ROW_BITS) {1'b0}}, block_rows_i} : 24'd0;
          drop_q <= !more;
        end
      end
    end
  end

  assign tile_valid_o = valid && !drop_q;
`ifdef DUPLEX_ASSERT
  handshake_check #(.WIDTH(8 * `DUPLEX_WORD_BYTES)) word_check (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(word_valid_i),
    .ready_i(word_ready_o),
    .payload_i(word_i)
  );
`endif
endmodule
`default_nettype wire
