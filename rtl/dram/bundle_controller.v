// SPDX-License-Identifier: Apache-2.0
// DRAM controller of one channel: masked commands to whole bundles, streams of columns in order, result
// columns in between.
//
// Ports and their protocol: docs/architecture.md, "Ports of the bundle controller"; DRAM pins and timing
// rules there too; policy and figures: docs/dram.md. Three row sets of the streams are known ahead
// (row_set_queue): while one is read, the next ones are opened in their bundles (row_scheduler). Writes wait
// so that several go at once: they take over when the stream cannot go on; if they are urgent, or have waited
// for WRITE_PATIENCE clocks, as soon as their row is open, which it gets between two row sets of its bundle,
// or after WRITE_WAIT clocks; if they must go now, in any case. They keep the bus until none came for
// WRITE_LINGER clocks, or for WRITE_TURN clocks if the stream can go on; one every WRITE_LATENCY + 3 clocks.
// Neither side is sent away before it was served, so that neither starves.
// Latency: RD on the pins 3 clocks after its bundle is open at the earliest; data on read_beat_o in the clock
// in which they are on the pins.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_dram.vh"
`include "duplex_records.vh"
module bundle_controller #(
  parameter READ_CREDITS = 16
) (
  input wire clk_i,
  input wire rst_ni,
  // Registers
  input wire [3:0] owner_i,          // bundles of Logic-PIM; the others get no command
  output wire [3:0] open_o,          // bundles with open rows; given away, they are closed first
  input wire strict_i,               // activation rule
  // The xPU
  // the xPU would activate (bits 0 and 1, by rank) or refresh (2 and 3) a bank
  input wire [3:0] xpu_row_request_i,
  output wire [3:0] xpu_row_grant_o,
  input wire [3:0] xpu_ref_i,        // the xPU has refreshed all banks of the bundle
  // Streams of reads
  input wire read_valid_i,
  output wire read_ready_o,
  input wire [15:0] read_base_i,
  input wire [3:0] read_stripe_i,
  input wire [16:0] read_columns_i,
  input wire [READ_RUNS_BITS-1:0] read_runs_i,   // read_runs_t
  output wire read_beat_valid_o,
  output wire [8*`DUPLEX_BEAT_BYTES-1:0] read_beat_o,
  input wire read_credit_i,
  // Writes
  input wire write_valid_i,
  input wire write_urgent_i,         // the writer's room becomes scarce
  input wire write_now_i,            // it stands still, or somebody waits for its end
  output wire write_ready_o,
  input wire [16+`DUPLEX_COLUMN_BITS-1:0] write_column_i,
  input wire [3:0] write_stripe_i,
  input wire [8*`DUPLEX_COLUMN_BYTES-1:0] write_data_i,
  // State
  output wire idle_o,
  // DRAM pins
  output wire dram_row_valid_o,
  output wire [1:0] dram_row_command_o,
  output wire [1:0] dram_row_bundle_o,
  output wire [7:0] dram_row_mask_o,
  output wire [13:0] dram_row_address_o,
  output reg dram_column_valid_o,
  output reg dram_column_write_o,
  output reg [1:0] dram_column_bundle_o,
  output wire [7:0] dram_column_mask_o,
  output reg [`DUPLEX_COLUMN_BITS-1:0] dram_column_address_o,
  output wire [8*`DUPLEX_BEAT_BYTES-1:0] dram_write_data_o,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] dram_read_data_i
);
  localparam READ_LATENCY = (`DRAM_NCL + `DRAM_NBL + 1) / 2;
  localparam WRITE_LATENCY = (`DRAM_NCWL + 1) / 2;
  // Columns before the end of a row set from which the xPU's activations would be in the way of the next
  // row's.
  localparam [31:0] LAST = `DUPLEX_COLUMNS - 1;
  localparam [31:0] FAW = (`DRAM_NFAW + 1) / 2, PRE_ACT = (`DRAM_NRTP + 1) / 2 + (`DRAM_NRP + 1) / 2;
  localparam [31:0] SOON_32 = FAW > PRE_ACT ? LAST - (FAW - PRE_ACT + 1) / 2 : LAST;
  localparam [`DUPLEX_COLUMN_BITS-1:0] SOON = SOON_32[`DUPLEX_COLUMN_BITS-1:0];
  localparam [11:0] WRITE_PATIENCE = 12'd4000;
  localparam [7:0] WRITE_WAIT = 8'd255;
  localparam [7:0] WRITE_TURN = 8'd100;
  localparam [3:0] WRITE_LINGER = 4'd7;

  assign dram_column_mask_o = 8'hff;

  wire [2:0] slot_valid;
  wire [5:0] slot_bundle;
  wire [41:0] slot_row;
  wire [`DUPLEX_COLUMN_BITS-1:0] last_column;
  wire read_runs_t runs;
  wire stream_end, queue_busy, pop;
  row_set_queue row_set_queue (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .read_valid_i(read_valid_i),
    .read_ready_o(read_ready_o),
    .read_base_i(read_base_i),
    .read_stripe_i(read_stripe_i),
    .read_columns_i(read_columns_i),
    .read_runs_i(read_runs_i),
    .pop_i(pop),
    .valid_o(slot_valid),
    .bundle_o(slot_bundle),
    .row_o(slot_row),
    .last_column_o(last_column),
    .runs_o(runs),
    .end_o(stream_end),
    .busy_o(queue_busy)
  );

  // ---- the column to write
  wire [1:0] write_bundle;
  wire [13:0] write_row;
  stripe_map write_map (
    .clk_i(clk_i),
    .row_set_i(write_column_i[`DUPLEX_COLUMN_BITS +: 16]),
    .stripe_i(write_stripe_i),
    .bundle_o(write_bundle),
    .row_o(write_row)
  );
  reg write_known_q;   // write_bundle and write_row are those of the column that waits
  reg write_mode_q;    // the column commands belong to the writes
  reg served_q;        // a column command was given since that changed
  reg [11:0] patience_q;
  reg impatient_q;     // it is over
  reg [7:0] urgent_q;  // clocks left to wait for the row
  reg [3:0] linger_q;
  reg [7:0] turn_q;
  reg [$clog2(READ_CREDITS+1)-1:0] credits_q;
  wire rd_go, wr_go;
  wire read_blocked = !slot_valid[0] || credits_q == 0;

  wire write_open;     // the row of the write is open
  wire hurry = write_urgent_i || impatient_q;
  wire ripe = write_now_i || (hurry && (write_open || urgent_q == 8'd0));
  wire to_write = write_known_q && (read_blocked || (ripe && served_q));
  wire to_read = linger_q == 4'd0 || (!read_blocked && turn_q == 8'd0 && served_q);
  wire write_mode_next = write_mode_q ? !to_read : to_write;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      write_known_q <= 1'b0;
      write_mode_q <= 1'b0;
    end else begin
      write_known_q <= write_valid_i && !wr_go;
      write_mode_q <= write_mode_next;
    end
    served_q <= write_mode_next == write_mode_q && (served_q || rd_go || wr_go);
    patience_q <= write_mode_q || !write_known_q ? WRITE_PATIENCE
        : patience_q == 12'd0 ? 12'd0
        : patience_q - 12'd1;
    impatient_q <= !write_mode_q && write_known_q && patience_q <= 12'd1;
    urgent_q <= write_mode_q || !write_known_q || !hurry ? WRITE_WAIT
        : urgent_q == 8'd0 ? 8'd0
        : urgent_q - 8'd1;
    turn_q <= !write_mode_q ? WRITE_TURN : turn_q == 8'd0 ? 8'd0 : turn_q - 8'd1;
    linger_q <= write_valid_i || !write_mode_q ? WRITE_LINGER : linger_q - 4'd1;
  end

  // ---- rows
  wire write_here = write_mode_q && write_known_q;
  wire [3:0] rd_open, wr_open;
  reg [`DUPLEX_COLUMN_BITS-1:0] column_q;  // next one of slot 0
  reg started_q;
  wire [1:0] rd_bundle = slot_bundle[1:0];
  row_scheduler row_scheduler (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .owner_i(owner_i),
    .open_o(open_o),
    .strict_i(strict_i),
    .xpu_row_request_i(xpu_row_request_i),
    .xpu_row_grant_o(xpu_row_grant_o),
    .xpu_ref_i(xpu_ref_i),
    .settled_i(slot_valid[2] || !queue_busy),
    .slot_valid_i(slot_valid),
    .slot_bundle_i(slot_bundle),
    .slot_row_i(slot_row),
    .started_i(started_q),
    .late_i(column_q[`DUPLEX_COLUMN_BITS-1]),
    .soon_i(column_q >= SOON),
    .pop_i(pop),
    .write_valid_i(write_here),
    .write_ahead_i(write_known_q && hurry),
    .write_bundle_i(write_bundle),
    .write_row_i(write_row),
    .rd_i({4{rd_go}} & (4'd1 << rd_bundle)),
    .wr_i({4{wr_go}} & (4'd1 << write_bundle)),
    .rd_open_o(rd_open),
    .wr_open_o(wr_open),
    .dram_row_valid_o(dram_row_valid_o),
    .dram_row_command_o(dram_row_command_o),
    .dram_row_bundle_o(dram_row_bundle_o),
    .dram_row_mask_o(dram_row_mask_o),
    .dram_row_address_o(dram_row_address_o)
  );

  // ---- columns
  // What the last command leaves to wait, in clocks: reads of the rank of the last command, of the other one.
  localparam [4:0] RD_RD = (`DRAM_NCCDL + 1) / 2 - 1;
  localparam [4:0] RD_RD_SWITCH = (`DRAM_NCCDL + `DRAM_NRTR + 1) / 2 - 1;
  localparam [4:0] RD_WR = (`DRAM_NRTW + `DRAM_NRTR + 1) / 2 - 1;
  localparam [4:0] WR_RD = (`DRAM_NCWL + `DRAM_NBL + `DRAM_NWTRL + 1) / 2 - 1;
  localparam [4:0] WR_WR = WRITE_LATENCY + 2;  // the data of a column leave before the next one is taken
  reg [4:0] rd_same_q, rd_other_q, wr_wait_q;
  reg last_rank_q;
  wire rd_bus = rd_bundle[1] == last_rank_q ? rd_same_q == 5'd0 : rd_other_q == 5'd0;
  assign rd_go = !write_mode_q && slot_valid[0] && rd_open[rd_bundle] && rd_bus && credits_q != 0;
  assign wr_go = write_here && wr_open[write_bundle] && wr_wait_q == 5'd0;
  // The column behind this one; at the end of a run the first one of the next run, perhaps in the next row
  // set: no row set is passed over.
  reg fresh_q;                                   // column_q is the first one of its stream
  reg [`DUPLEX_COLUMN_BITS:0] run_left_q;        // columns of the run behind column_q
  wire [`DUPLEX_COLUMN_BITS:0] run_left =
      fresh_q ? {1'b0, runs.length} + {{`DUPLEX_COLUMN_BITS{1'b0}}, runs.header} : run_left_q;
  wire run_ends = run_left == 0;
  wire [`DUPLEX_COLUMN_BITS:0] next_column = {1'b0, column_q} + 1'b1 +
      {1'b0, {`DUPLEX_COLUMN_BITS{run_ends}} & runs.skip};
  wire stream_ends = stream_end && column_q == last_column;
  assign pop = rd_go && (stream_ends || next_column[`DUPLEX_COLUMN_BITS]);
  assign write_ready_o = wr_go;
  assign write_open = wr_open[write_bundle];

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      rd_same_q <= '0;
      rd_other_q <= '0;
      wr_wait_q <= '0;
      credits_q <= READ_CREDITS;
      column_q <= '0;
      started_q <= 1'b0;
      fresh_q <= 1'b1;
    end else begin
      rd_same_q <= rd_go ? RD_RD : wr_go ? WR_RD : rd_same_q == 5'd0 ? 5'd0 : rd_same_q - 5'd1;
      rd_other_q <= rd_go ? RD_RD_SWITCH : wr_go ? WR_RD : rd_other_q == 5'd0 ? 5'd0 : rd_other_q - 5'd1;
      wr_wait_q <= rd_go ? RD_WR : wr_go ? WR_WR : wr_wait_q == 5'd0 ? 5'd0 : wr_wait_q - 5'd1;
      if (rd_go && !read_credit_i) credits_q <= credits_q - 1'b1;
      else if (!rd_go && read_credit_i) credits_q <= credits_q + 1'b1;
      if (rd_go) column_q <= stream_ends ? 0 : next_column[`DUPLEX_COLUMN_BITS-1:0];
      if (rd_go) started_q <= !pop;
      if (rd_go) fresh_q <= stream_ends;
    end
    if (rd_go) run_left_q <= run_ends ? {1'b0, runs.length} : run_left - 1'b1;
    if (rd_go || wr_go) last_rank_q <= rd_go ? rd_bundle[1] : write_bundle[1];
    dram_column_valid_o <= rst_ni && (rd_go || wr_go);
    dram_column_write_o <= wr_go;
    dram_column_bundle_o <= ({2{rd_go}} & rd_bundle) | ({2{wr_go}} & write_bundle);
    dram_column_address_o <= ({`DUPLEX_COLUMN_BITS{rd_go}} & column_q) |
        ({`DUPLEX_COLUMN_BITS{wr_go}} & write_column_i[`DUPLEX_COLUMN_BITS-1:0]);
  end

  // ---- data: the command is on the pins one clock after rd_go or wr_go
  reg [READ_LATENCY+1:0] read_q;
  reg [WRITE_LATENCY+1:0] write_q;
  reg [8*`DUPLEX_COLUMN_BYTES-1:0] write_data_q;
  always @(posedge clk_i) begin
    read_q <= rst_ni ? {read_q[READ_LATENCY:0], rd_go} : '0;
    write_q <= rst_ni ? {write_q[WRITE_LATENCY:0], wr_go} : '0;
    if (wr_go) write_data_q <= write_data_i;
  end
  assign read_beat_valid_o = read_q[READ_LATENCY] || read_q[READ_LATENCY+1];
  assign read_beat_o = dram_read_data_i;
  // Zero but for the two clocks of a write's beats: pins that nobody looks at are known, too.
  assign dram_write_data_o =
      ({8*`DUPLEX_BEAT_BYTES{write_q[WRITE_LATENCY]}} & write_data_q[8*`DUPLEX_BEAT_BYTES-1:0]) |
      ({8*`DUPLEX_BEAT_BYTES{write_q[WRITE_LATENCY+1]}} &
          write_data_q[8*`DUPLEX_BEAT_BYTES +: 8*`DUPLEX_BEAT_BYTES]);

  assign idle_o = !queue_busy && slot_valid == 3'd0 && read_q == 0 && !write_valid_i && write_q == 0;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert ($onehot0({rd_go, wr_go}));
      assert (credits_q <= READ_CREDITS);
    end
  end
`endif

`ifdef DUPLEX_ASSERT
  handshake_check #(.WIDTH(16 + 4 + 17 + READ_RUNS_BITS)) read_check (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(read_valid_i),
    .ready_i(read_ready_o),
    .payload_i({read_base_i, read_stripe_i, read_columns_i, read_runs_i})
  );
  handshake_check #(.WIDTH(21 + 4)) write_check (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(write_valid_i),
    .ready_i(write_ready_o),
    .payload_i({write_column_i, write_stripe_i})
  );
`endif
endmodule
`default_nettype wire
