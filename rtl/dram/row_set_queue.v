// SPDX-License-Identifier: Apache-2.0
// Streams of columns cut into row sets: queue of the next three, the first of which is being read.
//
// A stream (read_*, docs/architecture.md "Ports of the bundle controller") begins at column 0 of a logical
// row set; its row sets follow the stripe set. The next stream is taken when the last row set of this one has
// entered the queue. Slot s of a vector is row set s of the queue. Latency: 3 clocks from a stream that is
// taken to its first row set in an empty queue.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_records.vh"
module row_set_queue (
  input wire clk_i,
  input wire rst_ni,
  // Stream of reads
  input wire read_valid_i,
  output wire read_ready_o,
  input wire [15:0] read_base_i,     // logical row set
  input wire [3:0] read_stripe_i,
  input wire [16:0] read_columns_i,  // 1 or more
  input wire [READ_RUNS_BITS-1:0] read_runs_i,
  // Row sets, slot 0 first
  input wire pop_i,                  // drop slot 0
  output reg [2:0] valid_o,
  output reg [3*2-1:0] bundle_o,
  output reg [3*14-1:0] row_o,
  output wire [`DUPLEX_COLUMN_BITS-1:0] last_column_o,   // last column of slot 0
  output wire [READ_RUNS_BITS-1:0] runs_o,               // of the stream of slot 0
  output wire end_o,                                     // slot 0 is the stream's last row set
  output wire busy_o                 // row sets have still to enter, or a stream is offered
);
  localparam BITS = `DUPLEX_COLUMN_BITS;  // of a column
  localparam MARKS = 1 + READ_RUNS_BITS + BITS;  // of a slot: end, runs, last column
  localparam [16:0] COLUMNS = `DUPLEX_COLUMNS;
  reg map_q, stream_q;  // a base is being mapped; row sets are left to enter
  reg [16:0] left_q;    // columns that have not entered
  reg [3:0] stripe_q;
  reg [READ_RUNS_BITS-1:0] runs_q;
  reg [1:0] bundle_q;   // of the row set that enters next
  reg [13:0] row_q;
  reg [3*MARKS-1:0] marks_q;  // of the slots
  wire [1:0] base_bundle;
  wire [13:0] base_row;
  stripe_map stripe_map (
    .clk_i(clk_i),
    .row_set_i(read_base_i),
    .stripe_i(read_stripe_i),
    .bundle_o(base_bundle),
    .row_o(base_row)
  );

  // The bundle after this one in the mask; after the last one the next row begins.
  wire [1:0] first_bundle = stripe_q[0] ? 2'd0 : stripe_q[1] ? 2'd1 : stripe_q[2] ? 2'd2 : 2'd3;
  wire to1 = bundle_q == 2'd0 && stripe_q[1];
  wire to2 = !bundle_q[1] && stripe_q[2];
  wire to3 = bundle_q != 2'd3 && stripe_q[3];
  wire wraps = !(to1 || to2 || to3);
  wire [1:0] next_bundle = to1 ? 2'd1 : to2 ? 2'd2 : to3 ? 2'd3 : first_bundle;

  wire take = read_valid_i && read_ready_o;
  wire push = stream_q && !valid_o[2];
  wire last_push = left_q <= COLUMNS;
  wire [BITS-1:0] push_last = last_push ? left_q[BITS-1:0] - 1'b1 : {BITS{1'b1}};

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      map_q <= 1'b0;
      stream_q <= 1'b0;
    end else begin
      map_q <= take;
      if (map_q) stream_q <= 1'b1;
      else if (push && last_push) stream_q <= 1'b0;
    end
    if (take) begin
      left_q <= read_columns_i;
      stripe_q <= read_stripe_i;
      runs_q <= read_runs_i;
    end else if (push) begin
      left_q <= left_q - COLUMNS;
    end
    if (map_q) begin
      bundle_q <= base_bundle;
      row_q <= base_row;
    end else if (push) begin
      bundle_q <= next_bundle;
      row_q <= row_q + {13'd0, wraps};
    end
  end

  // A row set enters behind the last valid slot, after the move of a pop in the same clock.
  wire [2:0] moved = pop_i ? {1'b0, valid_o[2:1]} : valid_o;
  wire [2:0] enter = {push && moved[1], push && moved[0] && !moved[1], push && !moved[0]};
  wire [16+MARKS-1:0] entering = {last_push, runs_q, push_last, bundle_q, row_q};
  wire [16+MARKS-1:0] slot1 = {marks_q[MARKS +: MARKS], bundle_o[3:2], row_o[27:14]};
  wire [16+MARKS-1:0] slot2 = {marks_q[2*MARKS +: MARKS], bundle_o[5:4], row_o[41:28]};
  always @(posedge clk_i) begin
    valid_o <= rst_ni ? moved | enter : 3'd0;
    if (enter[0] || pop_i) {marks_q[MARKS-1:0], bundle_o[1:0], row_o[13:0]} <= enter[0] ? entering : slot1;
    if (enter[1] || pop_i)
      {marks_q[MARKS +: MARKS], bundle_o[3:2], row_o[27:14]} <= enter[1] ? entering : slot2;
    if (enter[2]) {marks_q[2*MARKS +: MARKS], bundle_o[5:4], row_o[41:28]} <= entering;
  end

  assign read_ready_o = !map_q && !stream_q;
  assign last_column_o = marks_q[BITS-1:0];
  assign runs_o = marks_q[BITS +: READ_RUNS_BITS];
  assign end_o = marks_q[MARKS-1];
  assign busy_o = map_q || stream_q || read_valid_i;
endmodule
`default_nettype wire
