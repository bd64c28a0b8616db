// SPDX-License-Identifier: Apache-2.0
// Row commands of a channel: for each bundle what it should do next (open the row that is wanted first, or
// refresh), then one command a clock, the lowest bundle first.
//
// A refresh that is due is done in a bundle that nobody wants, unless the queue is about to grow, in the
// bundle whose row set was read last, if it has to open another row anyway: it hides, or half hides, behind
// the data of the other bundles of the stripe set. All bundles fall due in the same clock, so that they take
// their turn one after the other, from REFRESH_URGENT owed on also before the row that is needed next, from
// REFRESH_FORCED on before everything (a row set whose reading stands still for lack of credits must not keep
// the refresh out).
// A bundle that is not owned gets no command but the PRE that closes the row that was left open. Timing
// rules: docs/architecture.md; ACT and REF of both sides keep their distance (rank_distance). Rule `strict`
// (activation_window): a bundle is opened in two halves.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_dram.vh"
module row_scheduler (
  input wire clk_i,
  input wire rst_ni,
  // Registers
  input wire [3:0] owner_i,
  output wire [3:0] open_o,     // rows are open, or about to be
  // Rule strict, and the xPU's activations and refreshes: ACT in bits 0 and 1, by rank, REF in 2 and 3
  input wire strict_i,
  input wire [3:0] xpu_row_request_i,
  output wire [3:0] xpu_row_grant_o,
  input wire [3:0] xpu_ref_i,
  // Wanted rows: those of the row sets in the queue (slot 0 first), before them that of a write
  input wire settled_i,         // no row set enters the queue in the next clocks
  input wire [2:0] slot_valid_i,
  input wire [3*2-1:0] slot_bundle_i,
  input wire [3*14-1:0] slot_row_i,
  input wire started_i,         // slot 0 has been read in part
  input wire late_i,            // half of it or more
  input wire soon_i,            // slot 0 will be read within nFAW
  input wire pop_i,             // the last column of slot 0 is being read
  // Wanted row of a write
  input wire write_valid_i,
  // a write that will be done soon: its row is opened between two row sets of the bundle
  input wire write_ahead_i,
  input wire [1:0] write_bundle_i,
  input wire [13:0] write_row_i,
  // Column commands of this clock
  input wire [3:0] rd_i,
  input wire [3:0] wr_i,
  // Bundles whose open row is that of slot 0, that of the write, and which may be read or written now
  output wire [3:0] rd_open_o,
  output wire [3:0] wr_open_o,
  // Pins
  output reg dram_row_valid_o,
  output reg [1:0] dram_row_command_o,  // 0 ACT, 1 PRE, 2 REF
  output reg [1:0] dram_row_bundle_o,
  output reg [7:0] dram_row_mask_o,
  output reg [13:0] dram_row_address_o
);
  localparam [1:0] ACT = `DUPLEX_ROW_COMMAND_ACT, PRE = `DUPLEX_ROW_COMMAND_PRE,
      REF = `DUPLEX_ROW_COMMAND_REF;
  localparam [3:0] REFRESH_URGENT = `DRAM_NREFMAX / 2;
  localparam [3:0] REFRESH_FORCED = `DRAM_NREFMAX - 2;

  wire [3:0] act, pre, refresh, wants_act, wants_pre, wants_ref, needs_act, half;
  wire [55:0] rows;  // wanted
  wire [1:0] rank_ok, four_ok;
  reg [3:0] ended_q;  // the bundle whose row set was read last
  always @(posedge clk_i) begin
    if (!rst_ni) ended_q <= 4'd0;
    else if (pop_i) ended_q <= 4'd1 << slot_bundle_i[1:0];
  end

  genvar b;
  generate
    for (b = 0; b < `DUPLEX_BUNDLES; b = b + 1) begin : bundle
      wire open, act_soon, act_ok, pre_ok, ref_ok, rd_ok, wr_ok;
      wire [13:0] open_row;
      wire [3:0] owed;
      bundle_state bundle_state (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .owned_i(owner_i[b]),
        .act_low_i(act[b] && strict_i && !half[b]),
        .act_i(act[b] && (!strict_i || half[b])),
        .pre_i(pre[b]),
        .ref_i(refresh[b]),
        .xpu_ref_i(xpu_ref_i[b]),
        .rd_i(rd_i[b]),
        .wr_i(wr_i[b]),
        .row_i(rows[14*b+:14]),
        .open_o(open),
        .half_o(half[b]),
        .act_soon_o(act_soon),
        .row_o(open_row),
        .act_ok_o(act_ok),
        .pre_ok_o(pre_ok),
        .ref_ok_o(ref_ok),
        .rd_ok_o(rd_ok),
        .wr_ok_o(wr_ok),
        .owed_o(owed)
      );
      wire in0 = slot_valid_i[0] && slot_bundle_i[1:0] == b;
      wire in1 = slot_valid_i[1] && slot_bundle_i[3:2] == b;
      wire in2 = slot_valid_i[2] && slot_bundle_i[5:4] == b;
      wire write_here = write_valid_i && write_bundle_i == b;
      wire between = (ended_q[b] && !late_i) || (!in1 && !in2);
      wire ahead = write_ahead_i && write_bundle_i == b && !in0 && between;
      wire [13:0] row = write_here || ahead ? write_row_i
          : in0 ? slot_row_i[13:0]
          : in1 ? slot_row_i[27:14]
          : slot_row_i[41:28];
      wire wanted = write_here || ahead || in0 || in1 || in2;
      wire right = wanted && open && open_row == row;
      wire busy = write_here || (in0 && started_i);
      wire turn = ended_q[b] ? !write_here && !in0 && !right && !late_i : !wanted && settled_i;
      wire yields = turn || (owed >= REFRESH_URGENT && !busy) || owed >= REFRESH_FORCED;
      wire refresh_now = owed != 4'd0 && yields;
      // The row set after the one being read needs another row of the same bundle.
      wire next_here = in0 && slot_valid_i[1] && slot_bundle_i[3:2] == b && soon_i;
      assign rows[14*b+:14] = half[b] ? open_row : row;
      assign wants_ref[b] = owner_i[b] && refresh_now && !open && ref_ok && rank_ok[b/2];
      assign wants_pre[b] = open && pre_ok && (!owner_i[b] || refresh_now || (wanted && !right));
      assign wants_act[b] = (half[b] || (owner_i[b] && wanted && !refresh_now && !open && act_ok)) &&
          rank_ok[b/2] && four_ok[b/2];
      assign needs_act[b] = half[b] ||
          (owner_i[b] && !refresh_now && (next_here || (wanted && !right && (open || act_soon))));
      assign open_o[b] = open || half[b];
      assign rd_open_o[b] = open && rd_ok && !refresh_now && open_row == slot_row_i[13:0];
      assign wr_open_o[b] = open && wr_ok && !refresh_now && open_row == write_row_i;
    end
  endgenerate

  wire [3:0] wants = wants_act | wants_pre | wants_ref;
  wire [3:0] grant = wants & (~wants + 4'd1);
  wire [1:0] chosen = {grant[3] || grant[2], grant[3] || grant[1]};
  assign act = grant & wants_act;
  assign pre = grant & wants_pre;
  assign refresh = grant & wants_ref;

  wire [3:0] xpu_row = xpu_row_request_i & xpu_row_grant_o;
  wire [1:0] xpu_ok;
  assign xpu_row_grant_o[3:2] = xpu_ok;
  wire [3:0] opened = act & (strict_i ? half : 4'hf);
  genvar r;
  generate
    for (r = 0; r < 2; r = r + 1) begin : rank
      rank_distance distance (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .act_i(|act[2*r+:2]),
        .ref_i(|refresh[2*r+:2]),
        .xpu_act_i(xpu_row[r]),
        .xpu_ref_i(xpu_row[2+r]),
        .ok_o(rank_ok[r]),
        .xpu_ok_o(xpu_ok[r])
      );
      activation_window window (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .strict_i(strict_i),
        .need_i(|needs_act[2*r+:2]),
        .act_i(|act[2*r+:2]),
        .opened_i(|opened[2*r+:2]),
        .ready_i(xpu_ok[r]),
        .request_i(xpu_row_request_i[r]),
        .grant_o(xpu_row_grant_o[r]),
        .four_o(four_ok[r])
      );
    end
  endgenerate

  always @(posedge clk_i) begin
    dram_row_valid_o <= rst_ni && |wants;
    dram_row_command_o <= |act ? ACT : |pre ? PRE : REF;
    dram_row_bundle_o <= chosen;
    dram_row_mask_o <= !(|act) || !strict_i ? 8'hff : half[chosen] ? 8'hf0 : 8'h0f;
    dram_row_address_o <= {14{|act}} & rows[14*chosen+:14];
  end
endmodule
`default_nettype wire
