// SPDX-License-Identifier: Apache-2.0
// A Duplex stack: registers, operation controller, shared buffers, broadcast, result bus, activation unit and
// CHANNELS channels (docs/architecture.md). Channel c has the c-th slice of each flat vector of DRAM pins.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_descriptor.vh"
`include "duplex_records.vh"
module stack #(
  parameter CHANNELS = `DUPLEX_CHANNELS,
  parameter WORD = 8 * `DUPLEX_WORD_BYTES,
  parameter BEAT = 8 * `DUPLEX_BEAT_BYTES
) (
  input wire clk_i,
  input wire rst_ni,
  // AXI4-Lite: write
  input wire axi_awvalid_i,
  output wire axi_awready_o,
  input wire [15:0] axi_awaddr_i,
  input wire axi_wvalid_i,
  output wire axi_wready_o,
  input wire [31:0] axi_wdata_i,
  input wire [3:0] axi_wstrb_i,
  output wire axi_bvalid_o,
  input wire axi_bready_i,
  output wire [1:0] axi_bresp_o,
  // AXI4-Lite: read
  input wire axi_arvalid_i,
  output wire axi_arready_o,
  input wire [15:0] axi_araddr_i,
  output wire axi_rvalid_o,
  input wire axi_rready_i,
  output wire [31:0] axi_rdata_o,
  output wire [1:0] axi_rresp_o,
  // Interrupt
  output wire interrupt_o,
  // To the banks' switches, and from and to the xPU's side of each channel (rtl/dram/bundle_controller.v)
  output wire [3:0] bundle_owner_o,
  output wire strict_o,              // activation rule
  input wire [CHANNELS*4-1:0] xpu_row_request_i,
  output wire [CHANNELS*4-1:0] xpu_row_grant_o,
  input wire [CHANNELS*4-1:0] xpu_ref_i,
  // DRAM pins
  output wire [CHANNELS-1:0] dram_row_valid_o,
  output wire [CHANNELS*2-1:0] dram_row_command_o,
  output wire [CHANNELS*2-1:0] dram_row_bundle_o,
  output wire [CHANNELS*8-1:0] dram_row_mask_o,
  output wire [CHANNELS*14-1:0] dram_row_address_o,
  output wire [CHANNELS-1:0] dram_column_valid_o,
  output wire [CHANNELS-1:0] dram_column_write_o,
  output wire [CHANNELS*2-1:0] dram_column_bundle_o,
  output wire [CHANNELS*8-1:0] dram_column_mask_o,
  output wire [CHANNELS*`DUPLEX_COLUMN_BITS-1:0] dram_column_address_o,
  output wire [CHANNELS*BEAT-1:0] dram_write_data_o,
  input wire [CHANNELS*BEAT-1:0] dram_read_data_i
);
  // Units of results (a quarter of a word) from a tile's last word to the first of the channel's next tile
  localparam [31:0] TILE_STEP = (CHANNELS - 1) * 4 * `DUPLEX_TILE_WORDS + 4;
  localparam [31:0] WORD_STEP = CHANNELS;  // interleaved results: from a word to the channel's next one

  // Links between neighbouring channels, by the channel that drives them: maxima and rows go up, joined
  // maxima and credits down.
  wire [CHANNELS*LINK_UP_BITS-1:0] link_up;
  wire [CHANNELS*LINK_DOWN_BITS-1:0] link_down;
  wire [CHANNELS*RECORD_MAXIMA-1:0] link_maximum;
  // Score slices
  wire [CHANNELS-1:0] segment_room;
  wire [CHANNELS*SCORE_ACCESS_BITS-1:0] score;
  wire [CHANNELS*WORD-1:0] score_read_data;
  wire segment_valid;
  reg segment_room_q;
  // Control
  wire run, busy, fetched, completed, completed_interrupt, error, fetch, fetch_done, broadcast_start,
    job_valid, job_parity;
  wire [3:0] owner, slot;
  wire [CHANNELS*4-1:0] channel_open;
  reg [3:0] open, open_q;
  wire [7:0] error_code, ring_write_address, ring_read_address, performance_channel, performance_counter;
  wire [31:0] error_address, ring_write_data, ring_read_data;
  wire [15:0] error_tag;
  wire ring_write, ring_read_busy;
  wire [511:0] descriptor;
  // verilator lint_off UNUSED
  wire [511:0] job;  // each unit takes the fields it needs; nobody needs them all
  // verilator lint_on UNUSED
  wire [CHANNELS-1:0] share_valid, job_none, channel_busy, channel_front_busy, channel_older_busy;
  wire [23:0] share_count;
  wire [16:0] share_tag;
  wire [1:0] bus_busy, complete, waits;
  wire broadcast_busy;
  reg front_busy_q, older_busy_q, work_busy_q;
  reg [63:0] performance_q, performance;
  // Data
  wire [CHANNELS-1:0] word_valid, word_ready, bus_valid, bus_load, bus_interleaved, bus_ready;
  wire [WORD-1:0] word, read_data, write_data;
  wire [CHANNELS*WORD-1:0] bus_data;
  wire [CHANNELS*BUS_TAG_BITS-1:0] bus_tags;
  wire [CHANNELS*64-1:0] performance_values;
  wire read_valid, read_ready, read_data_valid, write_valid, table_valid, row_valid, row_gated, result_valid;
  wire load_word, done, done_parity;
  wire [1:0] in_turn;
  wire [4:0] done_channel;
  wire [14:0] read_address, first_group, write_address;
  wire [3:0] write_enable;
  wire [7:0] table_address;
  wire [WORD/2-1:0] row_first, row;
  wire [255:0] table_data;
  wire [WORD/4-1:0] result_data;
  wire row_tag_t row_tag, result_tag;

  wire load = job[`DUPLEX_DESC_OPCODE] == `DUPLEX_OPCODE_LOAD;
  wire gated = job[`DUPLEX_DESC_GATED];
  wire interleaved = job[`DUPLEX_DESC_INTERLEAVED];
  wire two_groups = job[`DUPLEX_DESC_GROUPS] == 2'd2;
  wire [1:0] destination = job[`DUPLEX_DESC_DESTINATION];

  registers #(.CHANNELS(CHANNELS)) registers (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .axi_awvalid_i(axi_awvalid_i),
    .axi_awready_o(axi_awready_o),
    .axi_awaddr_i(axi_awaddr_i),
    .axi_wvalid_i(axi_wvalid_i),
    .axi_wready_o(axi_wready_o),
    .axi_wdata_i(axi_wdata_i),
    .axi_wstrb_i(axi_wstrb_i),
    .axi_bvalid_o(axi_bvalid_o),
    .axi_bready_i(axi_bready_i),
    .axi_bresp_o(axi_bresp_o),
    .axi_arvalid_i(axi_arvalid_i),
    .axi_arready_o(axi_arready_o),
    .axi_araddr_i(axi_araddr_i),
    .axi_rvalid_o(axi_rvalid_o),
    .axi_rready_i(axi_rready_i),
    .axi_rdata_o(axi_rdata_o),
    .axi_rresp_o(axi_rresp_o),
    .interrupt_o(interrupt_o),
    .run_o(run),
    .owner_o(owner),
    .open_i(open_q),
    .strict_o(strict_o),
    .slot_o(slot),
    .busy_i(busy),
    .fetch_i(fetch),
    .fetched_i(fetched),
    .completed_i(completed),
    .completed_interrupt_i(completed_interrupt),
    .error_i(error),
    .error_code_i(error_code),
    .error_address_i(error_address),
    .error_tag_i(error_tag),
    .ring_write_o(ring_write),
    .ring_write_address_o(ring_write_address),
    .ring_write_data_o(ring_write_data),
    .ring_read_address_o(ring_read_address),
    .ring_read_busy_i(ring_read_busy),
    .ring_read_data_i(ring_read_data),
    .performance_channel_o(performance_channel),
    .performance_counter_o(performance_counter),
    .performance_value_i(performance_q)
  );

  descriptor_ring ring (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .write_i(ring_write),
    .write_address_i(ring_write_address),
    .write_data_i(ring_write_data),
    .read_address_i(ring_read_address),
    .read_busy_o(ring_read_busy),
    .read_data_o(ring_read_data),
    .fetch_i(fetch),
    .fetch_slot_i(slot),
    .fetch_done_o(fetch_done),
    .descriptor_o(descriptor)
  );

  operation_controller #(.CHANNELS(CHANNELS)) controller (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .run_i(run),
    .owner_i(owner),
    .busy_o(busy),
    .fetched_o(fetched),
    .completed_o(completed),
    .interrupt_o(completed_interrupt),
    .error_o(error),
    .error_code_o(error_code),
    .error_address_o(error_address),
    .error_tag_o(error_tag),
    .fetch_o(fetch),
    .fetch_done_i(fetch_done),
    .descriptor_i(descriptor),
    .share_valid_o(share_valid),
    .share_count_o(share_count),
    .share_tag_o(share_tag),
    .job_o(job),
    .job_parity_o(job_parity),
    .job_none_o(job_none),
    .job_valid_o(job_valid),
    .segment_valid_o(segment_valid),
    .segment_room_i(segment_room_q),
    .broadcast_start_o(broadcast_start),
    .front_busy_i(front_busy_q),
    .older_busy_i(older_busy_q),
    .work_busy_i(work_busy_q),
    .complete_o(complete)
  );

  shared_buffer #(.CHANNELS(CHANNELS)) buffers (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .write_valid_i(write_valid),
    .write_enable_i(write_enable),
    .write_address_i(write_address),
    .write_data_i(write_data),
    .read_valid_i(read_valid),
    .read_ready_o(read_ready),
    .read_address_i(read_address),
    .read_data_valid_o(read_data_valid),
    .read_data_o(read_data),
    .local_i(score),
    .local_read_data_o(score_read_data)
  );

  broadcast #(.CHANNELS(CHANNELS)) broadcast (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(broadcast_start),
    .address_i(job[`DUPLEX_DESC_X_ADDRESS]),
    .stride_i(job[`DUPLEX_DESC_X_STRIDE]),
    .two_groups_i(two_groups),
    .two_streams_i(job[`DUPLEX_DESC_TWO_STREAMS]),
    .k_tiles_i(job[`DUPLEX_DESC_K_TILES]),
    .k_last_i(job[`DUPLEX_DESC_K_LAST]),
    .blocks_i(job[`DUPLEX_DESC_BLOCKS]),
    .busy_o(broadcast_busy),
    .read_valid_o(read_valid),
    .read_ready_i(read_ready),
    .read_address_o(read_address),
    .first_group_o(first_group),
    .waits_i(waits[!job_parity]),
    .read_data_valid_i(read_data_valid),
    .read_data_i(read_data),
    .word_valid_o(word_valid),
    .word_ready_i(word_ready),
    .word_o(word)
  );

  result_bus #(.CHANNELS(CHANNELS)) result_bus (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .load_start_i(job_valid && load),
    .busy_o(bus_busy),
    .valid_i(bus_valid),
    .load_i(bus_load),
    .interleaved_i(bus_interleaved),
    .ready_o(bus_ready),
    .data_i(bus_data),
    .tag_i(bus_tags),
    .table_valid_o(table_valid),
    .table_address_o(table_address),
    .table_data_o(table_data),
    .row_valid_o(row_valid),
    .row_gated_o(row_gated),
    .row_first_o(row_first),
    .row_o(row),
    .row_tag_o(row_tag),
    .result_valid_i(result_valid),
    .result_data_i(result_data),
    .result_tag_i(result_tag),
    .write_valid_o(write_valid),
    .write_enable_o(write_enable),
    .write_address_o(write_address),
    .write_data_o(write_data),
    .load_word_o(load_word),
    .in_turn_o(in_turn),
    .done_o(done),
    .done_parity_o(done_parity),
    .done_channel_o(done_channel)
  );

  activation #(.TAG_BITS(ROW_TAG_BITS)) activation (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .table_valid_i(table_valid),
    .table_address_i(table_address),
    .table_data_i(table_data),
    .in_valid_i(row_valid),
    .gated_i(row_gated),
    .g_i(row_first),
    .u_i(row),
    .in_tag_i(row_tag),
    .out_valid_o(result_valid),
    .out_data_o(result_data),
    .out_tag_o(result_tag)
  );

  // What the jobs of each parity have still to write into the shared buffer.
  // verilator lint_off UNUSED
  wire [27:0] rows = job[`DUPLEX_DESC_ROWS];  // at most 131,072 when they go to a shared buffer
  wire [23:0] channel_rows = job[`DUPLEX_DESC_CHANNEL_ROWS];
  // verilator lint_on UNUSED
  wire [10:0] tiles = job[`DUPLEX_DESC_TILES];
  wire [16:0] tile_units = {6'd0, tiles} << (`DUPLEX_TILE_WORD_BITS + 2);
  wire [16:0] result_units = load ? tile_units : gated ? rows[17:1] : rows[16:0];
  wire [16:0] step_units = interleaved ? (gated ? 17'd1 : 17'd2)
      : gated ? channel_rows[17:1]
      : channel_rows[16:0];
  genvar p;
  generate
    for (p = 0; p < 2; p = p + 1) begin : g_pending
      result_pending #(.CHANNELS(CHANNELS)) pending (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(job_valid && job_parity == p && destination == `DUPLEX_DESTINATION_SHARED),
        .stop_i(complete[p]),
        .load_i(load),
        .interleaved_i(interleaved),
        .address_i(job[`DUPLEX_DESC_DST_ADDRESS]),
        .units_i(result_units),
        .step_units_i(step_units),
        .none_i(job_none),
        .load_word_i(load_word),
        .in_turn_i(in_turn[p]),
        .done_i(done && done_parity == p),
        .done_channel_i(done_channel),
        .word_i(read_address),
        .first_group_i(first_group),
        .waits_o(waits[p])
      );
    end
  endgenerate

  wire job_t channel_job;
  assign channel_job.load = load;
  assign channel_job.to_table = destination[1];
  assign channel_job.src_base = job[`DUPLEX_DESC_SRC_BASE];
  assign channel_job.src_stripe = job[`DUPLEX_DESC_SRC_STRIPE];
  assign channel_job.src_stride = job[`DUPLEX_DESC_SRC_STRIDE];
  assign channel_job.k_tiles = job[`DUPLEX_DESC_K_TILES];
  assign channel_job.block_rows = job[`DUPLEX_DESC_BLOCK_ROWS];
  assign channel_job.skip_rows = job[`DUPLEX_DESC_SKIP_ROWS];
  assign channel_job.two_groups = two_groups;
  assign channel_job.two_streams = job[`DUPLEX_DESC_TWO_STREAMS];
  assign channel_job.exponents = job[`DUPLEX_DESC_EXPONENTS];
  assign channel_job.format = job[`DUPLEX_DESC_FORMAT];
  assign channel_job.bus = load || destination != `DUPLEX_DESTINATION_DRAM;
  assign channel_job.gated = gated;
  assign channel_job.interleaved = interleaved;
  assign channel_job.word_step = interleaved ? (gated ? WORD_STEP[6:0] : {WORD_STEP[5:0], 1'b0})
      : gated ? 7'd1
      : 7'd2;
  assign channel_job.dst_group = job[`DUPLEX_DESC_DST_GROUP];
  assign channel_job.dst_base = job[`DUPLEX_DESC_DST_BASE];
  assign channel_job.dst_stripe = job[`DUPLEX_DESC_DST_STRIPE];
  assign channel_job.dst_stride = job[`DUPLEX_DESC_DST_STRIDE];
  assign channel_job.tile_step = TILE_STEP[12:0];

  genvar c;
  generate
    for (c = 0; c < CHANNELS; c = c + 1) begin : g_channel
      localparam BELOW = (c + CHANNELS - 1) % CHANNELS, ABOVE = (c + 1) % CHANNELS;
      channel channel (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .owner_i(owner),
        .open_o(channel_open[c*4 +: 4]),
        .strict_i(strict_o),
        .xpu_row_request_i(xpu_row_request_i[c*4 +: 4]),
        .xpu_row_grant_o(xpu_row_grant_o[c*4 +: 4]),
        .xpu_ref_i(xpu_ref_i[c*4 +: 4]),
        .share_valid_i(share_valid[c]),
        .share_count_i(share_count),
        .share_tag_i(share_tag),
        .job_valid_i(job_valid),
        .job_i(channel_job),
        .segment_valid_i(segment_valid),
        .segment_i(job),
        .segment_room_o(segment_room[c]),
        .score_o(score[c*SCORE_ACCESS_BITS +: SCORE_ACCESS_BITS]),
        .score_read_data_i(score_read_data[c*WORD +: WORD]),
        .below_i(link_up[BELOW*LINK_UP_BITS +: LINK_UP_BITS]),
        .below_maximum_i(link_maximum[BELOW*RECORD_MAXIMA +: RECORD_MAXIMA]),
        .below_o(link_down[c*LINK_DOWN_BITS +: LINK_DOWN_BITS]),
        .above_o(link_up[c*LINK_UP_BITS +: LINK_UP_BITS]),
        .above_i(link_down[ABOVE*LINK_DOWN_BITS +: LINK_DOWN_BITS]),
        .above_maximum_i(link_maximum[ABOVE*RECORD_MAXIMA +: RECORD_MAXIMA]),
        .maximum_o(link_maximum[c*RECORD_MAXIMA +: RECORD_MAXIMA]),
        .front_busy_o(channel_front_busy[c]),
        .older_busy_o(channel_older_busy[c]),
        .busy_o(channel_busy[c]),
        .word_valid_i(word_valid[c]),
        .word_ready_o(word_ready[c]),
        .word_i(word),
        .bus_valid_o(bus_valid[c]),
        .bus_load_o(bus_load[c]),
        .bus_interleaved_o(bus_interleaved[c]),
        .bus_ready_i(bus_ready[c]),
        .bus_data_o(bus_data[c*WORD +: WORD]),
        .bus_tag_o(bus_tags[c*BUS_TAG_BITS +: BUS_TAG_BITS]),
        .performance_select_i(performance_counter),
        .performance_value_o(performance_values[c*64 +: 64]),
        .dram_row_valid_o(dram_row_valid_o[c]),
        .dram_row_command_o(dram_row_command_o[c*2 +: 2]),
        .dram_row_bundle_o(dram_row_bundle_o[c*2 +: 2]),
        .dram_row_mask_o(dram_row_mask_o[c*8 +: 8]),
        .dram_row_address_o(dram_row_address_o[c*14 +: 14]),
        .dram_column_valid_o(dram_column_valid_o[c]),
        .dram_column_write_o(dram_column_write_o[c]),
        .dram_column_bundle_o(dram_column_bundle_o[c*2 +: 2]),
        .dram_column_mask_o(dram_column_mask_o[c*8 +: 8]),
        .dram_column_address_o(dram_column_address_o[c*`DUPLEX_COLUMN_BITS +: `DUPLEX_COLUMN_BITS]),
        .dram_write_data_o(dram_write_data_o[c*BEAT +: BEAT]),
        .dram_read_data_i(dram_read_data_i[c*BEAT +: BEAT])
      );
    end
  endgenerate

  integer i;
  always @* begin
    performance = 64'd0;
    open = 4'd0;
    for (i = 0; i < CHANNELS; i = i + 1) begin
      if (performance_channel == i[7:0]) performance = performance_values[i*64 +: 64];
      open = open | channel_open[i*4 +: 4];
    end
  end
  assign bundle_owner_o = owner;
  always @(posedge clk_i) begin
    segment_room_q <= rst_ni && &segment_room;
    front_busy_q <= rst_ni && (channel_front_busy != 0 || broadcast_busy);
    older_busy_q <= rst_ni && (channel_older_busy != 0 || bus_busy[!job_parity]);
    work_busy_q <= rst_ni && (channel_busy != 0 || broadcast_busy || bus_busy != 2'b00);
    performance_q <= performance;
    open_q <= open;
  end
endmodule
`default_nettype wire
