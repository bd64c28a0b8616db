// SPDX-License-Identifier: Apache-2.0
// Decode attention of one channel, around its bundle controller, GEMM module, drain and write path
// (docs/architecture.md, "The way of a pair through the channel"). Segments come from the operation
// controller into a queue; the channel's GEMM and LOAD jobs and its attention are never at work at the same
// time, `active_o` says whose the shared units are.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module attention (
  input wire clk_i,
  input wire rst_ni,
  // Segments
  input wire segment_valid_i,
  input wire [511:0] descriptor_i,
  input wire [8:0] slots_i,           // KV heads of it in this channel
  input wire [4:0] member_i,          // which of a head's channels this one is
  output wire room_o,
  input wire job_valid_i,             // a GEMM or LOAD starts
  output wire active_o,               // results on their way are those of attention
  output wire busy_o,
  // Bundle controller
  output wire read_valid_o,
  input wire read_ready_i,
  output wire read_request_t read_o,
  input wire weight_valid_i,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] weight_i,
  output wire weight_pop_o,
  // GEMM module
  output wire tile_valid_o,
  input wire tile_ready_i,
  output wire tile_t tile_o,
  output wire beats_o,                // beats are those of attention
  output wire beat_valid_o,
  input wire beat_ready_i,
  output wire beat_t beat_o,
  input wire sum_valid_i,
  input wire [`DUPLEX_LANES*`DUPLEX_SUM_BITS-1:0] sum_i,
  input wire [`DUPLEX_LANES*3-1:0] flags_i,
  // Drain
  input wire [32*`DUPLEX_LANES-1:0] f32_i,  // sums rounded, 3 clocks later
  output wire row_valid_o,
  output wire row_end_o,
  output wire [16*`DUPLEX_LANES-1:0] row_o,
  input wire room_i,
  output wire room_row_o,
  output wire [1:0] room_place_o,
  // Write path
  output wire result_valid_o,
  input wire result_ready_i,
  output wire result_place_t result_o,
  input wire scores_written_i,        // a segment's scores are in DRAM
  // scores on their way to the result buffer, as score_read_data_i has them
  output wire word_reserve_o,
  output wire word_valid_o,
  output wire word_end_o,
  // Slice of the shared buffer
  output wire score_access_t score_o,
  input wire [RECORD_WORD-1:0] score_read_data_i,
  // The member below: its maximum, then the pair's back; its rows of context sums
  input wire link_up_t below_i,
  input wire [RECORD_MAXIMA-1:0] below_maximum_i,
  output wire link_down_t below_o,
  // The member above
  output wire link_up_t above_o,
  input wire link_down_t above_i,
  input wire [RECORD_MAXIMA-1:0] above_maximum_i,
  output wire [RECORD_MAXIMA-1:0] maximum_o,  // for both
  // Counters
  output wire stalls_t stalls_o
);
  localparam PLACE_BITS = $clog2(`DUPLEX_ATTENTION_QUEUE);

  // Queue and sequencer
  wire [PLACE_BITS:0] score_index, oldest, index, next;
  wire [1:0] score_mode, oldest_mode;
  wire [10:0] score_words;
  wire score_first, pass_valid, pass_ready, result_valid, result_ready, sequencer_busy, joined;
  wire segment_t segment;
  wire stream_pass_t next_stream_pass, stream_pass;
  wire tiles_pass_t next_tiles_pass, tiles_pass;
  wire result_place_t next_result;
  // Stream
  wire stream_valid, stream_pass_ready, stream_ready, score_start, score_ready, q_write, q_done, sum_score;
  wire sum_end, sum_wide, sum_below, sum_above, l_done, stream_busy, below_there, above_room, take, give;
  wire load_valid, load_upper, load_end, score_empty, stored;
  wire [$clog2(`DUPLEX_Q_WORDS/2)-1:0] q_write_address, q_read_address;
  wire [8*`DUPLEX_BEAT_BYTES-1:0] q_data;
  // Tiles
  wire tiles_valid, tiles_pass_ready, tiles_ready, tiles_busy;
  wire [`DUPLEX_LANES_CODE_BITS-1:0] position_lanes;
  wire position_valid, position_exists, position_wide, position_sum, position_clear, word_valid;
  wire [`DUPLEX_LANE_BITS:0] position;
  wire [8*`DUPLEX_WORD_BYTES-1:0] word;
  // Scores
  wire write, read, maximum_valid, maximum_ready, score_busy;
  wire [9:0] write_address, read_address;
  wire writer_valid, writer_ready, writer_read, writer_done, writer_known;
  wire [9:0] writer_from, writer_address;
  wire [10:0] writer_words;
  wire [RECORD_MAXIMA-1:0] maximum, own_maximum;
  wire own_valid, own_ready, own_back, own_below, own_above;
  reg [RECORD_MAXIMA-1:0] maximum_q;  // of the pair whose weights are made
  wire [RECORD_LS-1:0] l;
  reg active_q;
  reg [2:0] unwritten_q;       // segments whose scores have still to reach the DRAM
  reg [2:0] rows_open_q;       // pairs' results that have a place and whose last row has still to come
  // rows of results between the GEMM module and the result buffer or the member above
  reg [7:0] rows_q;

  wire push = segment_valid_i && slots_i != 9'd0;
  attention_queue queue (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(push),
    .descriptor_i(descriptor_i),
    .slots_i(slots_i),
    .member_i(member_i),
    .room_o(room_o),
    .next_o(next),
    .score_index_i(score_index),
    .score_mode_o(score_mode),
    .score_first_o(score_first),
    .score_words_o(score_words),
    .oldest_i(oldest),
    .oldest_mode_o(oldest_mode),
    .index_i(index),
    .segment_o(segment)
  );

  attention_sequencer sequencer (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .score_index_o(score_index),
    .oldest_o(oldest),
    .index_o(index),
    .next_i(next),
    .score_mode_i(score_mode),
    .score_first_i(score_first),
    .score_words_i(score_words),
    .oldest_mode_i(oldest_mode),
    .segment_i(segment),
    .joined_i(joined),
    .read_valid_o(read_valid_o),
    .read_ready_i(read_ready_i),
    .read_o(read_o),
    .pass_valid_o(pass_valid),
    .pass_ready_i(pass_ready),
    .stream_pass_o(next_stream_pass),
    .tiles_pass_o(next_tiles_pass),
    .write_valid_o(writer_valid),
    .write_ready_i(writer_ready),
    .write_address_o(writer_from),
    .write_words_o(writer_words),
    .write_done_i(writer_done),
    .write_taken_o(writer_known),
    .unwritten_i(unwritten_q != 3'd0),
    .rows_open_i(rows_open_q != 3'd0),
    .result_valid_o(result_valid),
    .result_ready_i(result_ready),
    .result_o(next_result),
    .busy_o(sequencer_busy)
  );

  assign pass_ready = stream_pass_ready && tiles_pass_ready;
  fifo #(
    .WIDTH(STREAM_PASS_BITS),
    .DEPTH(4)
  ) stream_passes (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(pass_valid),
    .ready_o(stream_pass_ready),
    .data_i(next_stream_pass),
    .valid_o(stream_valid),
    .ready_i(stream_ready),
    .data_o(stream_pass)
  );
  fifo #(
    .WIDTH(TILES_PASS_BITS),
    .DEPTH(4)
  ) tiles_passes (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(pass_valid && {1'b0, next_tiles_pass.kind} != `DUPLEX_PASS_RELOAD),
    .ready_o(tiles_pass_ready),
    .data_i(next_tiles_pass),
    .valid_o(tiles_valid),
    .ready_i(tiles_ready),
    .data_o(tiles_pass)
  );
  fifo #(
    .WIDTH(RESULT_PLACE_BITS),
    .DEPTH(4)
  ) results (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(result_valid),
    .ready_o(result_ready),
    .data_i(next_result),
    .valid_o(result_valid_o),
    .ready_i(result_ready_i),
    .data_o(result_o)
  );

  attention_stream stream (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .pass_valid_i(stream_valid),
    .pass_ready_o(stream_ready),
    .pass_i(stream_pass),
    .score_start_o(score_start),
    .score_ready_i(score_ready),
    .score_empty_i(score_empty),
    .load_valid_o(load_valid),
    .load_upper_o(load_upper),
    .load_end_o(load_end),
    .weight_valid_i(weight_valid_i),
    .weight_pop_o(weight_pop_o),
    .q_write_o(q_write),
    .q_address_o(q_write_address),
    .q_done_o(q_done),
    .beat_valid_o(beat_valid_o),
    .beat_ready_i(beat_ready_i),
    .beat_o(beat_o),
    .sum_score_o(sum_score),
    .sum_end_o(sum_end),
    .sum_wide_o(sum_wide),
    .sum_below_o(sum_below),
    .sum_above_o(sum_above),
    .below_there_i(below_there),
    .above_room_i(above_room),
    .take_o(take),
    .give_o(give),
    .room_i(room_i),
    .row_o(room_row_o),
    .row_place_o(room_place_o),
    .l_done_o(l_done),
    .busy_o(stream_busy),
    .stalls_o(stalls_o)
  );

  ram_1r1w #(
    .WIDTH(8*`DUPLEX_BEAT_BYTES),
    .DEPTH(`DUPLEX_Q_WORDS / 2)
  ) q_ram (
    .clk_i(clk_i),
    .write_i(q_write),
    .write_address_i(q_write_address),
    .write_data_i(weight_i),
    .read_address_i(q_read_address),
    .read_data_o(q_data)
  );

  attention_tiles tiles (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .pass_valid_i(tiles_valid),
    .pass_ready_o(tiles_ready),
    .pass_i(tiles_pass),
    .q_done_i(q_done),
    .q_address_o(q_read_address),
    .q_data_i(q_data),
    .write_i(write),
    .read_o(read),
    .read_address_o(read_address),
    .maximum_valid_i(maximum_valid),
    .maximum_ready_o(maximum_ready),
    .position_valid_o(position_valid),
    .position_exists_o(position_exists),
    .position_o(position),
    .lanes_o(position_lanes),
    .wide_o(position_wide),
    .sum_o(position_sum),
    .clear_o(position_clear),
    .word_valid_i(word_valid),
    .word_i(word),
    .l_done_i(l_done),
    .tile_valid_o(tile_valid_o),
    .tile_ready_i(tile_ready_i),
    .tile_o(tile_o),
    .busy_o(tiles_busy)
  );

  score_path score_path (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(score_start),
    .ready_o(score_ready),
    .lanes_i(stream_pass.lanes),
    .mask_i(stream_pass.mask),
    .first_i(stream_pass.first),
    .last_i(stream_pass.last),
    .store_i(stream_pass.store),
    .scale_i(stream_pass.scale),
    .back_i(stream_pass.back),
    .below_i(stream_pass.has_below),
    .above_i(stream_pass.has_above),
    .sum_valid_i(sum_valid_i && sum_score && active_q),
    .sum_end_i(sum_end),
    .f32_i(f32_i),
    .write_valid_o(write),
    .write_address_o(write_address),
    .write_data_o(score_o.data),
    .maximum_valid_o(own_valid),
    .maximum_ready_i(own_ready),
    .maximum_o(own_maximum),
    .maximum_back_o(own_back),
    .maximum_below_o(own_below),
    .maximum_above_o(own_above),
    .joined_valid_i(joined),
    .joined_i(maximum),
    .load_valid_i(load_valid),
    .load_i(load_upper ? weight_i[8*`DUPLEX_WORD_BYTES +: 8*`DUPLEX_WORD_BYTES]
        : weight_i[8*`DUPLEX_WORD_BYTES-1:0]),
    .load_end_i(load_end),
    .empty_o(score_empty),
    .stored_o(stored),
    .busy_o(score_busy)
  );
  score_writer score_writer (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(writer_valid),
    .ready_o(writer_ready),
    .address_i(writer_from),
    .words_i(writer_words),
    .stored_i(stored),
    .slice_busy_i(write || read),
    .read_o(writer_read),
    .address_o(writer_address),
    .room_i(room_i),
    .word_valid_o(word_valid_o),
    .word_end_o(word_end_o),
    .done_o(writer_done),
    .known_i(writer_known)
  );
  maximum_join maximum_join (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .own_valid_i(own_valid),
    .own_ready_o(own_ready),
    .own_i(own_maximum),
    .back_i(own_back),
    .below_i(own_below),
    .above_i(own_above),
    .up_valid_i(below_i.maximum_valid),
    .up_ready_o(below_o.maximum_ready),
    .up_i(below_maximum_i),
    .up_valid_o(above_o.maximum_valid),
    .up_ready_i(above_i.maximum_ready),
    .down_valid_i(above_i.final_valid),
    .down_ready_o(above_o.final_ready),
    .down_i(above_maximum_i),
    .down_valid_o(below_o.final_valid),
    .down_ready_i(below_i.final_ready),
    .link_o(maximum_o),
    .maximum_valid_o(maximum_valid),
    .maximum_ready_i(maximum_ready),
    .maximum_o(maximum),
    .back_o(joined)
  );
  always @(posedge clk_i) if (maximum_ready) maximum_q <= maximum;

  probability_path probability_path (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(position_valid),
    .exists_i(position_exists),
    .position_i(position),
    .lanes_i(position_lanes),
    .wide_i(position_wide),
    .sum_i(position_sum),
    .clear_i(position_clear),
    .word_i(score_read_data_i),
    .maximum_i(maximum_q),
    .word_valid_o(word_valid),
    .word_o(word),
    .l_o(l)
  );

  wire [`DUPLEX_LANES-1:0] row_nan;
  genvar lane;
  generate
    for (lane = 0; lane < `DUPLEX_LANES; lane = lane + 1) begin : g_nan
      assign row_nan[lane] = &maximum_q[32*lane + 23 +: 8];
    end
  endgenerate
  wire row = sum_valid_i && !sum_score && active_q;
  wire joined_row, joined_end, joined_wide;
  wire [`DUPLEX_LANES-1:0] joined_nan;
  attention_join attention_join (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .take_i(take),
    .give_i(give),
    .below_there_o(below_there),
    .above_room_o(above_room),
    .valid_i(row),
    .end_i(sum_end),
    .below_i(sum_below),
    .above_i(sum_above),
    .sum_i(sum_i),
    .flags_i(flags_i),
    .l_i(l),
    .row_nan_i(row_nan),
    .up_valid_i(below_i.row_valid),
    .up_first_i(below_i.row_first),
    .up_sum_i(below_i.sum),
    .up_flags_i(below_i.flags),
    .up_l_i(below_i.l),
    .up_taken_o(below_o.row_taken),
    .up_valid_o(above_o.row_valid),
    .up_first_o(above_o.row_first),
    .up_taken_i(above_i.row_taken),
    .quotient_valid_o(joined_row),
    .end_o(joined_end),
    .sum_o(above_o.sum),
    .flags_o(above_o.flags),
    .l_o(above_o.l),
    .row_nan_o(joined_nan)
  );
  // beside attention_join
  delay_line #(
    .WIDTH(1),
    .CLOCKS(2)
  ) wides (
    .clk_i(clk_i),
    .data_i(sum_wide),
    .data_o(joined_wide)
  );
  attention_quotient quotient (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .sum_valid_i(joined_row),
    .sum_end_i(joined_end),
    .wide_i(joined_wide),
    .sum_i(above_o.sum),
    .flags_i(above_o.flags),
    .l_i(above_o.l),
    .row_nan_i(joined_nan),
    .row_valid_o(row_valid_o),
    .row_end_o(row_end_o),
    .row_o(row_o)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      rows_q <= 8'd0;
      unwritten_q <= 3'd0;
      rows_open_q <= 3'd0;
    end else begin
      active_q <= push || (active_q && !job_valid_i);
      unwritten_q <= unwritten_q + {2'd0, writer_valid} - {2'd0, scores_written_i};
      rows_open_q <= rows_open_q + {2'd0, result_valid && !writer_valid} - {2'd0, row_valid_o && row_end_o};
      rows_q <= rows_q + {7'd0, room_row_o || give} - {7'd0, row_valid_o} - {7'd0, above_o.row_valid};
    end
  end

  assign word_reserve_o = writer_read;
  assign score_o.valid = write || read || writer_read;
  assign score_o.write = write;
  assign score_o.address = write ? write_address : read ? read_address : writer_address;
  assign active_o = active_q;
  assign beats_o = stream_busy;
  assign busy_o = sequencer_busy || stream_valid || stream_busy || tiles_valid || tiles_busy || score_busy ||
      rows_q != 8'd0 || result_valid_o || unwritten_q != 3'd0;
endmodule
`default_nettype wire
