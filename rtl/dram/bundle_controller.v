// DRAM controller of one channel: masked commands to whole bundles, streams of columns in order, result columns in between.
//
// Ports and their protocol: docs/architecture.md, "Ports of the bundle controller"; DRAM pins and timing rules there too.
// Three row sets of the stream are known ahead: while one is read, the next ones are opened in their bundles. A bundle that none of
// them needs is refreshed as soon as it is due; an urgent refresh makes the stream wait. Writes take over when the stream cannot go
// on, or after WRITE_PATIENCE clocks, and keep the bus until none came for WRITE_LINGER clocks.
// Latency: RD on the pins 3 clocks after its bundle is open at the earliest; data on read_beat_o in the clock in which it is on the pins.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_dram.vh"
module bundle_controller #(
    parameter READ_CREDITS = 16
) (
    input  wire                           clk_i,
    input  wire                           rst_ni,
    input  wire [                    3:0] owner_i,
    input  wire                           read_valid_i,
    output wire                           read_ready_o,
    input  wire [                   15:0] read_base_i,
    input  wire [                    3:0] read_stripe_i,
    input  wire [                   16:0] read_columns_i,
    output wire                           read_beat_valid_o,
    output wire [8*`DUPLEX_BEAT_BYTES-1:0] read_beat_o,
    input  wire                           read_credit_i,
    input  wire                           write_valid_i,
    output wire                           write_ready_o,
    input  wire [                   20:0] write_column_i,
    input  wire [                    3:0] write_stripe_i,
    input  wire [                 2047:0] write_data_i,
    output wire                           idle_o,
    output reg                            dram_row_valid_o,
    output reg  [                    1:0] dram_row_command_o,
    output reg  [                    1:0] dram_row_bundle_o,
    output wire [                    7:0] dram_row_mask_o,
    output reg  [                   13:0] dram_row_address_o,
    output reg                            dram_column_valid_o,
    output reg                            dram_column_write_o,
    output reg  [                    1:0] dram_column_bundle_o,
    output wire [                    7:0] dram_column_mask_o,
    output reg  [                    4:0] dram_column_address_o,
    output wire [8*`DUPLEX_BEAT_BYTES-1:0] dram_write_data_o,
    input  wire [8*`DUPLEX_BEAT_BYTES-1:0] dram_read_data_i
);
  localparam ACT = 2'd0, PRE = 2'd1, REF = 2'd2;
  localparam READ_LATENCY = (`DRAM_NCL + `DRAM_NBL + 1) / 2;
  localparam WRITE_LATENCY = (`DRAM_NCWL + 1) / 2;
  localparam [5:0] WRITE_PATIENCE = 6'd40;
  localparam [3:0] WRITE_LINGER = 4'd14;

  assign dram_row_mask_o    = 8'hff;
  assign dram_column_mask_o = 8'hff;

  // ---- the stream: where it begins, then one row set after the other
  reg map_q, stream_q;  // mapping the base; row sets left to hand out
  reg [16:0] left_q;
  reg [ 3:0] stripe_q;
  reg [ 1:0] stream_bundle_q;
  reg [13:0] stream_row_q;
  wire [1:0] base_bundle;
  wire [13:0] base_row;
  stripe_map read_map (
      .clk_i    (clk_i),
      .row_set_i(read_base_i),
      .stripe_i (read_stripe_i),
      .bundle_o (base_bundle),
      .row_o    (base_row)
  );
  wire take_stream = read_valid_i && read_ready_o;
  assign read_ready_o = !map_q && !stream_q;

  // The bundle after this one in the mask; after the last one the next row begins.
  wire [1:0] first_bundle = stripe_q[0] ? 2'd0 : stripe_q[1] ? 2'd1 : stripe_q[2] ? 2'd2 : 2'd3;
  wire to1 = stream_bundle_q == 2'd0 && stripe_q[1];
  wire to2 = !stream_bundle_q[1] && stripe_q[2];
  wire to3 = stream_bundle_q != 2'd3 && stripe_q[3];
  wire next_wraps = !(to1 || to2 || to3);
  wire [1:0] next_bundle = to1 ? 2'd1 : to2 ? 2'd2 : to3 ? 2'd3 : first_bundle;

  // ---- row sets: slot 0 is being read, slots 1 and 2 come next
  reg [2:0] slot_valid_q;
  reg [1:0] slot_bundle0_q, slot_bundle1_q, slot_bundle2_q;
  reg [13:0] slot_row0_q, slot_row1_q, slot_row2_q;
  reg [4:0] slot_last0_q, slot_last1_q, slot_last2_q;  // last column to read
  reg [4:0] column_q;
  reg started_q;
  wire pop;
  wire push = stream_q && !slot_valid_q[2];
  wire last_push = left_q <= 17'd32;
  wire [4:0] push_last = last_push ? left_q[4:0] - 5'd1 : 5'd31;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      map_q    <= 1'b0;
      stream_q <= 1'b0;
    end else begin
      map_q <= take_stream;
      if (map_q) stream_q <= 1'b1;
      else if (push && last_push) stream_q <= 1'b0;
    end
    if (take_stream) begin
      left_q   <= read_columns_i;
      stripe_q <= read_stripe_i;
    end else if (push) left_q <= left_q - 17'd32;
    if (map_q) begin
      stream_bundle_q <= base_bundle;
      stream_row_q    <= base_row;
    end else if (push) begin
      stream_bundle_q <= next_bundle;
      stream_row_q    <= stream_row_q + {13'd0, next_wraps};
    end
  end

  // A push lands behind the last valid slot, after the move of a pop in the same clock.
  wire [2:0] moved = pop ? {1'b0, slot_valid_q[2:1]} : slot_valid_q;
  wire push0 = push && !moved[0];
  wire push1 = push && moved[0] && !moved[1];
  wire push2 = push && moved[1];
  always @(posedge clk_i) begin
    slot_valid_q <= rst_ni ? moved | {push2, push1, push0} : 3'd0;
    if (push0 || pop) begin
      slot_bundle0_q <= push0 ? stream_bundle_q : slot_bundle1_q;
      slot_row0_q    <= push0 ? stream_row_q : slot_row1_q;
      slot_last0_q   <= push0 ? push_last : slot_last1_q;
    end
    if (push1 || pop) begin
      slot_bundle1_q <= push1 ? stream_bundle_q : slot_bundle2_q;
      slot_row1_q    <= push1 ? stream_row_q : slot_row2_q;
      slot_last1_q   <= push1 ? push_last : slot_last2_q;
    end
    if (push2) begin
      slot_bundle2_q <= stream_bundle_q;
      slot_row2_q    <= stream_row_q;
      slot_last2_q   <= push_last;
    end
  end

  // ---- the column to write
  wire [1:0] write_bundle;
  wire [13:0] write_row;
  stripe_map write_map (
      .clk_i    (clk_i),
      .row_set_i(write_column_i[20:5]),
      .stripe_i (write_stripe_i),
      .bundle_o (write_bundle),
      .row_o    (write_row)
  );
  reg write_known_q;   // write_bundle and write_row are those of the column that waits
  reg write_mode_q;
  reg [5:0] patience_q;
  reg [3:0] linger_q;
  reg [2:0] write_beat_q;  // clocks until the write-data pins are free for the next column
  wire write_go;
  wire read_blocked = !slot_valid_q[0] || credits_q == 0;
  assign write_ready_o = write_go;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      write_known_q <= 1'b0;
      write_mode_q  <= 1'b0;
    end else begin
      write_known_q <= write_valid_i && !write_go;
      if (write_mode_q) write_mode_q <= linger_q != 4'd0;
      else write_mode_q <= write_known_q && (read_blocked || patience_q == 6'd0);
    end
    patience_q <= write_mode_q || !write_known_q ? WRITE_PATIENCE : patience_q == 6'd0 ? 6'd0 : patience_q - 6'd1;
    linger_q   <= write_valid_i || !write_mode_q ? WRITE_LINGER : linger_q - 4'd1;
  end

  // ---- bundles
  wire [3:0] open, act_ok, pre_ok, ref_ok, rd_ok, wr_ok, due, urgent;
  wire [55:0] rows;
  wire [3:0] act, pre, refresh;
  wire [3:0] rd, wr;
  wire [13:0] act_row;
  genvar b;
  generate
    for (b = 0; b < `DUPLEX_BUNDLES; b = b + 1) begin : bundle
      bundle_state #(
          .REFRESH_OFFSET(b * (`DRAM_NREFI / 8))
      ) state (
          .clk_i           (clk_i),
          .rst_ni          (rst_ni),
          .owned_i         (owner_i[b]),
          .act_i           (act[b]),
          .pre_i           (pre[b]),
          .ref_i           (refresh[b]),
          .rd_i            (rd[b]),
          .wr_i            (wr[b]),
          .row_i           (act_row),
          .open_o          (open[b]),
          .row_o           (rows[14*b+:14]),
          .act_ok_o        (act_ok[b]),
          .pre_ok_o        (pre_ok[b]),
          .ref_ok_o        (ref_ok[b]),
          .rd_ok_o         (rd_ok[b]),
          .wr_ok_o         (wr_ok[b]),
          .refresh_due_o   (due[b]),
          .refresh_urgent_o(urgent[b])
      );
    end
  endgenerate

  // What each bundle should do next: refresh, or open the row that is wanted first.
  wire write_here_valid = write_mode_q && write_known_q;
  wire [3:0] refresh_now;
  wire [3:0] wants_act, wants_pre, wants_ref;
  wire [55:0] wanted_rows;
  generate
    for (b = 0; b < `DUPLEX_BUNDLES; b = b + 1) begin : want
      wire in0 = slot_valid_q[0] && slot_bundle0_q == b;
      wire in1 = slot_valid_q[1] && slot_bundle1_q == b;
      wire in2 = slot_valid_q[2] && slot_bundle2_q == b;
      wire write_here = write_here_valid && write_bundle == b;
      wire [13:0] row = write_here ? write_row : in0 ? slot_row0_q : in1 ? slot_row1_q : slot_row2_q;
      wire valid = write_here || in0 || in1 || in2;
      wire busy = write_here || (in0 && started_q);
      assign refresh_now[b] = due[b] && !busy && (urgent[b] || !valid);
      wire wrong = open[b] && rows[14*b+:14] != row;
      assign wants_ref[b] = refresh_now[b] && !open[b] && ref_ok[b];
      assign wants_pre[b] = open[b] && pre_ok[b] && (refresh_now[b] || (valid && wrong));
      assign wants_act[b] = valid && !refresh_now[b] && !open[b] && act_ok[b] && rank_ok[b/2];
      assign wanted_rows[14*b+:14] = row;
    end
  endgenerate

  // One row command a clock, the lowest bundle first. ACTs of one rank keep nRRDL.
  localparam [3:0] RRD = (`DRAM_NRRDL + 1) / 2 - 1;
  reg [3:0] rank0_q, rank1_q;
  wire [1:0] rank_ok = {rank1_q == 4'd0, rank0_q == 4'd0};
  wire [3:0] wants = wants_act | wants_pre | wants_ref;
  wire [1:0] chosen = wants[0] ? 2'd0 : wants[1] ? 2'd1 : wants[2] ? 2'd2 : 2'd3;
  wire [3:0] grant = {wants[3] && wants[2:0] == 0, wants[2] && wants[1:0] == 0, wants[1] && !wants[0], wants[0]};
  assign act     = grant & wants_act;
  assign pre     = grant & wants_pre;
  assign refresh = grant & wants_ref;
  assign act_row = wanted_rows[14*chosen+:14];
  always @(posedge clk_i) begin
    rank0_q <= !rst_ni ? 4'd0 : |act[1:0] ? RRD : rank0_q == 4'd0 ? 4'd0 : rank0_q - 4'd1;
    rank1_q <= !rst_ni ? 4'd0 : |act[3:2] ? RRD : rank1_q == 4'd0 ? 4'd0 : rank1_q - 4'd1;
    dram_row_valid_o   <= rst_ni && |wants;
    dram_row_command_o <= |act ? ACT : |pre ? PRE : REF;
    dram_row_bundle_o  <= chosen;
    dram_row_address_o <= act_row;
  end

  // ---- columns: one clock counts down for the rank of the last command and one for the other rank
  localparam [4:0] RD_RD = (`DRAM_NCCDL + 1) / 2 - 1;
  localparam [4:0] RD_RD_SWITCH = (`DRAM_NCCDL + `DRAM_NRTR + 1) / 2 - 1;
  localparam [4:0] RD_WR = (`DRAM_NRTW + `DRAM_NRTR + 1) / 2 - 1;
  localparam [4:0] WR_RD = (`DRAM_NCWL + `DRAM_NBL + `DRAM_NWTRL + 1) / 2 - 1;
  localparam [2:0] WR_WR = WRITE_LATENCY + 2;  // the data of a column leave before the next one is taken
  reg [4:0] rd_same_q, rd_other_q, wr_wait_q;
  reg last_rank_q;
  reg [$clog2(READ_CREDITS+1)-1:0] credits_q;

  wire [1:0] rd_bundle = slot_bundle0_q;
  wire rd_row_open = open[rd_bundle] && rows[14*rd_bundle+:14] == slot_row0_q && rd_ok[rd_bundle];
  wire rd_bus = rd_bundle[1] == last_rank_q ? rd_same_q == 5'd0 : rd_other_q == 5'd0;
  wire rd_go = !write_mode_q && slot_valid_q[0] && rd_row_open && rd_bus && credits_q != 0 && !refresh_now[rd_bundle];
  wire wr_row_open = open[write_bundle] && rows[14*write_bundle+:14] == write_row && wr_ok[write_bundle];
  assign write_go = write_here_valid && wr_row_open && wr_wait_q == 5'd0 && write_beat_q == 3'd0;
  assign pop = rd_go && column_q == slot_last0_q;
  assign rd = {3'd0, rd_go} << rd_bundle;
  assign wr = {3'd0, write_go} << write_bundle;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      rd_same_q    <= '0;
      rd_other_q   <= '0;
      wr_wait_q    <= '0;
      write_beat_q <= '0;
      credits_q    <= READ_CREDITS;
      column_q     <= '0;
      started_q    <= 1'b0;
    end else begin
      rd_same_q    <= rd_go ? RD_RD : write_go ? WR_RD : rd_same_q == 5'd0 ? 5'd0 : rd_same_q - 5'd1;
      rd_other_q   <= rd_go ? RD_RD_SWITCH : write_go ? WR_RD : rd_other_q == 5'd0 ? 5'd0 : rd_other_q - 5'd1;
      wr_wait_q    <= rd_go ? RD_WR : wr_wait_q == 5'd0 ? 5'd0 : wr_wait_q - 5'd1;
      write_beat_q <= write_go ? WR_WR : write_beat_q == 3'd0 ? 3'd0 : write_beat_q - 3'd1;
      if (rd_go && !read_credit_i) credits_q <= credits_q - 1'b1;
      else if (!rd_go && read_credit_i) credits_q <= credits_q + 1'b1;
      if (rd_go) column_q <= pop ? 5'd0 : column_q + 5'd1;
      if (rd_go) started_q <= !pop;
    end
    if (rd_go || write_go) last_rank_q <= rd_go ? rd_bundle[1] : write_bundle[1];
    dram_column_valid_o   <= rst_ni && (rd_go || write_go);
    dram_column_write_o   <= write_go;
    dram_column_bundle_o  <= rd_go ? rd_bundle : write_bundle;
    dram_column_address_o <= rd_go ? column_q : write_column_i[4:0];
  end

  // ---- data: the command is on the pins one clock after rd_go or write_go
  reg [READ_LATENCY+1:0] read_q;
  reg [WRITE_LATENCY+1:0] write_q;
  reg [2047:0] write_data_q;
  always @(posedge clk_i) begin
    read_q  <= rst_ni ? {read_q[READ_LATENCY:0], rd_go} : '0;
    write_q <= rst_ni ? {write_q[WRITE_LATENCY:0], write_go} : '0;
    if (write_go) write_data_q <= write_data_i;
  end
  assign read_beat_valid_o = read_q[READ_LATENCY] || read_q[READ_LATENCY+1];
  assign read_beat_o       = dram_read_data_i;
  assign dram_write_data_o = write_q[WRITE_LATENCY+1] ? write_data_q[2047:1024] : write_data_q[1023:0];

  assign idle_o = !take_stream && !map_q && !stream_q && slot_valid_q == 3'd0 && read_q == 0 && !write_valid_i && write_q == 0;
endmodule
`default_nettype wire
