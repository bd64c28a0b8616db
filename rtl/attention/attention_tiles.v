// SPDX-License-Identifier: Apache-2.0
// The tiles that the passes of attention multiply with, in the order of their records: those of q from the q
// RAM (S), and the weights p of 64 positions each (C), whose scores come from the channel's slice of the
// shared buffer and go through probability_path.
//
// Words of either kind go into one FIFO before the GEMM module; each takes its room when it is begun. p: one
// position a clock; a write of scores goes before a read. An S waits for its q, a C for the maximum of its
// pair; a C that begins an l waits until the l before was used.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module attention_tiles #(
  parameter DEPTH = 8
) (
  input wire clk_i,
  input wire rst_ni,
  // Record
  input wire pass_valid_i,
  output wire pass_ready_o,
  input wire tiles_pass_t pass_i,
  // q RAM
  input wire q_done_i,                 // it was filled
  output wire [$clog2(`DUPLEX_Q_WORDS/2)-1:0] q_address_o,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] q_data_i,        // one clock later
  // Slice
  input wire write_i,                  // it is being written
  output wire read_o,
  output wire [9:0] read_address_o,
  // Maxima
  input wire maximum_valid_i,
  output wire maximum_ready_o,
  // Weights: a position is told in the clock in which its word is read or is at hand; words come some clocks
  // later
  output wire position_valid_o,
  output wire position_exists_o,
  output wire [`DUPLEX_LANE_BITS:0] position_o,        // in its word
  output wire [`DUPLEX_LANES_CODE_BITS-1:0] lanes_o,
  output wire wide_o,
  output wire sum_o,                   // it counts for l
  output wire clear_o,                 // an l begins
  input wire word_valid_i,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] word_i,
  input wire l_done_i,
  // GEMM module
  output wire tile_valid_o,
  input wire tile_ready_i,
  output wire tile_t tile_o,           // weights, or q
  output wire busy_o
);
  localparam [1:0] IDLE = 2'd0, SCORES = 2'd1, CONTEXT = 2'd2;
  wire [2:0] kind = {1'b0, pass_i.kind};
  localparam [31:0] DEPTH_32 = DEPTH;
  localparam [3:0] ROOM = DEPTH_32[3:0];

  reg [1:0] state_q;
  reg [`DUPLEX_PASS_BITS-1:0] blocks_q;
  reg [`DUPLEX_HEAD_TILE_BITS-1:0] k_q, k_last_q;
  reg [`DUPLEX_LANES_CODE_BITS-1:0] lanes_q;
  reg [`DUPLEX_WIDTH_BITS-1:0] rest_q, position_q;
  reg [`DUPLEX_TILE_WORD_BITS-1:0] word_q;
  reg wide_q, keep_q, clear_q;
  reg q_ready_q;             // the q RAM holds the q of the last Q
  reg [2:0] l_count_q;       // passes that sum an l, begun and not over
  reg [3:0] room_q, weights_q;  // words of the FIFO not spoken for; words of weights on their way
  reg [9:0] read_q;          // next word of the slice
  reg q_word_q, q_half_q, told_q;

  wire last_block = blocks_q == 0;
  wire has_room = room_q != 4'd0;
  // S
  wire q_word = state_q == SCORES && has_room;
  wire q_tile_end = q_word && &word_q;
  wire scores_end = q_tile_end && k_q == 0 && last_block;
  // C
  localparam PLACE_BITS = `DUPLEX_LANE_BITS + 1;
  wire [PLACE_BITS-1:0] place_mask = {PLACE_BITS{1'b1}} >> lanes_q;
  wire [PLACE_BITS-1:0] place = position_q[PLACE_BITS-1:0] & place_mask;
  wire exists = !last_block || position_q <= rest_q;
  wire needs_word = exists && place == 0;
  wire word_begins = position_q[1:0] == 2'd0;
  wire position = state_q == CONTEXT && (has_room || !word_begins) && !(needs_word && write_i);
  wire tile_end = position && &position_q;
  wire context_end = tile_end && last_block;
  wire begins_word = position && word_begins;
  wire read = position && needs_word;

  wire can_score = q_ready_q && weights_q == 4'd0;
  // A position meets its maximum two clocks after it was told.
  wire can_context = (!pass_i.begins || (maximum_valid_i && !told_q)) &&
      (!(pass_i.first && pass_i.keep) || l_count_q == 3'd0);
  assign pass_ready_o = state_q == IDLE &&
      (kind == `DUPLEX_PASS_CONTEXT ? can_context : can_score || kind == `DUPLEX_PASS_QUERY);
  wire take = pass_valid_i && pass_ready_o;
  wire takes_c = take && kind == `DUPLEX_PASS_CONTEXT;
  wire sums = takes_c && pass_i.keep;
  wire pop = tile_valid_o && tile_ready_i;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
      q_ready_q <= 1'b0;
      l_count_q <= 3'd0;
      room_q <= ROOM;
      weights_q <= 4'd0;
      q_word_q <= 1'b0;
      told_q <= 1'b0;
    end else begin
      case (state_q)
        IDLE: if (take && kind != `DUPLEX_PASS_QUERY)
          state_q <= kind == `DUPLEX_PASS_SCORE ? SCORES : CONTEXT;
        SCORES: if (scores_end) state_q <= IDLE;
        default: if (context_end) state_q <= IDLE;
      endcase
      if (q_done_i) q_ready_q <= 1'b1;
      else if (take && kind == `DUPLEX_PASS_QUERY) q_ready_q <= 1'b0;
      l_count_q <= l_count_q + {2'd0, sums} - {2'd0, l_done_i};
      room_q <= room_q - {3'd0, q_word || begins_word} + {3'd0, pop};
      weights_q <= weights_q + {3'd0, begins_word} - {3'd0, word_valid_i};
      q_word_q <= q_word;
      told_q <= position;
    end
  end

  always @(posedge clk_i) begin
    q_half_q <= word_q[0];
    if (state_q == IDLE) begin
      blocks_q <= pass_i.blocks;
      rest_q <= pass_i.rest;
      k_q <= pass_i.k_last;
      k_last_q <= pass_i.k_last;
      lanes_q <= pass_i.lanes;
      wide_q <= pass_i.wide;
      keep_q <= pass_i.keep;
      read_q <= pass_i.address;
      clear_q <= pass_i.first && pass_i.keep;
      position_q <= 0;
      word_q <= 0;
    end else begin
      if (q_word) word_q <= word_q + 1'b1;
      if (q_tile_end) k_q <= k_q == 0 ? k_last_q : k_q - 1'b1;
      if (position) begin
        position_q <= position_q + 1'b1;
        clear_q <= 1'b0;
      end
      if (read) read_q <= read_q + 10'd1;
      if (tile_end || (q_tile_end && k_q == 0)) blocks_q <= blocks_q - 1'b1;
    end
  end

  ram_fifo #(
    .WIDTH(GEMM_TILE_BITS),
    .DEPTH(DEPTH)
  ) words (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(q_word_q || word_valid_i),
    .data_i({word_valid_i, word_valid_i ? word_i
        : q_half_q ? q_data_i[8*`DUPLEX_WORD_BYTES +: 8*`DUPLEX_WORD_BYTES]
        : q_data_i[8*`DUPLEX_WORD_BYTES-1:0]}),
    .valid_o(tile_valid_o),
    .data_o(tile_o),
    .pop_i(pop),
    .mark_i(1'b0),
    .rewind_i(1'b0)
  );

  assign q_address_o = {k_last_q - k_q, word_q[`DUPLEX_TILE_WORD_BITS-1:1]};
  assign read_o = read;
  assign read_address_o = read_q;
  assign maximum_ready_o = takes_c && pass_i.begins;
  assign position_valid_o = position;
  assign position_exists_o = exists;
  assign position_o = place;
  assign lanes_o = lanes_q;
  assign wide_o = wide_q;
  assign sum_o = keep_q;
  assign clear_o = clear_q;
  assign busy_o = state_q != IDLE;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert (room_q <= ROOM);
    end
  end
`endif
endmodule
`default_nettype wire
