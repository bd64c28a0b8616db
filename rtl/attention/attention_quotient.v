// SPDX-License-Identifier: Apache-2.0
// The context's sums of a row (8 lanes) divided by the lanes' l: a row of o as binary16. The divisors, and
// whether a lane's row is NaN (its maximum is NaN or infinite), are taken with the first row of a pair.
// `wide_i`: lane l + 4 has the sums of the low parts of lane l's weights, l below 4: they are added first;
// the high parts alone decide about NaN and infinity. One row a clock. Latency: QUOTIENT_CLOCKS.
`default_nettype none
`include "duplex_params.vh"
module attention_quotient #(
  parameter CLOCKS = `DUPLEX_QUOTIENT_CLOCKS
) (
  input wire clk_i,
  input wire rst_ni,
  // A row of context sums and its l
  input wire sum_valid_i,
  input wire sum_end_i,        // the pair's last row
  input wire wide_i,
  input wire [`DUPLEX_LANES*`DUPLEX_SUM_BITS-1:0] sum_i,
  input wire [`DUPLEX_LANES*3-1:0] flags_i,
  input wire [57*`DUPLEX_LANES-1:0] l_i,
  input wire [`DUPLEX_LANES-1:0] row_nan_i,
  // Row of results
  output wire row_valid_o,
  output wire row_end_o,
  output wire [16*`DUPLEX_LANES-1:0] row_o
);
  localparam SUM = `DUPLEX_SUM_BITS;

  reg begin_q;  // the next row is a pair's first
  reg load_q;
  reg [CLOCKS-1:0] valid_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin_q <= 1'b1;
    else if (sum_valid_i) begin_q <= sum_end_i;
    load_q <= sum_valid_i && begin_q;
    valid_q <= rst_ni ? {valid_q[CLOCKS-2:0], sum_valid_i} : 0;
  end
  delay_line #(
    .WIDTH(1),
    .CLOCKS(CLOCKS)
  ) ends (
    .clk_i(clk_i),
    .data_i(sum_end_i),
    .data_o(row_end_o)
  );

  genvar l;
  generate
    for (l = 0; l < `DUPLEX_LANES; l = l + 1) begin : g_lane
      reg [SUM-1:0] sum_q;
      reg [56:0] l_q;
      reg [2:0] flags_q;
      reg row_nan_q;
      if (l < `DUPLEX_LANES / 2) begin : g_join
        // The upper half for both carries, so that it does not wait.
        localparam LOW = l + `DUPLEX_LANES / 2;
        wire [SUM-1:0] high = sum_i[SUM*l +: SUM], low = wide_i ? sum_i[SUM*LOW +: SUM] : {SUM{1'b0}};
        wire [48:0] lower = {1'b0, high[47:0]} + {1'b0, low[47:0]};
        wire [48:0] upper = high[SUM-1:48] + low[SUM-1:48],
            upper_carry = high[SUM-1:48] + low[SUM-1:48] + 49'd1;
        always @(posedge clk_i) begin
          sum_q <= {lower[48] ? upper_carry : upper, lower[47:0]};
          l_q <= l_i[57*l +: 57] + (wide_i ? l_i[57*LOW +: 57] : 57'd0);
        end
      end else begin : g_pass
        always @(posedge clk_i) {sum_q, l_q} <= {sum_i[SUM*l +: SUM], l_i[57*l +: 57]};
      end
      always @(posedge clk_i) {flags_q, row_nan_q} <= {flags_i[3*l +: 3], row_nan_i[l]};
      quotient quotient (
        .clk_i(clk_i),
        .load_i(load_q),
        .l_i(l_q),
        .row_nan_i(row_nan_q),
        .sum_i(sum_q),
        .flags_i(flags_q),
        .o_o(row_o[16*l +: 16])
      );
    end
  endgenerate
  assign row_valid_o = valid_q[CLOCKS-1];
endmodule
`default_nettype wire
