// SPDX-License-Identifier: Apache-2.0
// Delays WIDTH bits by CLOCKS clocks: what travels beside a pipeline of that length. No reset.
`default_nettype none
module delay_line #(
  parameter WIDTH = 1,
  parameter CLOCKS = 1
) (
  input wire clk_i,
  input wire [WIDTH-1:0] data_i,
  output wire [WIDTH-1:0] data_o
);
  reg [WIDTH*CLOCKS-1:0] line_q;

  generate
    if (CLOCKS == 1) begin : g_one
      always @(posedge clk_i) line_q <= data_i;
    end else begin : g_many
      always @(posedge clk_i) line_q <= {line_q[WIDTH*(CLOCKS-1)-1:0], data_i};
    end
  endgenerate

  assign data_o = line_q[WIDTH*(CLOCKS-1) +: WIDTH];
endmodule
`default_nettype wire
