// SPDX-License-Identifier: Apache-2.0
// The stack's shared activation unit: rows of 8 binary32 values to rows of 8 binary16 values (SPEC N4,
// docs/activation.md).
//
// Gated: h = RN16(act(g) * u); not gated: h = RN16(act(u)), g does not count. One row a clock, no stall. The
// tag that comes with a row leaves with its result. Latency: LATENCY clocks from the edge that takes a row to
// the clock in which out_valid_o is high. Table port: word 0 to 128 of the image
// (include/duplex/activation.h); load only while no row is inside.
`default_nettype none
`include "duplex_params.vh"
module activation #(
  parameter TAG_BITS = 32,
  parameter LANES = `DUPLEX_ACTIVATION_LANES
) (
  input wire clk_i,
  input wire rst_ni,
  // Table: words of 32 bytes
  input wire table_valid_i,
  input wire [7:0] table_address_i,
  input wire [255:0] table_data_i,
  // Values, or pairs of them
  input wire in_valid_i,
  input wire gated_i,
  input wire [32*LANES-1:0] g_i,
  input wire [32*LANES-1:0] u_i,
  input wire [TAG_BITS-1:0] in_tag_i,
  // Results
  output wire out_valid_o,
  output wire [16*LANES-1:0] out_data_o,
  output wire [TAG_BITS-1:0] out_tag_o
);
  localparam LANE_CLOCKS = 17;
  localparam LATENCY = LANE_CLOCKS + 1;

  reg gated_q;
  reg [32*LANES-1:0] g_q, u_q;
  always @(posedge clk_i) begin
    gated_q <= gated_i;
    g_q <= g_i;
    u_q <= u_i;
  end

  genvar lane;
  generate
    for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lane
      activation_lane unit (
        .clk_i(clk_i),
        .table_valid_i(table_valid_i),
        .table_address_i(table_address_i),
        .table_data_i(table_data_i),
        .gated_i(gated_q),
        .g_i(g_q[32*lane +: 32]),
        .u_i(u_q[32*lane +: 32]),
        .result_o(out_data_o[16*lane +: 16])
      );
    end
  endgenerate

  reg [LATENCY-1:0] valid_q;
  always @(posedge clk_i) valid_q <= rst_ni ? {valid_q[LATENCY-2:0], in_valid_i} : 0;
  delay_line #(
    .WIDTH(TAG_BITS),
    .CLOCKS(LATENCY)
  ) tags (
    .clk_i(clk_i),
    .data_i(in_tag_i),
    .data_o(out_tag_o)
  );
  assign out_valid_o = valid_q[LATENCY-1];
endmodule
`default_nettype wire
