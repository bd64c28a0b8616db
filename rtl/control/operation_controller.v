// SPDX-License-Identifier: Apache-2.0
// Takes descriptors from the ring one after another: fetch, check, tell the channels their shares (one
// channel a clock), start, wait until the work is over, count it as completed.
// The next descriptor is prepared while the one before is at work. It starts when that one is complete, or
// with CHAIN when it has only results to write; two jobs at most are under way, and they complete in order.
// A descriptor that is refused starts nothing: when those before it are complete its error goes to the
// registers, and the ring stands still until they are cleared.
// ATTENTION goes into the channels' queues when all have room, and counts as completed then, or with FENCE
// when all work is over. Other opcodes, and refusals, wait until all work is over.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_descriptor.vh"
module operation_controller #(
  parameter CHANNELS = `DUPLEX_CHANNELS
) (
  input wire clk_i,
  input wire rst_ni,
  // Registers
  input wire run_i,                // enabled, no error pending, ring not empty, no flush in this clock
  input wire [3:0] owner_i,
  output wire busy_o,
  output wire fetched_o,           // one descriptor has left the ring
  output wire completed_o,
  output wire interrupt_o,         // with completed_o: its INTERRUPT bit
  output wire error_o,             // one clock, with:
  output wire [7:0] error_code_o,
  output wire [31:0] error_address_o,
  output wire [15:0] error_tag_o,
  // Ring
  output wire fetch_o,
  input wire fetch_done_i,
  input wire [511:0] descriptor_i,
  // Channels
  output wire [CHANNELS-1:0] share_valid_o,
  output wire [23:0] share_count_o,
  output wire [16:0] share_tag_o,
  // Channels: the job
  output wire [511:0] job_o,       // descriptor of the job that was started last
  output wire job_parity_o,
  output wire [CHANNELS-1:0] job_none_o,  // channels without a share of it
  output wire job_valid_o,         // it starts, in the clock after job_o has changed
  output wire segment_valid_o,     // the same for ATTENTION
  input wire segment_room_i,       // every channel has room for a segment
  output wire broadcast_start_o,
  input wire front_busy_i,         // any channel reads or multiplies, or the broadcast is busy
  input wire older_busy_i,         // results of the job before the last one have still to be written
  input wire work_busy_i,          // anything at all
  output wire [1:0] complete_o     // the job of this parity is complete
);
  localparam [2:0] IDLE = 3'd0, FETCH = 3'd1, CHECK = 3'd2, SHARE = 3'd3, READY = 3'd4;
  localparam [16:0] TILE_UNITS = 4 * `DUPLEX_TILE_WORDS;  // units of results, a quarter of a word
  localparam [31:0] LAST_CHANNEL = CHANNELS - 1, CHANNELS_32 = CHANNELS;

  // ---- the next descriptor
  reg [2:0] next_q;
  reg [511:0] job_q;
  wire check_done, shared, launch, refuse;
  wire [7:0] code;
  wire [10:0] tiles_each;
  wire [5:0] tiles_extra;

  descriptor_check #(.CHANNELS(CHANNELS)) check (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .start_i(next_q == FETCH && fetch_done_i),
    .descriptor_i(descriptor_i),
    .owner_i(owner_i),
    .done_o(check_done),
    .code_o(code),
    .address_o(error_address_o),
    .tiles_each_o(tiles_each),
    .tiles_extra_o(tiles_extra)
  );

  reg fetched_q, error_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      next_q <= IDLE;
      fetched_q <= 1'b0;
      error_q <= 1'b0;
    end else begin
      case (next_q)
        IDLE: if (run_i && !error_q) next_q <= FETCH;
        FETCH: if (fetch_done_i) next_q <= CHECK;
        CHECK: if (check_done) next_q <= code == 8'd0 ? SHARE : READY;
        SHARE: if (shared) next_q <= READY;
        default: if (launch || refuse) next_q <= IDLE;
      endcase
      fetched_q <= next_q == FETCH && fetch_done_i;
      error_q <= refuse;
    end
  end

  // ---- share of one channel a clock
  wire load = descriptor_i[`DUPLEX_DESC_OPCODE] == `DUPLEX_OPCODE_LOAD;
  wire attention = descriptor_i[`DUPLEX_DESC_OPCODE] == `DUPLEX_OPCODE_ATTENTION;
  wire fence = descriptor_i[`DUPLEX_DESC_FENCE];
  wire [4:0] first_channel = descriptor_i[`DUPLEX_DESC_FIRST_CHANNEL];
  wire [2:0] spread = descriptor_i[`DUPLEX_DESC_SPREAD];
  wire [23:0] channel_rows = descriptor_i[`DUPLEX_DESC_CHANNEL_ROWS];
  reg [27:0] rows_left_q;
  reg [16:0] tag_q, share_tag_q;
  reg [5:0] channel_q;
  // ATTENTION: the first KV head of the channel; SPREAD: and behind it the member of the head
  reg [5:0] head_q;
  reg [CHANNELS-1:0] select_q, share_valid_q, none_q, job_none_q;
  reg [23:0] share_count_q;
  wire [16:0] tag_step = load ? TILE_UNITS
      : descriptor_i[`DUPLEX_DESC_INTERLEAVED] ? (descriptor_i[`DUPLEX_DESC_GATED] ? 17'd1 : 17'd2)
      : descriptor_i[`DUPLEX_DESC_GATED] ? channel_rows[17:1]
      : channel_rows[16:0];
  wire whole = rows_left_q >= {4'd0, channel_rows};
  wire [5:0] place = attention ? head_q >> spread : channel_q;
  wire [5:0] member = head_q & ~(6'h3f << spread);
  wire [23:0] count = load || attention ? {13'd0, tiles_each} + {23'd0, place < tiles_extra}
      : whole ? channel_rows
      : rows_left_q[23:0];
  assign shared = channel_q == LAST_CHANNEL[5:0];

  always @(posedge clk_i) begin
    if (next_q == CHECK) begin
      rows_left_q <= descriptor_i[`DUPLEX_DESC_ROWS];
      tag_q <= descriptor_i[`DUPLEX_DESC_DST_ADDRESS];
      channel_q <= 6'd0;
      head_q <= first_channel == 5'd0 ? 6'd0 : CHANNELS_32[5:0] - {1'b0, first_channel};
      select_q <= 1;
    end else if (next_q == SHARE) begin
      rows_left_q <= whole ? rows_left_q - {4'd0, channel_rows} : 28'd0;
      tag_q <= tag_q + tag_step;
      channel_q <= channel_q + 6'd1;
      head_q <= head_q == LAST_CHANNEL[5:0] ? 6'd0 : head_q + 6'd1;
      select_q <= select_q << 1;
      none_q <= (none_q & ~select_q) | (count == 24'd0 ? select_q : 0);
    end
    share_valid_q <= rst_ni && next_q == SHARE ? select_q : 0;
    share_tag_q <= attention ? {11'd0, member} : tag_q;
    share_count_q <= count;
  end

  // ---- jobs under way
  // Busy signals are up to two clocks late, so that a state holds when it was seen for four clocks.
  reg [1:0] flight_q;               // jobs under way
  reg [1:0] start_q;                // a job starts: job_q is new, then the channels and the broadcast have it
  reg parity_q;                     // of the last one
  reg [1:0] interrupt_q;            // INTERRUPT bits, by parity
  reg [2:0] quiet_q, older_q, front_q;
  wire settled = start_q == 2'b00;
  wire quiet = quiet_q[2] && settled, older_done = older_q[2] && settled, front_done = front_q[2] && settled;
  wire job_load = job_q[`DUPLEX_DESC_OPCODE] == `DUPLEX_OPCODE_LOAD;
  wire job_attention = job_q[`DUPLEX_DESC_OPCODE] == `DUPLEX_OPCODE_ATTENTION;
  reg attention_q;                  // segments may be at work
  wire chain = descriptor_i[`DUPLEX_DESC_CHAIN] && !(load && job_load) && !attention_q;
  wire completed = flight_q != 2'd0 && (flight_q[1] ? older_done : quiet);
  assign launch = next_q == READY && code == 8'd0 && settled && !completed &&
      (attention ? flight_q == 2'd0 && segment_room_i
      : (flight_q == 2'd0 && !attention_q) || (chain && flight_q == 2'd1 && front_done));
  assign refuse = next_q == READY && code != 8'd0 && settled && flight_q == 2'd0 && !attention_q;
  wire accepted = launch && attention && !fence;

  always @(posedge clk_i) begin
    if (!rst_ni || !settled || launch) begin
      quiet_q <= 3'd0;
      older_q <= 3'd0;
      front_q <= 3'd0;
    end else begin
      quiet_q <= work_busy_i ? 3'd0 : {quiet_q[1:0], 1'b1};
      older_q <= older_busy_i || completed ? 3'd0 : {older_q[1:0], 1'b1};
      front_q <= front_busy_i ? 3'd0 : {front_q[1:0], 1'b1};
    end
  end

  reg completed_q, completed_interrupt_q;
  reg [1:0] complete_q;
  wire oldest = flight_q[1] ? !parity_q : parity_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      start_q <= 2'b00;
      attention_q <= 1'b0;
      flight_q <= 2'd0;
      parity_q <= 1'b0;
      completed_q <= 1'b0;
      complete_q <= 2'b00;
    end else begin
      start_q <= {start_q[0], launch};
      attention_q <= (launch && attention) || (attention_q && !quiet);
      if (launch && !accepted) flight_q <= flight_q + 2'd1;
      else if (completed) flight_q <= flight_q - 2'd1;
      if (launch && !attention) parity_q <= !parity_q;
      completed_q <= completed || accepted;
      complete_q <= completed ? (oldest ? 2'b10 : 2'b01) : 2'b00;
    end
    completed_interrupt_q <= accepted ? descriptor_i[`DUPLEX_DESC_INTERRUPT] : interrupt_q[oldest];
    if (launch) begin
      job_q <= descriptor_i;
      job_none_q <= none_q;
      interrupt_q[parity_q ^ !attention] <= descriptor_i[`DUPLEX_DESC_INTERRUPT];
    end
  end

  assign busy_o = next_q != IDLE || flight_q != 2'd0 || attention_q || completed_q;
  assign fetched_o = fetched_q;
  assign completed_o = completed_q;
  assign interrupt_o = completed_interrupt_q;
  assign error_o = error_q;
  assign error_code_o = code;
  assign error_tag_o = descriptor_i[`DUPLEX_DESC_TAG];
  assign fetch_o = next_q == IDLE && run_i && !error_q;
  assign job_o = job_q;
  assign job_parity_o = parity_q;
  assign job_none_o = job_none_q;
  assign job_valid_o = start_q[0] && !job_attention;
  assign segment_valid_o = start_q[0] && job_attention;
  assign broadcast_start_o = job_valid_o && !job_load;
  assign share_valid_o = share_valid_q;
  assign share_count_o = share_count_q;
  assign share_tag_o = share_tag_q;
  assign complete_o = complete_q;
endmodule
`default_nettype wire
