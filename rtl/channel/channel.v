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
// rtl/attention does them with the same bundle controller, GEMM module, drain and write path.
`default_nettype none
`include "duplex_params.vh"
module channel (
  input wire clk_i,
  input wire rst_ni,
  // Bundles (rtl/dram/bundle_controller.v)
  input wire [3:0] owner_i,
  output wire [3:0] open_o,
  input wire strict_i,
  input wire [1:0] xpu_act_request_i,
  output wire [1:0] xpu_act_grant_o,
  input wire [3:0] xpu_ref_i,
  // Job
  input wire share_valid_i,
  input wire [23:0] share_count_i,        // rows (GEMM) or tiles (LOAD) of this channel
  input wire [16:0] share_tag_i,          // shared-buffer address of the first result, 16-byte units
  input wire job_valid_i,
  input wire job_load_i,
  input wire job_table_i,                 // LOAD: to the activation table
  input wire [15:0] job_src_base_i,
  input wire [3:0] job_src_stripe_i,
  input wire [15:0] job_src_stride_i,
  input wire [10:0] job_k_tiles_i,
  input wire [`DUPLEX_ROW_BITS:0] job_block_rows_i,
  input wire job_two_groups_i,
  input wire job_two_streams_i,
  input wire job_exponents_i,
  input wire [1:0] job_format_i,
  input wire job_bus_i,                   // results go over the result bus, else to DRAM
  input wire job_gated_i,
  input wire [15:0] job_dst_group_i,
  input wire [15:0] job_dst_base_i,
  input wire [3:0] job_dst_stripe_i,
  input wire [15:0] job_dst_stride_i,
  input wire [12:0] job_step_i,           // LOAD: address from a tile's last word to this channel's next tile
  // Attention
  input wire segment_valid_i,
  input wire [511:0] segment_i,           // descriptor
  output wire segment_room_o,
  // this channel's slice of the shared buffer (rtl/control/shared_buffer.v)
  output wire score_valid_o,
  output wire score_write_o,
  output wire [9:0] score_address_o,
  output wire [8*`DUPLEX_WORD_BYTES-1:0] score_write_data_o,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] score_read_data_i,
  // Members of a KV head that is spread over several channels (rtl/attention/attention.v)
  input wire below_maximum_valid_i,
  output wire below_maximum_ready_o,
  input wire [32*`DUPLEX_LANES-1:0] below_maximum_i,
  output wire below_final_valid_o,
  input wire below_final_ready_i,
  input wire below_row_valid_i,
  input wire below_row_first_i,
  input wire [`DUPLEX_LANES*`DUPLEX_SUM_BITS-1:0] below_sum_i,
  input wire [`DUPLEX_LANES*3-1:0] below_flags_i,
  input wire [57*`DUPLEX_LANES-1:0] below_l_i,
  output wire below_taken_o,
  output wire above_maximum_valid_o,
  input wire above_maximum_ready_i,
  input wire above_final_valid_i,
  output wire above_final_ready_o,
  input wire [32*`DUPLEX_LANES-1:0] above_final_i,
  output wire above_row_valid_o,
  output wire above_row_first_o,
  output wire [`DUPLEX_LANES*`DUPLEX_SUM_BITS-1:0] above_sum_o,
  output wire [`DUPLEX_LANES*3-1:0] above_flags_o,
  output wire [57*`DUPLEX_LANES-1:0] above_l_o,
  input wire above_taken_i,
  output wire [32*`DUPLEX_LANES-1:0] maximum_o,
  output wire front_busy_o,
  output wire older_busy_o,               // words of the job before the last one have still to leave
  output wire busy_o,
  // Broadcast
  input wire word_valid_i,
  output wire word_ready_o,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] word_i,
  // Result bus (rtl/control/result_bus.v)
  output wire bus_valid_o,
  output wire bus_load_o,
  input wire bus_ready_i,
  output wire [8*`DUPLEX_WORD_BYTES-1:0] bus_data_o,         // one clock after bus_valid_o and bus_ready_i
  output wire [21:0] bus_tag_o,           // last word of the job, one row only, parity, kind, address
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
  localparam [1:0] F16 = 2'd0, F32 = 2'd1;

  reg [23:0] share_count_q, count_q;
  reg [16:0] share_tag_q, tag_q;
  wire gemm_start = job_valid_i && !job_load_i;
  wire load_start = job_valid_i && job_load_i;
  wire [1:0] format = job_bus_i ? F32 : job_format_i;  // the activation unit takes binary32
  reg [1:0] drain_format_q;
  reg drain_parity_q;                                  // of the job whose results the drain makes

  // Reading
  wire read_valid, read_ready, read_beat_valid, read_credit, request_busy, controller_idle, column_read;
  wire [15:0] read_base;
  wire [16:0] read_columns;
  wire [8*`DUPLEX_BEAT_BYTES-1:0] read_beat, weight;
  wire weight_valid, stream_pop, stream_leave, stream_mark, stream_rewind, load_pop;
  // Multiplying
  wire beat_valid, beat_ready, beat_first, beat_last, beat_release, row_last, room, stream_busy, load_busy;
  wire [$clog2(`DUPLEX_ROWS)-1:0] beat_row;
  wire [$clog2(`DUPLEX_ROWS)-1:0] unused_sum_row;
  wire [1:0] row_place;
  wire tile_valid, tile_ready, sum_valid, sum_end;
  wire [8*`DUPLEX_WORD_BYTES-1:0] tile_data;
  wire [7:0] exponent;
  wire [`DUPLEX_LANES*`DUPLEX_SUM_BITS-1:0] sum;
  wire [`DUPLEX_LANES*3-1:0] sum_flags;
  // Results
  wire drain_valid, drain_end, drain_single, load_valid, load_reserve, result_valid, result_end,
    result_single, result_parity, result_pop;
  wire [8*`DUPLEX_WORD_BYTES-1:0] drain_word, load_word, result_word;
  wire write_ready_word, write_valid, write_ready, write_busy, bus_ready_word, bus_busy;
  wire [16+`DUPLEX_COLUMN_BITS-1:0] write_column;
  wire [3:0] write_stripe;
  wire [8*`DUPLEX_COLUMN_BYTES-1:0] write_data;
  wire starved, no_tile, no_room, free_room, scarce, no_words;
  reg front_q, back_q, back_bus_q, back_start_q;  // parities of the front's and the back's job
  // Attention
  wire a_active, a_busy, a_read_valid, a_pop, a_tile_valid, a_tile_p16, a_beats, a_beat_valid, a_beat_first,
    a_beat_last, a_beat_release;
  wire a_row_valid, a_row_end, a_room_row, a_result_valid, a_result_start, write_done;
  wire [15:0] a_read_base;
  wire [3:0] a_read_stripe, a_result_stripe;
  wire [16:0] a_read_columns;
  wire [8*`DUPLEX_WORD_BYTES-1:0] a_tile_data;
  wire [`DUPLEX_ROW_BITS-1:0] a_beat_row;
  wire [`DUPLEX_LANES-1:0] a_beat_mask;
  wire [32*`DUPLEX_LANES-1:0] rounded;
  wire [16*`DUPLEX_LANES-1:0] a_row;
  wire [1:0] a_room_place;
  wire a_result_scores, a_word_reserve, a_word_valid, a_word_end;
  wire [16+`DUPLEX_COLUMN_BITS-1:0] a_result_column;
  wire a_starved, a_no_tile, a_no_room;
  // the write path has the place of a pair's results, of scores
  reg a_open_q, a_scores_q;

  stream_request stream_request (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(job_valid_i),
    .load_i(job_load_i),
    .count_i(share_count_q),
    .base_i(job_src_base_i),
    .stride_i(job_src_stride_i),
    .k_tiles_i(job_k_tiles_i),
    .block_rows_i(job_block_rows_i),
    .exponents_i(job_exponents_i),
    .two_streams_i(job_two_streams_i),
    .read_valid_o(read_valid),
    .read_ready_i(read_ready),
    .read_base_o(read_base),
    .read_columns_o(read_columns),
    .busy_o(request_busy)
  );

  bundle_controller #(.READ_CREDITS(READ_CREDITS)) bundle_controller (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .owner_i(owner_i),
    .open_o(open_o),
    .strict_i(strict_i),
    .xpu_act_request_i(xpu_act_request_i),
    .xpu_act_grant_o(xpu_act_grant_o),
    .xpu_ref_i(xpu_ref_i),
    .read_valid_i(read_valid || a_read_valid),
    .read_ready_o(read_ready),
    .read_base_i(a_active ? a_read_base : read_base),
    .read_stripe_i(a_active ? a_read_stripe : job_src_stripe_i),
    .read_columns_i(a_active ? a_read_columns : read_columns),
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
    .pop_i(stream_pop || load_pop || a_pop),
    .leave_i(stream_leave || load_pop || a_pop),
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
    .k_tiles_i(job_k_tiles_i),
    .block_rows_i(job_block_rows_i),
    .two_groups_i(job_two_groups_i),
    .two_streams_i(job_two_streams_i),
    .exponents_i(job_exponents_i),
    .group_words_i(job_bus_i),
    .weight_valid_i(weight_valid),
    .header_i(weight[8*`DUPLEX_WORD_BYTES-1:0]),
    .weight_pop_o(stream_pop),
    .weight_leave_o(stream_leave),
    .weight_mark_o(stream_mark),
    .weight_rewind_o(stream_rewind),
    .beat_valid_o(beat_valid),
    .beat_ready_i(beat_ready),
    .beat_row_o(beat_row),
    .beat_first_o(beat_first),
    .beat_last_o(beat_last),
    .beat_release_o(beat_release),
    .room_i(room),
    .row_o(row_last),
    .row_place_o(row_place),
    .sum_valid_i(sum_valid && !a_active),
    .exponent_o(exponent),
    .end_o(sum_end),
    .busy_o(stream_busy),
    .starved_o(starved),
    .no_tile_o(no_tile),
    .no_room_o(no_room)
  );

  tile_gate tile_gate (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(gemm_start),
    .rows_i(share_count_q),
    .k_tiles_i(job_k_tiles_i),
    .block_rows_i(job_block_rows_i),
    .two_groups_i(job_two_groups_i),
    .word_valid_i(word_valid_i),
    .word_ready_o(word_ready_o),
    .word_i(word_i),
    .tile_valid_o(tile_valid),
    .tile_ready_i(tile_ready),
    .tile_data_o(tile_data)
  );

  gemm gemm (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .tile_valid_i(tile_valid || a_tile_valid),
    .tile_ready_o(tile_ready),
    .tile_data_i(a_tile_valid ? a_tile_data : tile_data),
    .tile_p16_i(a_tile_valid && a_tile_p16),
    .beat_valid_i(beat_valid || a_beat_valid),
    .beat_ready_o(beat_ready),
    .beat_data_i(weight),
    .beat_row_i(a_beats ? a_beat_row : beat_row),
    .beat_first_i(a_beats ? a_beat_first : beat_first),
    .beat_last_i(a_beats ? a_beat_last : beat_last),
    .beat_release_i(a_beats ? a_beat_release : beat_release),
    .beat_mask_i(a_beats ? a_beat_mask : {`DUPLEX_LANES{1'b1}}),
    .sum_valid_o(sum_valid),
    .sum_row_o(unused_sum_row),
    .sum_o(sum),
    .sum_flags_o(sum_flags)
  );

  drain drain (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .format_i(a_active ? F16 : drain_format_q),
    .sum_valid_i(sum_valid && !a_active),
    .sum_i(sum),
    .flags_i(sum_flags),
    .exponent_i(a_active ? 8'd0 : exponent),
    .end_i(sum_end),
    .row_valid_i(a_row_valid),
    .row_end_i(a_row_end),
    .row_i(a_row),
    .f32_o(rounded),
    .word_valid_o(drain_valid),
    .word_o(drain_word),
    .word_end_o(drain_end),
    .word_single_o(drain_single)
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
    .format_i(a_active ? F16 : format),
    .row_i(row_last || a_room_row),
    .row_place_i(a_active ? a_room_place : row_place),
    .word_i(load_reserve || a_word_reserve),
    .free_i(result_pop),
    .room_o(free_room),
    .scarce_o(scarce),
    .none_o(no_words)
  );

  result_buffer result_buffer (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(drain_valid || load_valid || a_word_valid),
    .word_i(load_valid ? load_word : a_word_valid ? score_read_data_i : drain_word),
    .end_i(a_word_valid ? a_word_end : drain_end && !load_valid),
    .single_i(drain_single && !load_valid),
    .parity_i(drain_parity_q),
    .valid_o(result_valid),
    .word_o(result_word),
    .end_o(result_end),
    .single_o(result_single),
    .parity_o(result_parity),
    .pop_i(result_pop)
  );
  wire back_valid = result_valid && result_parity == back_q && !back_start_q;
  wire to_bus = back_bus_q && !a_active;
  wire to_write = a_active ? a_open_q : !back_bus_q;
  assign result_pop = back_valid && (to_bus ? bus_ready_word : write_ready_word && to_write);

  write_path write_path (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(back_start_q || a_result_start),
    .column_i(a_result_start ? a_result_column : {job_dst_base_i, {`DUPLEX_COLUMN_BITS{1'b0}}}),
    .stride_i(job_dst_stride_i),
    .stripe_i(a_result_start ? a_result_stripe : job_dst_stripe_i),
    .word_valid_i(back_valid && to_write),
    .word_ready_o(write_ready_word),
    .word_i(result_word),
    .word_end_i(result_end),
    .write_valid_o(write_valid),
    .write_ready_i(write_ready),
    .write_column_o(write_column),
    .write_stripe_o(write_stripe),
    .write_data_o(write_data),
    .done_o(write_done),
    .busy_o(write_busy)
  );

  wire [24:0] bus_rows = job_load_i ? {{(13 - `DUPLEX_TILE_WORD_BITS) {1'b0}}, count_q[10:0],
      {(`DUPLEX_TILE_WORD_BITS + 1) {1'b0}}}
      : job_two_groups_i ? {count_q, 1'b0}
      : {1'b0, count_q};
  bus_port bus_port (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(back_start_q),
    .kind_i({job_load_i, job_load_i ? job_table_i : job_gated_i}),
    .tag_i(tag_q),
    .rows_i(bus_rows),
    .two_groups_i(job_two_groups_i),
    .group_i(job_dst_group_i),
    .step_i(job_step_i),
    .word_valid_i(back_valid && to_bus),
    .word_ready_o(bus_ready_word),
    .word_i(result_word),
    .word_single_i(result_single),
    .word_end_i(result_end),
    .valid_o(bus_valid_o),
    .load_o(bus_load_o),
    .ready_i(bus_ready_i),
    .data_o(bus_data_o),
    .tag_o(bus_tag_o[16:0]),
    .kind_o(bus_tag_o[18:17]),
    .single_o(bus_tag_o[20]),
    .last_o(bus_tag_o[21]),
    .busy_o(bus_busy)
  );
  assign bus_tag_o[19] = back_q;

  performance performance (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .event_i({no_room || a_no_room, no_tile || a_no_tile, starved || a_starved,
        (beat_valid || a_beat_valid) && beat_ready, write_valid && write_ready, column_read, sum_valid}),
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
    .read_base_o(a_read_base),
    .read_stripe_o(a_read_stripe),
    .read_columns_o(a_read_columns),
    .weight_valid_i(weight_valid),
    .weight_i(weight),
    .weight_pop_o(a_pop),
    .tile_valid_o(a_tile_valid),
    .tile_ready_i(tile_ready),
    .tile_data_o(a_tile_data),
    .tile_p16_o(a_tile_p16),
    .beats_o(a_beats),
    .beat_valid_o(a_beat_valid),
    .beat_ready_i(beat_ready),
    .beat_row_o(a_beat_row),
    .beat_first_o(a_beat_first),
    .beat_last_o(a_beat_last),
    .beat_release_o(a_beat_release),
    .beat_mask_o(a_beat_mask),
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
    .result_column_o(a_result_column),
    .result_stripe_o(a_result_stripe),
    .result_scores_o(a_result_scores),
    .scores_written_i(write_done && a_open_q && a_scores_q),
    .word_reserve_o(a_word_reserve),
    .word_valid_o(a_word_valid),
    .word_end_o(a_word_end),
    .score_valid_o(score_valid_o),
    .score_write_o(score_write_o),
    .score_address_o(score_address_o),
    .score_write_data_o(score_write_data_o),
    .score_read_data_i(score_read_data_i),
    .below_maximum_valid_i(below_maximum_valid_i),
    .below_maximum_ready_o(below_maximum_ready_o),
    .below_maximum_i(below_maximum_i),
    .below_final_valid_o(below_final_valid_o),
    .below_final_ready_i(below_final_ready_i),
    .below_row_valid_i(below_row_valid_i),
    .below_row_first_i(below_row_first_i),
    .below_sum_i(below_sum_i),
    .below_flags_i(below_flags_i),
    .below_l_i(below_l_i),
    .below_taken_o(below_taken_o),
    .above_maximum_valid_o(above_maximum_valid_o),
    .above_maximum_ready_i(above_maximum_ready_i),
    .above_final_valid_i(above_final_valid_i),
    .above_final_ready_o(above_final_ready_o),
    .above_final_i(above_final_i),
    .above_row_valid_o(above_row_valid_o),
    .above_row_first_o(above_row_first_o),
    .above_sum_o(above_sum_o),
    .above_flags_o(above_flags_o),
    .above_l_o(above_l_o),
    .above_taken_i(above_taken_i),
    .maximum_o(maximum_o),
    .starved_o(a_starved),
    .no_tile_o(a_no_tile),
    .no_room_o(a_no_room)
  );
  assign a_result_start = a_active && a_result_valid && !a_open_q;
  always @(posedge clk_i) begin
    a_open_q <= rst_ni && (a_result_start || (a_open_q && !write_done));
    if (a_result_start) a_scores_q <= a_result_scores;
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
    if (back_start_q) back_bus_q <= job_bus_i;
  end
  assign older_busy_o = front_q != back_q || back_start_q;
  assign busy_o = front_busy_o || tail_q != 5'd0 || older_busy_o || left || left_q || a_busy || a_open_q ||
      !controller_idle;
endmodule
`default_nettype wire
