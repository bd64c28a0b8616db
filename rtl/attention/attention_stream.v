// SPDX-License-Identifier: Apache-2.0
// Takes the beats of the weight FIFO for the passes of attention, in the order of their records
// (attention_sequencer): Q: into the q RAM, one beat a clock; S: to the GEMM module, positions are rows,
// block by block over the k-tiles; a beat that fills the last column is dropped; L: scores that come back
// from DRAM, to the slice, two words a beat, `blocks` of them; the last column is popped whole; C: to the
// GEMM module, rows of V, position tile by position tile.
// A C row's last beat goes when its results have room: in the result buffer, or in the member above if the
// head lies in several channels; then the row of the member below must be there, too. The first one of a pair
// goes SPACING clocks or more behind the last one of the pair before, since the quotient keeps one divisor.
// `sum_*`: beside the sum of a last beat when it leaves the GEMM module.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module attention_stream #(
  parameter GEMM_LATENCY = 6,
  parameter [4:0] SPACING = 5'd`DUPLEX_QUOTIENT_CLOCKS
) (
  input wire clk_i,
  input wire rst_ni,
  // Record
  input wire pass_valid_i,
  output wire pass_ready_o,
  // verilator lint_off UNUSED
  input wire stream_pass_t pass_i,  // some of it is for the score path alone
  // verilator lint_on UNUSED
  // The score path: takes the record of an S
  output wire score_start_o,
  input wire score_ready_i,
  input wire score_empty_i,
  output wire load_valid_o,      // L: a word for the slice, the upper half of the beat if `load_upper_o`
  output wire load_upper_o,
  output wire load_end_o,
  // Weights
  input wire weight_valid_i,
  output wire weight_pop_o,
  // q RAM
  output wire q_write_o,
  output wire [$clog2(`DUPLEX_Q_WORDS/2)-1:0] q_address_o,
  output wire q_done_o,
  // GEMM module
  output wire beat_valid_o,
  input wire beat_ready_i,
  output wire beat_t beat_o,
  output wire sum_score_o,       // a row of scores, else of the context
  output wire sum_end_o,         // S: the pass's last; C: the pair's last
  output wire sum_wide_o,        // C: sums of weights in two parts
  output wire sum_below_o,       // C: to be joined with the row from below; the sum goes above
  output wire sum_above_o,
  input wire below_there_i,
  input wire above_room_i,
  output wire take_o,            // C: a row that takes the row from below, that goes above, goes
  output wire give_o,
  // Room for results
  input wire room_i,
  output wire row_o,             // the last beat of a row of results of this channel goes
  output wire [1:0] row_place_o,
  output wire l_done_o,          // the pass used its l, if it has to
  output wire busy_o,
  output wire stalls_t stalls_o
);
  localparam [2:0] IDLE = 3'd0, LOAD_Q = 3'd1, BEATS = 3'd2, PAD = 3'd3, LOAD_SCORES = 3'd4;
  wire [2:0] kind = {1'b0, pass_i.kind};
  localparam HALF = `DUPLEX_LANES / 2;

  reg [2:0] state_q;
  reg score_q, wide_q, first_q, last_q, keep_q, final_q, below_q, above_q;
  reg [`DUPLEX_PASS_BITS-1:0] blocks_q;        // blocks after this one; L: words still to come
  reg [1:0] word_q;           // L: in its column
  reg block_first_q;
  reg [`DUPLEX_HEAD_TILE_BITS-1:0] k_q, k_last_q;    // k-tiles after this one
  reg k_first_q;
  reg [`DUPLEX_WIDTH_BITS-1:0] row_q, row_last_q, rest_q;
  reg [`DUPLEX_LANES-1:0] mask_q;
  reg [$clog2(`DUPLEX_Q_WORDS/2)-1:0] q_q;
  reg [4:0] spacing_q;

  wire last_block = blocks_q == 0;
  wire tile_is_last = last_block && (!score_q || k_q == 0);   // of the pass
  wire emits = score_q ? k_q == 0 : last_q && last_block;
  wire row_end = row_q == row_last_q;
  wire has_room = score_q ||
      ((below_there_i || !below_q) && (above_q ? above_room_i : room_i && spacing_q == 5'd0));
  wire go = state_q == BEATS && weight_valid_i && (has_room || !emits);
  wire issue = go && beat_ready_i;
  wire tile_end = issue && row_end;
  wire odd = !row_last_q[0];
  wire pad = state_q == PAD && weight_valid_i;
  wire step = (tile_end && !odd) || pad;                         // to the next tile
  wire q_write = state_q == LOAD_Q && weight_valid_i;
  wire q_done = q_write && q_q == {k_last_q, {`DUPLEX_LANE_BITS{1'b1}}};
  wire load = state_q == LOAD_SCORES && weight_valid_i;
  wire load_end = load && &word_q && blocks_q[`DUPLEX_PASS_BITS-1:1] == 0;
  wire take = pass_valid_i && pass_ready_o;
  wire end_mark = tile_end && tile_is_last && (score_q || (last_q && final_q));

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
      spacing_q <= 5'd0;
    end else begin
      case (state_q)
        IDLE: if (take) state_q <= kind == `DUPLEX_PASS_QUERY ? LOAD_Q
        : kind == `DUPLEX_PASS_RELOAD ? LOAD_SCORES
        : BEATS;
        LOAD_SCORES: if (load_end) state_q <= IDLE;
        LOAD_Q: if (q_done) state_q <= IDLE;
        BEATS: if (tile_end) state_q <= odd ? PAD : tile_is_last ? IDLE : BEATS;
        default: if (pad) state_q <= tile_is_last ? IDLE : BEATS;
      endcase
      spacing_q <= end_mark && !score_q ? SPACING : spacing_q == 5'd0 ? 5'd0 : spacing_q - 5'd1;
    end
  end

  wire next_last = k_q == 0 ? blocks_q == 1 : last_block;  // the next k-tile lies in the last block
  always @(posedge clk_i) begin
    if (state_q == IDLE) begin
      score_q <= kind == `DUPLEX_PASS_SCORE;
      blocks_q <= pass_i.blocks;
      block_first_q <= 1'b1;
      k_q <= pass_i.k_last;
      k_last_q <= pass_i.k_last;
      k_first_q <= 1'b1;
      row_q <= 0;
      rest_q <= pass_i.rest;
      row_last_q <= kind != `DUPLEX_PASS_SCORE ? {pass_i.sixteens, 4'd15}
          : pass_i.blocks == 0 ? pass_i.rest
          : {`DUPLEX_WIDTH_BITS{1'b1}};
      mask_q <= kind == `DUPLEX_PASS_SCORE ? {`DUPLEX_LANES{1'b1}}
          : pass_i.mask | (pass_i.wide ? {pass_i.mask[HALF-1:0], {HALF{1'b0}}} : {`DUPLEX_LANES{1'b0}});
      wide_q <= pass_i.wide;
      first_q <= pass_i.first;
      last_q <= pass_i.last;
      keep_q <= pass_i.keep;
      final_q <= pass_i.final_block;
      below_q <= pass_i.has_below;
      above_q <= pass_i.has_above;
      q_q <= 0;
      word_q <= 2'd0;
    end else begin
      if (load) word_q <= word_q + 2'd1;
      if (load && !last_block) blocks_q <= blocks_q - 1'b1;
      if (q_write) q_q <= q_q + 1'b1;
      if (issue) row_q <= row_end ? 0 : row_q + 1'b1;
      if (step) begin
        k_q <= k_q == 0 ? k_last_q : k_q - 1'b1;
        k_first_q <= k_q == 0;
        if (!score_q || k_q == 0) begin
          blocks_q <= blocks_q - 1'b1;
          block_first_q <= 1'b0;
        end
        if (score_q) row_last_q <= next_last ? rest_q : {`DUPLEX_WIDTH_BITS{1'b1}};
      end
    end
  end

  delay_line #(
    .WIDTH(5),
    .CLOCKS(GEMM_LATENCY)
  ) sums (
    .clk_i(clk_i),
    .data_i({score_q, end_mark, wide_q, below_q, above_q}),
    .data_o({sum_score_o, sum_end_o, sum_wide_o, sum_below_o, sum_above_o})
  );

  assign pass_ready_o = state_q == IDLE &&
      (kind == `DUPLEX_PASS_SCORE ? score_ready_i : kind != `DUPLEX_PASS_RELOAD || score_empty_i);
  assign score_start_o = take && kind == `DUPLEX_PASS_SCORE;
  assign weight_pop_o = issue || pad || q_write || (load && word_q[0]);
  assign load_valid_o = load && !last_block;
  assign load_upper_o = word_q[0];
  assign load_end_o = load_end;
  assign q_write_o = q_write;
  assign q_address_o = q_q;
  assign q_done_o = q_done;
  assign beat_valid_o = go;
  assign beat_o.row = row_q;
  assign beat_o.first = score_q ? k_first_q : first_q && block_first_q;
  assign beat_o.last = emits;
  assign beat_o.ends_tile = row_end;
  assign beat_o.mask = mask_q;
  wire row = issue && emits && !score_q;
  assign row_o = row && !above_q;
  assign take_o = row && below_q;
  assign give_o = row && above_q;
  assign row_place_o = row_q[1:0];
  assign l_done_o = tile_end && tile_is_last && !score_q && keep_q;
  assign busy_o = state_q != IDLE;
  assign stalls_o.starved = state_q == BEATS && beat_ready_i && !weight_valid_i;
  assign stalls_o.no_tile = state_q == BEATS && !beat_ready_i && weight_valid_i;
  assign stalls_o.no_room = state_q == BEATS && beat_ready_i && weight_valid_i && emits && !has_room;
endmodule
`default_nettype wire
