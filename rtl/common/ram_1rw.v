// SPDX-License-Identifier: Apache-2.0
// Single-port RAM of WIDTH bits by DEPTH words, with one write enable per lane of LANE_BITS bits.
// A clock does one access: with `write_i` zero in all lanes it reads, and `read_data_o` holds the word from
// the next clock on; a write leaves `read_data_o` as it was. A generic memory, to be mapped onto SRAM macros.
`default_nettype none
module ram_1rw #(
  parameter WIDTH = 256,
  parameter DEPTH = 32768,
  parameter LANE_BITS = 128
) (
  input wire clk_i,
  // The one port
  input wire valid_i,
  input wire [WIDTH / LANE_BITS - 1:0] write_i,
  input wire [$clog2(DEPTH)-1:0] address_i,
  input wire [WIDTH-1:0] write_data_i,
  output wire [WIDTH-1:0] read_data_o
);
  reg [WIDTH-1:0] memory[0:DEPTH-1];
  reg [WIDTH-1:0] read_data_q;
  integer lane;

  always @(posedge clk_i) begin
    if (valid_i) begin
      for (lane = 0; lane < WIDTH / LANE_BITS; lane = lane + 1)
        if (write_i[lane]) memory[address_i][lane * LANE_BITS +: LANE_BITS] <= write_data_i[lane *
            LANE_BITS +: LANE_BITS];
      if (write_i == 0) read_data_q <= memory[address_i];
    end
  end

  assign read_data_o = read_data_q;
endmodule
`default_nettype wire
