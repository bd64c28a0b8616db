// SPDX-License-Identifier: Apache-2.0
// RAM with one read and one write port, both synchronous. A read of the address that is being written returns
// the old word. The one place where a memory of this kind stands, so that synthesis can put a macro in its
// stead. Latency: read data one clock after the address.
`default_nettype none
module ram_1r1w #(
  parameter WIDTH = 32,
  parameter DEPTH = 64,
  parameter ADDRESS_BITS = $clog2(DEPTH)
) (
  input wire clk_i,
  // Write port
  input wire write_i,
  input wire [ADDRESS_BITS-1:0] write_address_i,
  input wire [WIDTH-1:0] write_data_i,
  // Read port, one clock later
  input wire [ADDRESS_BITS-1:0] read_address_i,
  output reg [WIDTH-1:0] read_data_o
);
  reg [WIDTH-1:0] memory[0:DEPTH-1];

  always @(posedge clk_i) begin
    if (write_i) memory[write_address_i] <= write_data_i;
    read_data_o <= memory[read_address_i];
  end
endmodule
`default_nettype wire
