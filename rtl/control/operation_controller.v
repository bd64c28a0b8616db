// Takes descriptors from the ring one after another: fetch, check, hand the job to the channels (one channel a clock), start the
// broadcast, wait until the work is over, count it as completed.
// The next descriptor is fetched and checked while the one before is at work. It starts when that one is complete, or with CHAIN when
// it has only results to write; two jobs at most are under way, and they complete in order.
// A descriptor that is refused starts nothing: when those before it are complete its error goes to the registers, and the ring stands
// still until they are cleared.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_descriptor.vh"
module operation_controller #(
  parameter CHANNELS = `DUPLEX_CHANNELS
) (
  input wire clk_i,
  input wire rst_ni,
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
  output wire [511:0] job_o,       // descriptor of the job that was started last
  output wire job_parity_o,
  output wire job_start_o,         // it changes, before any channel has it
  output wire [CHANNELS-1:0] job_valid_o,
  output wire [4:0] job_channel_o,
  output wire [23:0] job_count_o,
  output wire [16:0] job_tag_o,
  output wire broadcast_start_o,
  input wire front_busy_i,         // any channel reads or multiplies, or the broadcast is busy
  input wire older_busy_i,         // results of the job before the last one have still to be written
  input wire work_busy_i,          // anything at all
  output wire [1:0] complete_o     // the job of this parity is complete
);
  localparam [1:0] IDLE = 2'd0, FETCH = 2'd1, CHECK = 2'd2, READY = 2'd3;
  localparam [1:0] WAIT = 2'd0, FIRST = 2'd1, DISPATCH = 2'd2, START = 2'd3;
  localparam [31:0] LAST_CHANNEL = CHANNELS - 1;

  // ---- the next descriptor
  reg [1:0] next_q;
  reg [511:0] job_q;
  wire check_done, launch, refuse;
  wire [7:0] code;
  wire [10:0] tiles_each;
  wire [5:0] tiles_extra;

  descriptor_check #(.CHANNELS(CHANNELS)) check (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(next_q == FETCH && fetch_done_i), .descriptor_i(descriptor_i), .owner_i(owner_i),
    .done_o(check_done), .code_o(code), .address_o(error_address_o), .tiles_each_o(tiles_each), .tiles_extra_o(tiles_extra)
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
        CHECK: if (check_done) next_q <= READY;
        default: if (launch || refuse) next_q <= IDLE;
      endcase
      fetched_q <= next_q == FETCH && fetch_done_i;
      error_q <= refuse;
    end
  end

  // ---- jobs under way. Busy signals are up to two clocks late, so that a state holds when it was seen for four clocks.
  reg [1:0] state_q, flight_q;      // flight_q: jobs under way
  reg parity_q;                     // of the last one
  reg [1:0] interrupt_q;            // INTERRUPT bits, by parity
  reg [2:0] quiet_q, older_q, front_q;
  wire settled = state_q == WAIT;
  wire quiet = quiet_q[2] && settled, older_done = older_q[2] && settled, front_done = front_q[2] && settled;
  wire load = descriptor_i[`DUPLEX_DESC_OPCODE] == 8'd1;
  wire job_load = job_q[`DUPLEX_DESC_OPCODE] == 8'd1;
  wire chain = descriptor_i[`DUPLEX_DESC_CHAIN] && !(load && job_load);
  wire completed = flight_q != 2'd0 && (flight_q[1] ? older_done : quiet);
  assign launch = next_q == READY && code == 8'd0 && settled && !completed &&
                  (flight_q == 2'd0 || (chain && flight_q == 2'd1 && front_done));
  assign refuse = next_q == READY && code != 8'd0 && settled && flight_q == 2'd0;

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
  reg [5:0] channel_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= WAIT;
      flight_q <= 2'd0;
      parity_q <= 1'b0;
      completed_q <= 1'b0;
      complete_q <= 2'b00;
    end else begin
      case (state_q)
        WAIT: if (launch) state_q <= FIRST;
        FIRST: state_q <= DISPATCH;
        DISPATCH: if (channel_q == LAST_CHANNEL[5:0]) state_q <= START;
        default: state_q <= WAIT;
      endcase
      if (launch) flight_q <= flight_q + 2'd1;
      else if (completed) flight_q <= flight_q - 2'd1;
      if (launch) parity_q <= !parity_q;
      completed_q <= completed;
      complete_q <= completed ? (oldest ? 2'b10 : 2'b01) : 2'b00;
    end
    completed_interrupt_q <= interrupt_q[oldest];
    if (launch) begin
      job_q <= descriptor_i;
      interrupt_q[!parity_q] <= descriptor_i[`DUPLEX_DESC_INTERRUPT];
    end
  end

  // ---- share of one channel a clock
  wire [23:0] channel_rows = job_q[`DUPLEX_DESC_CHANNEL_ROWS];
  reg [10:0] tiles_each_q;
  reg [5:0] tiles_extra_q;
  reg [27:0] rows_left_q;
  reg [16:0] tag_q, job_tag_q, tag_step_q;
  reg [4:0] job_channel_q;
  reg [CHANNELS-1:0] select_q, job_valid_q;
  reg [23:0] job_count_q;
  wire whole = rows_left_q >= {4'd0, channel_rows};

  always @(posedge clk_i) begin
    if (launch) begin
      tiles_each_q <= tiles_each;
      tiles_extra_q <= tiles_extra;
    end
    if (state_q == FIRST) begin
      rows_left_q <= job_q[`DUPLEX_DESC_ROWS];
      tag_q <= job_q[`DUPLEX_DESC_DST_ADDRESS];
      tag_step_q <= job_load ? 17'd64 : job_q[`DUPLEX_DESC_GATED] ? channel_rows[17:1] : channel_rows[16:0];
      channel_q <= 6'd0;
      select_q <= 1;
    end else if (state_q == DISPATCH) begin
      rows_left_q <= whole ? rows_left_q - {4'd0, channel_rows} : 28'd0;
      tag_q <= tag_q + tag_step_q;
      channel_q <= channel_q + 6'd1;
      select_q <= select_q << 1;
    end
    job_valid_q <= rst_ni && state_q == DISPATCH ? select_q : 0;
    job_tag_q <= tag_q;
    job_channel_q <= channel_q[4:0];
    if (job_load) job_count_q <= {13'd0, tiles_each_q} + {23'd0, channel_q < tiles_extra_q};
    else job_count_q <= whole ? channel_rows : rows_left_q[23:0];
  end

  assign busy_o = next_q != IDLE || flight_q != 2'd0 || completed_q;
  assign fetched_o = fetched_q;
  assign completed_o = completed_q;
  assign interrupt_o = completed_interrupt_q;
  assign error_o = error_q;
  assign error_code_o = code;
  assign error_tag_o = descriptor_i[`DUPLEX_DESC_TAG];
  assign fetch_o = next_q == IDLE && run_i && !error_q;
  assign job_o = job_q;
  assign job_parity_o = parity_q;
  assign job_start_o = state_q == FIRST;
  assign job_valid_o = job_valid_q;
  assign job_channel_o = job_channel_q;
  assign job_count_o = job_count_q;
  assign job_tag_o = job_tag_q;
  assign broadcast_start_o = state_q == START && !job_load;
  assign complete_o = complete_q;
endmodule
`default_nettype wire
