// SPDX-License-Identifier: Apache-2.0
// FIFO of WIDTH bits by DEPTH words (2 or more) in flip-flops. `ready_o` and `valid_o` come from registers,
// so that it cuts every path between its two sides. A word is at the output one clock after it was taken.
`default_nettype none
module fifo #(
  parameter WIDTH = 8,
  parameter DEPTH = 2
) (
  input wire clk_i,
  input wire rst_ni,
  // In
  input wire valid_i,
  output wire ready_o,
  input wire [WIDTH-1:0] data_i,
  // Out
  output wire valid_o,
  input wire ready_i,
  output wire [WIDTH-1:0] data_o
);
  localparam BITS = $clog2(DEPTH);
  localparam [31:0] LAST_32 = DEPTH - 1, FULL_32 = DEPTH;
  localparam [BITS-1:0] LAST = LAST_32[BITS-1:0];
  localparam [BITS:0] FULL = FULL_32[BITS:0];
  localparam [BITS:0] ONE = 1;

  reg [WIDTH-1:0] memory[0:DEPTH-1];
  reg [BITS-1:0] write_q, read_q;
  reg [BITS:0] count_q;
  wire push = valid_i && ready_o;
  wire pop = valid_o && ready_i;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= 0;
      read_q <= 0;
      count_q <= 0;
    end else begin
      if (push) write_q <= write_q == LAST ? 0 : write_q + 1'b1;
      if (pop) read_q <= read_q == LAST ? 0 : read_q + 1'b1;
      if (push != pop) count_q <= push ? count_q + ONE : count_q - ONE;
    end
    if (push) memory[write_q] <= data_i;
  end

  assign ready_o = count_q != FULL;
  assign valid_o = count_q != 0;
  assign data_o = memory[read_q];
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert (count_q <= FULL);
    end
  end
`endif
endmodule
`default_nettype wire
