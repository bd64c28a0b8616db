// Takes descriptors from the ring one after another: fetch, check, hand the job to the channels (one channel a clock), start the
// broadcast, wait until every channel, the broadcast and the result bus are quiet, count it as completed.
// A descriptor that is refused starts nothing: its error goes to the registers, and the ring stands still until they are cleared.
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
  // Channels: the common fields of a job are those of descriptor_i
  output wire [CHANNELS-1:0] job_valid_o,
  output wire [23:0] job_count_o,
  output wire [16:0] job_tag_o,
  output wire broadcast_start_o,
  input wire work_busy_i           // any channel, broadcast, result bus or activation unit
);
  localparam [2:0] IDLE = 3'd0, FETCH = 3'd1, CHECK = 3'd2, FIRST = 3'd3, DISPATCH = 3'd4, START = 3'd5, WORK = 3'd6, END = 3'd7;
  localparam [31:0] LAST_CHANNEL = CHANNELS - 1;

  reg [2:0] state_q;
  reg error_q, completed_q, fetched_q, quiet_q;
  wire check_done;
  wire [7:0] code;
  wire [10:0] tiles_each;
  wire [5:0] tiles_extra;

  descriptor_check #(.CHANNELS(CHANNELS)) check (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(state_q == FETCH && fetch_done_i), .descriptor_i(descriptor_i), .owner_i(owner_i),
    .done_o(check_done), .code_o(code), .address_o(error_address_o), .tiles_each_o(tiles_each), .tiles_extra_o(tiles_extra)
  );

  // Share of one channel a clock.
  wire load = descriptor_i[`DUPLEX_DESC_OPCODE] == 8'd1;
  wire gated = descriptor_i[`DUPLEX_DESC_GATED];
  wire [23:0] channel_rows = descriptor_i[`DUPLEX_DESC_CHANNEL_ROWS];
  wire [16:0] dst_address = descriptor_i[`DUPLEX_DESC_DST_ADDRESS];
  reg [27:0] rows_left_q;
  reg [16:0] tag_q, job_tag_q, tag_step_q;
  reg [5:0] channel_q;
  reg [CHANNELS-1:0] select_q, job_valid_q;
  reg [23:0] job_count_q;
  wire whole = rows_left_q >= {4'd0, channel_rows};

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
      error_q <= 1'b0;
      completed_q <= 1'b0;
      fetched_q <= 1'b0;
      job_valid_q <= 0;
    end else begin
      case (state_q)
        IDLE: if (run_i) state_q <= FETCH;
        FETCH: if (fetch_done_i) state_q <= CHECK;
        CHECK: if (check_done) state_q <= code == 8'd0 ? FIRST : END;
        FIRST: state_q <= DISPATCH;
        DISPATCH: if (channel_q == LAST_CHANNEL[5:0]) state_q <= START;
        START: state_q <= WORK;
        WORK: if (quiet_q) state_q <= END;
        default: state_q <= IDLE;
      endcase
      fetched_q <= state_q == FETCH && fetch_done_i;
      error_q <= state_q == CHECK && check_done && code != 8'd0;
      completed_q <= state_q == WORK && quiet_q;
      job_valid_q <= state_q == DISPATCH ? select_q : 0;
    end
  end

  // Busy signals are up to two clocks late, so work is over when it was quiet for four.
  reg [2:0] quiet_count_q;
  always @(posedge clk_i) begin
    if (state_q != WORK || work_busy_i) quiet_count_q <= 3'd0;
    else if (!quiet_count_q[2]) quiet_count_q <= quiet_count_q + 3'd1;
    quiet_q <= quiet_count_q[2] && state_q == WORK && !quiet_q;
  end

  always @(posedge clk_i) begin
    if (state_q == FIRST) begin
      rows_left_q <= descriptor_i[`DUPLEX_DESC_ROWS];
      tag_q <= dst_address;
      tag_step_q <= load ? 17'd64 : gated ? channel_rows[17:1] : channel_rows[16:0];
      channel_q <= 6'd0;
      select_q <= 1;
    end else if (state_q == DISPATCH) begin
      rows_left_q <= whole ? rows_left_q - {4'd0, channel_rows} : 28'd0;
      tag_q <= tag_q + tag_step_q;
      channel_q <= channel_q + 6'd1;
      select_q <= select_q << 1;
    end
    job_tag_q <= tag_q;
    if (load) job_count_q <= {13'd0, tiles_each} + {23'd0, channel_q < tiles_extra};
    else job_count_q <= whole ? channel_rows : rows_left_q[23:0];
  end

  assign busy_o = state_q != IDLE;
  assign fetched_o = fetched_q;
  assign completed_o = completed_q;
  assign interrupt_o = descriptor_i[`DUPLEX_DESC_INTERRUPT];
  assign error_o = error_q;
  assign error_code_o = code;
  assign error_tag_o = descriptor_i[`DUPLEX_DESC_TAG];
  assign fetch_o = state_q == IDLE && run_i;
  assign job_valid_o = job_valid_q;
  assign job_count_o = job_count_q;
  assign job_tag_o = job_tag_q;
  assign broadcast_start_o = state_q == START && !load;
endmodule
`default_nettype wire
