// SPDX-License-Identifier: Apache-2.0
// Assertion for a port of valid and ready: what is offered stays, unchanged, until it is taken.
// Only with DUPLEX_ASSERT; no outputs, no latency.
`default_nettype none
module handshake_check #(
  parameter WIDTH = 1
) (
  input wire clk_i,
  input wire rst_ni,
  input wire valid_i,
  input wire ready_i,
  input wire [WIDTH-1:0] payload_i
);
`ifdef DUPLEX_ASSERT
  reg waits_q;  // in the clock before, something was offered and not taken
  reg [WIDTH-1:0] payload_q;
  always @(posedge clk_i) begin
    waits_q <= rst_ni && valid_i && !ready_i;
    payload_q <= payload_i;
    if (rst_ni && waits_q) assert (valid_i && payload_i == payload_q);
  end
`else
  wire unused = &{1'b0, clk_i, rst_ni, valid_i, ready_i, payload_i};
`endif
endmodule
`default_nettype wire
