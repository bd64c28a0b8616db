// The context's sums of a row (8 lanes) divided by the lanes' l: a row of o as binary16. The divisors, and whether a lane's row is NaN (its maximum
// is NaN or infinite), are taken with the first row of a pair. One row a clock. Latency: QUOTIENT_CLOCKS.
`default_nettype none
`include "duplex_params.vh"
module attention_quotient #(
  parameter CLOCKS = `DUPLEX_QUOTIENT_CLOCKS
) (
  input wire clk_i,
  input wire rst_ni,
  input wire sum_valid_i,
  input wire sum_end_i,        // the pair's last row
  input wire [`DUPLEX_LANES*`DUPLEX_SUM_BITS-1:0] sum_i,
  input wire [`DUPLEX_LANES*3-1:0] flags_i,
  input wire [57*`DUPLEX_LANES-1:0] l_i,
  input wire [`DUPLEX_LANES-1:0] row_nan_i,
  output wire row_valid_o,
  output wire row_end_o,
  output wire [16*`DUPLEX_LANES-1:0] row_o
);
  reg begin_q;  // the next row is a pair's first
  reg [CLOCKS-1:0] valid_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin_q <= 1'b1;
    else if (sum_valid_i) begin_q <= sum_end_i;
    valid_q <= rst_ni ? {valid_q[CLOCKS-2:0], sum_valid_i} : 0;
  end
  delay_line #(.WIDTH(1), .CLOCKS(CLOCKS)) ends (.clk_i(clk_i), .data_i(sum_end_i), .data_o(row_end_o));

  genvar l;
  generate
    for (l = 0; l < `DUPLEX_LANES; l = l + 1) begin : g_lane
      quotient quotient (
        .clk_i(clk_i), .load_i(sum_valid_i && begin_q), .l_i(l_i[57*l +: 57]), .row_nan_i(row_nan_i[l]),
        .sum_i(sum_i[l*`DUPLEX_SUM_BITS +: `DUPLEX_SUM_BITS]), .flags_i(flags_i[3*l +: 3]), .o_o(row_o[16*l +: 16])
      );
    end
  endgenerate
  assign row_valid_o = valid_q[CLOCKS-1];
endmodule
`default_nettype wire
