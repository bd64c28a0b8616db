// SPDX-License-Identifier: Apache-2.0
// One channel: bundle controller, weight FIFO, GEMM module, drain, result buffer, write path, and its ports
// to broadcast and result bus (docs/architecture.md, "The way of one GEMM descriptor").
// A job starts with `job_valid_i` (one clock), after `share_valid_i` has brought this channel's share of it;
// the other job fields hold until the next job's start. The front (reading, multiplying) takes one job at a
// time; what it made may still be on its way when the next job starts: for HANDOVER clocks the drain goes on
// with the older one, words carry the parity of their job, and the back (write path, bus port) turns to the
// next job when the words of the older one have left. So a job may start when `front_busy_o` is low, and
// `older_busy_o` of the job before.
// A channel without rows or tiles only drops the broadcast's tiles.
// Segments of attention come with `segment_valid_i`, after their share, while no job is at work;
// rtl/attention does them with the same bundle controller, GEMM module, drain and write path (unit_share.v).
// Records (rtl/common/duplex_records.vh) are plain vectors at these ports, and records inside.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module channel (
  input wire clk_i,
  input wire rst_ni,
  // Bundles (rtl/dram/bundle_controller.v)
  input wire [3:0] owner_i,
  output wire [3:0] open_o,
  input wire strict_i,
  input wire [3:0] xpu_row_request_i,
  output wire [3:0] xpu_row_grant_o,
  input wire [3:0] xpu_ref_i,
  // Job
  input wire share_valid_i,
  input wire [23:0] share_count_i,        // rows (GEMM) or tiles (LOAD) of this channel
  input wire [16:0] share_tag_i,          // shared-buffer address of the first result, 16-byte units
  input wire job_valid_i,
  input wire [JOB_BITS-1:0] job_i,        // job_t
  // Attention
  input wire segment_valid_i,
  input wire [511:0] segment_i,           // descriptor
  output wire segment_room_o,
  // This channel's slice of the shared buffer (rtl/control/shared_buffer.v)
  output wire [SCORE_ACCESS_BITS-1:0] score_o,  // score_access_t
  input wire [RECORD_WORD-1:0] score_read_data_i,
  // Members of a KV head that is spread over several channels (rtl/attention/attention.v)
  input wire [LINK_UP_BITS-1:0] below_i,        // link_up_t
  input wire [RECORD_MAXIMA-1:0] below_maximum_i,
  output wire [LINK_DOWN_BITS-1:0] below_o,     // link_down_t
  output wire [LINK_UP_BITS-1:0] above_o,
  input wire [LINK_DOWN_BITS-1:0] above_i,
  input wire [RECORD_MAXIMA-1:0] above_maximum_i,
  output wire [RECORD_MAXIMA-1:0] maximum_o,    // for both
  // State
  output wire front_busy_o,
  output wire older_busy_o,               // words of the job before the last one have still to leave
  output wire busy_o,
  // Broadcast
  input wire word_valid_i,
  output wire word_ready_o,
  input wire [RECORD_WORD-1:0] word_i,
  // Result bus (rtl/control/result_bus.v)
  output wire bus_valid_o,
  output wire bus_load_o,
  output wire bus_interleaved_o,
  input wire bus_ready_i,
  // One clock after bus_valid_o and bus_ready_i
  output wire [RECORD_WORD-1:0] bus_data_o,
  output wire [BUS_TAG_BITS-1:0] bus_tag_o,     // bus_tag_t
  // Counters
  input wire [7:0] performance_select_i,
  output wire [63:0] performance_value_o,
  // DRAM pins
  output wire [0:0] dram_row_valid_o,
  output wire [1:0] dram_row_command_o,
  output wire [1:0] dram_row_bundle_o,
  output wire [7:0] dram_row_mask_o,
  output wire [13:0] dram_row_address_o,
  output wire [0:0] dram_column_valid_o,
  output wire [0:0] dram_column_write_o,
  output wire [1:0] dram_column_bundle_o,
  output wire [7:0] dram_column_mask_o,
  output wire [`DUPLEX_COLUMN_BITS-1:0] dram_column_address_o,
  output wire [8*`DUPLEX_BEAT_BYTES-1:0] dram_write_data_o,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] dram_read_data_i
);
  localparam READ_CREDITS = 32;
  localparam [1:0] F32 = `DUPLEX_RESULT_FORMAT_F32;

  wire job_t job = job_i;
  reg [23:0] share_count_q, count_q;
  reg [16:0] share_tag_q, tag_q;
  wire gemm_start = job_valid_i && !job.load;
  wire load_start = job_valid_i && job.load;
  wire [1:0] format = job.bus ? F32 : job.format;  // the activation unit takes binary32
  reg [1:0] drain_format_q;
  reg drain_parity_q;                              // of the job whose results the drain makes

  // The shared units, as unit_share gives them away
  wire read_valid, read_ready, read_beat_valid, read_credit, controller_idle, column_read;
  wire read_request_t read;
  wire [8*`DUPLEX_BEAT_BYTES-1:0] read_beat, weight;
  wire weight_valid, weight_pop, weight_leave;
  wire tile_valid, tile_ready, beat_valid, beat_ready, sum_valid;
  wire tile_t tile;
  wire beat_t beat;
  wire [RECORD_ROW-1:0] unused_sum_row;
  wire [RECORD_SUMS-1:0] sum;
  wire [RECORD_FLAGS-1:0] sum_flags;
  wire [1:0] drain_format, room_format, room_place;
  wire [7:0] drain_exponent;
  wire room, room_row, room_word, free_room, scarce, no_words;
  wire push_valid, result_valid, result_pop;
  wire result_word_t push_word, result_word;
  wire place_valid;
  wire result_place_t place;
  wire write_ready_word, write_valid, write_ready, write_busy, write_done;
  wire [16+`DUPLEX_COLUMN_BITS-1:0] write_column;
  wire [3:0] write_stripe;
  wire [8*`DUPLEX_COLUMN_BYTES-1:0] write_data;
  // GEMM and LOAD
  wire gemm_read_valid, request_busy, stream_pop, stream_leave, stream_mark, stream_rewind, load_pop;
  wire read_request_t gemm_read;
  wire gemm_tile_valid, gemm_beat_valid, gemm_sum_valid, stream_busy, load_busy, row_last, sum_end;
  wire tile_t gemm_tile;
  wire beat_t gemm_beat;
  wire stalls_t gemm_stalls;
  wire [1:0] row_place;
  wire [7:0] exponent;
  wire drain_valid, load_valid, load_reserve, bus_ready_word, bus_busy;
  wire bus_word_t drain_word;
  wire [RECORD_WORD-1:0] load_word;
  wire result_place_t gemm_place;
  wire bus_word_t bus_word;
  wire bus_tag_t bus_tag;
  reg front_q, back_q, back_bus_q, back_start_q;   // parities of the front's and the back's job
  // Attention
  wire a_active, a_busy, a_read_valid, a_pop, a_tile_valid, a_beats, a_beat_valid;
  wire read_request_t a_read;
  wire tile_t a_tile;
  wire beat_t a_beat;
  wire stalls_t a_stalls;
  wire [32*`DUPLEX_LANES-1:0] rounded;
  wire [16*`DUPLEX_LANES-1:0] a_row;
  wire a_row_valid, a_row_end, a_room_row, a_result_valid, a_result_start;
  wire [1:0] a_room_place;
  wire a_word_reserve, a_word_valid, a_word_end;
  wire result_place_t a_result;
  reg a_open_q, a_scores_q;       // the write path has the place of a pair's results, of scores

  assign gemm_read.stripe = job.src_stripe;
  assign gemm_tile.p16 = 1'b0;
  assign gemm_beat.mask = {`DUPLEX_LANES{1'b1}};
  assign gemm_place.scores = 1'b0;
  assign gemm_place.stripe = job.dst_stripe;
  assign gemm_place.column = {job.dst_base, {`DUPLEX_COLUMN_BITS{1'b0}}};
  unit_share unit_share (
    .attention_i(a_active),
    .gemm_read_valid_i(gemm_read_valid),
    .gemm_read_i(gemm_read),
    .attention_read_valid_i(a_read_valid),
    .attention_read_i(a_read),
    .read_valid_o(read_valid),
    .read_o(read),
    .stream_pop_i(stream_pop),
    .stream_leave_i(stream_leave),
    .load_pop_i(load_pop),
    .attention_pop_i(a_pop),
    .weight_pop_o(weight_pop),
    .weight_leave_o(weight_leave),
    .gemm_tile_valid_i(gemm_tile_valid),
    .gemm_tile_i(gemm_tile),
    .attention_tile_valid_i(a_tile_valid),
    .attention_tile_i(a_tile),
    .tile_valid_o(tile_valid),
    .tile_o(tile),
    .attention_beats_i(a_beats),
    .gemm_beat_valid_i(gemm_beat_valid),
    .gemm_beat_i(gemm_beat),
    .attention_beat_valid_i(a_beat_valid),
    .attention_beat_i(a_beat),
    .beat_valid_o(beat_valid),
    .beat_o(beat),
    .sum_valid_i(sum_valid),
    .gemm_sum_valid_o(gemm_sum_valid),
    .gemm_drain_format_i(drain_format_q),
    .drain_format_o(drain_format),
    .gemm_exponent_i(exponent),
    .exponent_o(drain_exponent),
    .gemm_format_i(format),
    .room_format_o(room_format),
    .gemm_row_i(row_last),
    .gemm_row_place_i(row_place),
    .attention_row_i(a_room_row),
    .attention_row_place_i(a_room_place),
    .row_o(room_row),
    .row_place_o(room_place),
    .load_reserve_i(load_reserve),
    .attention_reserve_i(a_word_reserve),
    .reserve_o(room_word),
    .parity_i(drain_parity_q),
    .drain_valid_i(drain_valid),
    .drain_word_i(drain_word),
    .load_valid_i(load_valid),
    .load_word_i(load_word),
    .score_valid_i(a_word_valid),
    .score_end_i(a_word_end),
    .score_word_i(score_read_data_i),
    .word_valid_o(push_valid),
    .word_o(push_word),
    .gemm_place_valid_i(back_start_q),
    .gemm_place_i(gemm_place),
    .attention_place_valid_i(a_result_start),
    .attention_place_i(a_result),
    .place_valid_o(place_valid),
    .place_o(place)
  );

  stream_request stream_request (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(job_valid_i),
    .load_i(job.load),
    .count_i(share_count_q),
    .base_i(job.src_base),
    .stride_i(job.src_stride),
    .k_tiles_i(job.k_tiles),
    .block_rows_i(job.block_rows),
    .skip_rows_i(job.skip_rows),
    .exponents_i(job.exponents),
    .two_streams_i(job.two_streams),
    .read_valid_o(gemm_read_valid),
    .read_ready_i(read_ready),
    .read_base_o(gemm_read.base),
    .read_columns_o(gemm_read.columns),
    .read_runs_o(gemm_read.runs),
    .busy_o(request_busy)
  );

  bundle_controller #(.READ_CREDITS(READ_CREDITS)) bundle_controller (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .owner_i(owner_i),
    .open_o(open_o),
    .strict_i(strict_i),
    .xpu_row_request_i(xpu_row_request_i),
    .xpu_row_grant_o(xpu_row_grant_o),
    .xpu_ref_i(xpu_ref_i),
    .read_valid_i(read_valid),
    .read_ready_o(read_ready),
    .read_base_i(read.base),
    .read_stripe_i(read.stripe),
    .read_columns_i(read.columns),
    .read_runs_i(read.runs),
    .read_beat_valid_o(read_beat_valid),
    .read_beat_o(read_beat),
    .read_credit_i(read_credit),
    .write_valid_i(write_valid),
    .write_urgent_i(scarce || older_busy_o),
    .write_now_i(no_words),
    .write_ready_o(write_ready),
    .write_column_i(write_column),
    .write_stripe_i(write_stripe),
    .write_data_i(write_data),
    .idle_o(controller_idle),
    .dram_row_valid_o(dram_row_valid_o),
    .dram_row_command_o(dram_row_command_o),
    .dram_row_bundle_o(dram_row_bundle_o),
    .dram_row_mask_o(dram_row_mask_o),
    .dram_row_address_o(dram_row_address_o),
    .dram_column_valid_o(dram_column_valid_o),
    .dram_column_write_o(dram_column_write_o),
    .dram_column_bundle_o(dram_column_bundle_o),
    .dram_column_mask_o(dram_column_mask_o),
    .dram_column_address_o(dram_column_address_o),
    .dram_write_data_o(dram_write_data_o),
    .dram_read_data_i(dram_read_data_i)
  );

  weight_fifo #(.COLUMNS(READ_CREDITS)) weight_fifo (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .beat_valid_i(read_beat_valid),
    .beat_i(read_beat),
    .valid_o(weight_valid),
    .data_o(weight),
    .pop_i(weight_pop),
    .leave_i(weight_leave),
    .mark_i(stream_mark),
    .rewind_i(stream_rewind),
    .credit_o(read_credit),
    .column_o(column_read)
  );

  weight_stream weight_stream (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(gemm_start),
    .rows_i(share_count_q),
    .k_tiles_i(job.k_tiles),
    .block_rows_i(job.block_rows),
    .two_groups_i(job.two_groups),
    .two_streams_i(job.two_streams),
    .exponents_i(job.exponents),
    .group_words_i(job.bus),
    .weight_valid_i(weight_valid),
    .header_i(weight[8*`DUPLEX_WORD_BYTES-1:0]),
    .weight_pop_o(stream_pop),
    .weight_leave_o(stream_leave),
    .weight_mark_o(stream_mark),
    .weight_rewind_o(stream_rewind),
    .beat_valid_o(gemm_beat_valid),
    .beat_ready_i(beat_ready),
    .beat_row_o(gemm_beat.row),
    .beat_first_o(gemm_beat.first),
    .beat_last_o(gemm_beat.last),
    .beat_release_o(gemm_beat.ends_tile),
    .room_i(room),
    .row_o(row_last),
    .row_place_o(row_place),
    .sum_valid_i(gemm_sum_valid),
    .exponent_o(exponent),
    .end_o(sum_end),
    .busy_o(stream_busy),
    .starved_o(gemm_stalls.starved),
    .no_tile_o(gemm_stalls.no_tile),
    .no_room_o(gemm_stalls.no_room)
  );

  tile_gate tile_gate (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(gemm_start),
    .rows_i(share_count_q),
    .k_tiles_i(job.k_tiles),
    .block_rows_i(job.block_rows),
    .two_groups_i(job.two_groups),
    .word_valid_i(word_valid_i),
    .word_ready_o(word_ready_o),
    .word_i(word_i),
    .tile_valid_o(gemm_tile_valid),
    .tile_ready_i(tile_ready),
    .tile_data_o(gemm_tile.data)
  );

  gemm gemm (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .tile_valid_i(tile_valid),
    .tile_ready_o(tile_ready),
    .tile_data_i(tile.data),
    .tile_p16_i(tile.p16),
    .beat_valid_i(beat_valid),
    .beat_ready_o(beat_ready),
    .beat_data_i(weight),
    .beat_row_i(beat.row),
    .beat_first_i(beat.first),
    .beat_last_i(beat.last),
    .beat_release_i(beat.ends_tile),
    .beat_mask_i(beat.mask),
    .sum_valid_o(sum_valid),
    .sum_row_o(unused_sum_row),
    .sum_o(sum),
    .sum_flags_o(sum_flags)
  );

  drain drain (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .format_i(drain_format),
    .sum_valid_i(gemm_sum_valid),
    .sum_i(sum),
    .flags_i(sum_flags),
    .exponent_i(drain_exponent),
    .end_i(sum_end),
    .row_valid_i(a_row_valid),
    .row_end_i(a_row_end),
    .row_i(a_row),
    .f32_o(rounded),
    .word_valid_o(drain_valid),
    .word_o(drain_word.data),
    .word_end_o(drain_word.ends),
    .word_single_o(drain_word.single)
  );

  load_path load_path (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(load_start),
    .tiles_i(share_count_q[10:0]),
    .weight_valid_i(weight_valid),
    .weight_i(weight),
    .weight_pop_o(load_pop),
    .room_i(room),
    .reserve_o(load_reserve),
    .word_valid_o(load_valid),
    .word_o(load_word),
    .busy_o(load_busy)
  );

  reg [4:0] handover_q;
  assign room = free_room && handover_q == 5'd0;
  result_room result_room (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .format_i(room_format),
    .row_i(room_row),
    .row_place_i(room_place),
    .word_i(room_word),
    .free_i(result_pop),
    .room_o(free_room),
    .scarce_o(scarce),
    .none_o(no_words)
  );

  result_buffer result_buffer (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(push_valid),
    .word_i(push_word),
    .valid_o(result_valid),
    .word_o(result_word),
    .pop_i(result_pop)
  );
  wire back_valid = result_valid && result_word.parity == back_q && !back_start_q;
  wire to_bus = back_bus_q && !a_active;
  wire to_write = a_active ? a_open_q : !back_bus_q;
  assign result_pop = back_valid && (to_bus ? bus_ready_word : write_ready_word && to_write);

  write_path write_path (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(place_valid),
    .column_i(place.column),
    .stride_i(job.dst_stride),
    .stripe_i(place.stripe),
    .word_valid_i(back_valid && to_write),
    .word_ready_o(write_ready_word),
    .word_i(result_word.data),
    .word_end_i(result_word.ends),
    .write_valid_o(write_valid),
    .write_ready_i(write_ready),
    .write_column_o(write_column),
    .write_stripe_o(write_stripe),
    .write_data_o(write_data),
    .done_o(write_done),
    .busy_o(write_busy)
  );

  assign bus_word.ends = result_word.ends;
  assign bus_word.single = result_word.single;
  assign bus_word.data = result_word.data;
  wire [24:0] bus_rows = job.load
      ? {{(13 - `DUPLEX_TILE_WORD_BITS) {1'b0}}, count_q[10:0], {(`DUPLEX_TILE_WORD_BITS + 1) {1'b0}}}
      : job.two_groups ? {count_q, 1'b0}
      : {1'b0, count_q};
  bus_port bus_port (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(back_start_q),
    .kind_i({job.load, job.load ? job.to_table : job.gated}),
    .tag_i(tag_q),
    .rows_i(bus_rows),
    .interleaved_i(job.interleaved),
    .word_step_i(job.word_step),
    .two_groups_i(job.two_groups),
    .group_i(job.dst_group),
    .step_i(job.tile_step),
    .word_valid_i(back_valid && to_bus),
    .word_ready_o(bus_ready_word),
    .word_i(bus_word),
    .valid_o(bus_valid_o),
    .load_o(bus_load_o),
    .interleaved_o(bus_interleaved_o),
    .ready_i(bus_ready_i),
    .data_o(bus_data_o),
    .tag_o(bus_tag.unit),
    .kind_o(bus_tag.kind),
    .single_o(bus_tag.single),
    .last_o(bus_tag.last),
    .in_turn_o(bus_tag.in_turn),
    .busy_o(bus_busy)
  );
  assign bus_tag.parity = back_q;
  assign bus_tag_o = bus_tag;

  performance performance (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .event_i({gemm_stalls | a_stalls, beat_valid && beat_ready, write_valid && write_ready, column_read,
        sum_valid}),
    .select_i(performance_select_i),
    .value_o(performance_value_o)
  );

  attention attention (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .segment_valid_i(segment_valid_i),
    .descriptor_i(segment_i),
    .slots_i(share_count_q[8:0]),
    .member_i(share_tag_q[4:0]),
    .room_o(segment_room_o),
    .job_valid_i(job_valid_i),
    .active_o(a_active),
    .busy_o(a_busy),
    .read_valid_o(a_read_valid),
    .read_ready_i(read_ready),
    .read_o(a_read),
    .weight_valid_i(weight_valid),
    .weight_i(weight),
    .weight_pop_o(a_pop),
    .tile_valid_o(a_tile_valid),
    .tile_ready_i(tile_ready),
    .tile_o(a_tile),
    .beats_o(a_beats),
    .beat_valid_o(a_beat_valid),
    .beat_ready_i(beat_ready),
    .beat_o(a_beat),
    .sum_valid_i(sum_valid),
    .sum_i(sum),
    .flags_i(sum_flags),
    .f32_i(rounded),
    .row_valid_o(a_row_valid),
    .row_end_o(a_row_end),
    .row_o(a_row),
    .room_i(room),
    .room_row_o(a_room_row),
    .room_place_o(a_room_place),
    .result_valid_o(a_result_valid),
    .result_ready_i(a_result_start),
    .result_o(a_result),
    .scores_written_i(write_done && a_open_q && a_scores_q),
    .word_reserve_o(a_word_reserve),
    .word_valid_o(a_word_valid),
    .word_end_o(a_word_end),
    .score_o(score_o),
    .score_read_data_i(score_read_data_i),
    .below_i(below_i),
    .below_maximum_i(below_maximum_i),
    .below_o(below_o),
    .above_o(above_o),
    .above_i(above_i),
    .above_maximum_i(above_maximum_i),
    .maximum_o(maximum_o),
    .stalls_o(a_stalls)
  );
  assign a_result_start = a_active && a_result_valid && !a_open_q;
  always @(posedge clk_i) begin
    a_open_q <= rst_ni && (a_result_start || (a_open_q && !write_done));
    if (a_result_start) a_scores_q <= place.scores;
  end

  // The front: work moves from left to right, and each part says that it is busy one clock at most after it
  // was handed some. After the last beat or word HANDOVER clocks bring the results into the result buffer and
  // to its output.
  localparam [4:0] HANDOVER = 5'd16;
  reg [4:0] tail_q;
  reg moving_q;
  wire moving = job_valid_i || request_busy || stream_busy || load_busy;
  wire drains_on = handover_q != 5'd0;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      moving_q <= 1'b0;
      tail_q <= 5'd0;
      handover_q <= 5'd0;
      drain_parity_q <= 1'b0;
    end else begin
      moving_q <= moving;
      tail_q <= moving ? HANDOVER : tail_q == 5'd0 ? 5'd0 : tail_q - 5'd1;
      handover_q <= job_valid_i ? HANDOVER : drains_on ? handover_q - 5'd1 : 5'd0;
      if (handover_q == 5'd1) drain_parity_q <= front_q;
    end
    if (handover_q == 5'd1) drain_format_q <= format;
  end
  assign front_busy_o = moving || moving_q;

  // The back: the next job when nothing of its own one is left. A word that leaves the buffer is seen in a
  // port one clock later.
  reg popped_q, left_q;
  wire left = back_start_q || back_valid || popped_q || write_busy || bus_busy || write_valid;
  wire turns = front_q != back_q && !drains_on && !left && !left_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      front_q <= 1'b0;
      back_q <= 1'b0;
      back_start_q <= 1'b0;
      popped_q <= 1'b0;
      left_q <= 1'b0;
    end else begin
      if (job_valid_i) front_q <= !front_q;
      back_start_q <= turns;
      if (turns) back_q <= front_q;
      popped_q <= result_pop;
      left_q <= left;
    end
    if (share_valid_i) begin
      share_count_q <= share_count_i;
      share_tag_q <= share_tag_i;
    end
    if (job_valid_i) begin
      count_q <= share_count_q;
      tag_q <= share_tag_q;
    end
    if (back_start_q) back_bus_q <= job.bus;
  end
  assign older_busy_o = front_q != back_q || back_start_q;
  assign busy_o = front_busy_o || tail_q != 5'd0 || older_busy_o || left || left_q || a_busy || a_open_q ||
      !controller_idle;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert ($onehot0({drain_valid, load_valid, a_word_valid}));
      assert ($onehot0({back_start_q, a_result_start}));
      assert ($onehot0({gemm_read_valid, a_read_valid}));
    end
  end
`endif
endmodule
`default_nettype wire
