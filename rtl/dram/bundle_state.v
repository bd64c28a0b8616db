// SPDX-License-Identifier: Apache-2.0
// State of one bundle: open row and what its timing allows now (docs/architecture.md, timing rules; all in
// clocks of 2 tCK, rounded up), and the refreshes that it owes. A command given at clock t is known from t +
// 1 on.
// A bundle can be opened in two halves of four banks: the second one counts for all timers, and nothing else
// is done in between. A bundle that comes back from the xPU is not opened for nRFCPB: its rows get closed and
// its refreshes end meanwhile. The refreshes of a bundle of the xPU are counted too (`xpu_ref_i`: all its
// banks have been refreshed once), so that its debt is known when it comes back.
`default_nettype none
`include "duplex_dram.vh"
module bundle_state (
  input wire clk_i,
  input wire rst_ni,
  // Commands of this clock, and the owner
  input wire owned_i,
  input wire act_low_i,       // the first half of the banks
  input wire act_i,           // all, or the second half
  input wire pre_i,
  input wire ref_i,
  input wire xpu_ref_i,
  input wire rd_i,
  input wire wr_i,
  input wire [13:0] row_i,    // of the ACT
  // Rows
  output wire open_o,
  output wire half_o,         // the second half has to follow
  output wire act_soon_o,     // ACT is allowed within nFAW
  output wire [13:0] row_o,
  // Commands that are allowed
  output wire act_ok_o,
  output wire pre_ok_o,
  output wire ref_ok_o,
  output wire rd_ok_o,
  output wire wr_ok_o,
  output wire [3:0] owed_o
);
  localparam [7:0] RC = (`DRAM_NRC + 1) / 2 - 1;
  localparam [7:0] RAS = (`DRAM_NRAS + 1) / 2 - 1;
  localparam [7:0] RP = (`DRAM_NRP + 1) / 2 - 1;
  localparam [7:0] RCDRD = (`DRAM_NRCDRD + 1) / 2 - 1;
  localparam [7:0] RCDWR = (`DRAM_NRCDWR + 1) / 2 - 1;
  localparam [7:0] RTP = (`DRAM_NRTP + 1) / 2 - 1;
  localparam [7:0] WR_PRE = (`DRAM_NCWL + `DRAM_NBL + `DRAM_NWR + 1) / 2 - 1;
  localparam [8:0] RFC = (`DRAM_NRFCPB + 1) / 2 - 1;
  localparam [8:0] FAW = (`DRAM_NFAW + 1) / 2;
  localparam [12:0] REFI = `DRAM_NREFI / 2 - 1;

  reg open_q, half_q, owned_q;
  reg [13:0] row_q;
  reg [8:0] act_q;  // clocks until ACT and REF are allowed
  reg [7:0] pre_q, rd_q, wr_q;
  reg [12:0] interval_q;
  reg [3:0] owed_q;

  wire [7:0] pre_left = pre_q == 8'd0 ? 8'd0 : pre_q - 8'd1;
  wire [8:0] act_left = act_q == 9'd0 ? 9'd0 : act_q - 9'd1;
  wire [7:0] pre_new = act_i ? RAS : rd_i ? RTP : wr_i ? WR_PRE : 8'd0;
  wire back = owned_i && !owned_q;
  wire [8:0] act_new = back ? RFC : act_i ? {1'b0, RC} : pre_i ? {1'b0, RP} : ref_i ? RFC : 9'd0;
  wire refreshed = ref_i || xpu_ref_i;
  wire due = interval_q == 13'd0;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q <= 1'b0;
      half_q <= 1'b0;
      owned_q <= 1'b1;
      act_q <= '0;
      pre_q <= '0;
      rd_q <= '0;
      wr_q <= '0;
      interval_q <= REFI;
      owed_q <= '0;
    end else begin
      open_q <= act_i || (open_q && !pre_i);
      owned_q <= owned_i;
      half_q <= act_low_i || (half_q && !act_i);
      act_q <= act_new > act_left ? act_new : act_left;
      pre_q <= pre_new > pre_left ? pre_new : pre_left;
      rd_q <= act_i ? RCDRD : rd_q == 8'd0 ? 8'd0 : rd_q - 8'd1;
      wr_q <= act_i ? RCDWR : wr_q == 8'd0 ? 8'd0 : wr_q - 8'd1;
      interval_q <= due ? REFI : interval_q - 13'd1;
      if (due && !refreshed && !(&owed_q)) owed_q <= owed_q + 4'd1;
      else if (!due && refreshed && owed_q != 4'd0) owed_q <= owed_q - 4'd1;
    end
    if (act_low_i || (act_i && !half_q)) row_q <= row_i;
  end

  assign open_o = open_q;
  assign half_o = half_q;
  assign act_soon_o = act_q <= FAW;
  assign row_o = row_q;
  assign act_ok_o = (act_q == 9'd0 && !back) || half_q;
  assign ref_ok_o = act_q == 9'd0 && !half_q && !back;
  assign pre_ok_o = pre_q == 8'd0;
  assign rd_ok_o = rd_q == 8'd0;
  assign wr_ok_o = wr_q == 8'd0;
  assign owed_o = owed_q;
endmodule
`default_nettype wire
