// SPDX-License-Identifier: Apache-2.0
// Performance counters of a channel, 64 bits each, since reset: PERFORMANCE_SELECT.counter in
// params/registers.rdl names them. `event_i[n]` adds one to counter n; the selected value is at the output
// one clock later.
`default_nettype none
module performance #(
  parameter COUNTERS = 7
) (
  input wire clk_i,
  input wire rst_ni,
  input wire [COUNTERS-1:0] event_i,
  input wire [7:0] select_i,
  output wire [63:0] value_o
);
  reg [COUNTERS-1:0] event_q;
  reg [COUNTERS*64-1:0] count_q;
  reg [63:0] value_q, value_d;
  integer i, j;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      event_q <= 0;
      count_q <= 0;
    end else begin
      event_q <= event_i;
      for (i = 0; i < COUNTERS; i = i + 1)
        if (event_q[i]) count_q[i*64 +: 64] <= count_q[i*64 +: 64] + 64'd1;
    end
    value_q <= value_d;
  end

  always @* begin
    value_d = 64'd0;
    for (j = 0; j < COUNTERS; j = j + 1)
      if (select_i == j[7:0]) value_d = count_q[j*64 +: 64];
  end

  assign value_o = value_q;
endmodule
`default_nettype wire
