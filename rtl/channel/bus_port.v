// SPDX-License-Identifier: Apache-2.0
// A channel's port to the result bus: gives each word its shared-buffer address (16-byte units) and offers
// it. A word of rows holds two of them (one if `single`), which are two units of results, or one if they are
// a gated pair; those of the next word lie `word_step_i` units behind them, or one unit if it is `single`.
// The second group of tokens lies `group_i` units behind the first. Interleaved: the channels' words take
// turns, so that those of the last group come in order of address. LOAD: a word is four units, and after the
// 16 words of a tile comes `step_i`, since the next tiles belong to the other channels. The job's fields are
// taken at the start. A word that is taken (`valid_o` and `ready_i`) is on `data_o` in the clock after.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module bus_port (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,
  input wire [1:0] kind_i,     // of the result bus: rows, gated pairs, LOAD, LOAD of the table
  input wire [16:0] tag_i,     // address of the first word
  input wire [24:0] rows_i,    // that come, over all groups; LOAD: 32 for each tile
  input wire interleaved_i,
  input wire [6:0] word_step_i,
  input wire two_groups_i,
  input wire [15:0] group_i,
  input wire [12:0] step_i,    // LOAD: from a tile's last word to the next tile's first
  // Result buffer
  input wire word_valid_i,
  output wire word_ready_o,
  input wire bus_word_t word_i,
  // Result bus
  output wire valid_o,
  output wire load_o,          // the word on offer is one of a LOAD
  output wire interleaved_o,   // or of results that are interleaved
  input wire ready_i,
  output wire [RECORD_WORD-1:0] data_o,
  output wire [16:0] tag_o,
  output wire [1:0] kind_o,
  output wire single_o,
  output wire last_o,          // last word of the job
  output wire in_turn_o,       // interleaved, of the last group
  // State
  output wire busy_o
);
  localparam WORD_BITS = $clog2(`DUPLEX_TILE_WORDS);

  reg [1:0] kind_q, kind_out_q;
  reg two_groups_q, second_group_q, interleaved_q;
  reg [6:0] word_step_q;
  reg [15:0] group_q;
  reg [WORD_BITS-1:0] word_q;
  reg [16:0] block_q, tag_q, tag_out_q;
  reg [24:0] rows_q;
  reg [RECORD_WORD-1:0] data_q;
  reg out_q, single_q, last_q, in_turn_q;
  wire bus_word_t head;
  wire take = valid_o && ready_i;
  wire load = kind_q[1];
  wire tile_end = &word_q;
  wire [16:0] next = tag_q +
      (load ? (tile_end ? {4'd0, step_i} : 17'd4) : head.single ? 17'd1 : {10'd0, word_step_q});
  wire [16:0] next_block = next - (two_groups_q ? {1'b0, group_q} : 17'd0);

  fifo #(
    .WIDTH(BUS_WORD_BITS),
    .DEPTH(2)
  ) words (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(word_valid_i),
    .ready_o(word_ready_o),
    .data_i(word_i),
    .valid_o(valid_o),
    .ready_i(take),
    .data_o(head)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) out_q <= 1'b0;
    else out_q <= take;
  end

  always @(posedge clk_i) begin
    if (start_i) begin
      kind_q <= kind_i;
      interleaved_q <= interleaved_i;
      word_step_q <= word_step_i;
      two_groups_q <= two_groups_i;
      group_q <= group_i;
      block_q <= tag_i;
      tag_q <= tag_i;
      rows_q <= rows_i;
      word_q <= 0;
      second_group_q <= 1'b0;
    end else if (take) begin
      word_q <= word_q + 1'b1;
      rows_q <= rows_q - (head.single ? 25'd1 : 25'd2);
      tag_q <= next;
      if (!load && head.ends && two_groups_q) begin
        second_group_q <= !second_group_q;
        tag_q <= second_group_q ? next_block : block_q + {1'b0, group_q};
        if (second_group_q) block_q <= next_block;
      end
    end
    data_q <= head.data;
    tag_out_q <= tag_q;
    kind_out_q <= kind_q;
    single_q <= head.single;
    last_q <= rows_q == (head.single ? 25'd1 : 25'd2);
    in_turn_q <= interleaved_q && second_group_q == two_groups_q;
  end

  assign load_o = load;
  assign interleaved_o = interleaved_q;
  assign data_o = data_q;
  assign tag_o = tag_out_q;
  assign kind_o = kind_out_q;
  assign single_o = single_q;
  assign last_o = last_q;
  assign in_turn_o = in_turn_q;
  assign busy_o = valid_o || out_q;
endmodule
`default_nettype wire
