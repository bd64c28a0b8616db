// SPDX-License-Identifier: Apache-2.0
// FIFO of WIDTH bits by DEPTH (a power of two) words in a RAM with a registered read port, first word fall
// through, full rate. The RAM reads one address ahead, so that the oldest word stands at its output. A word
// pushed in clock t is at the output in t + 2. The pusher must know that there is room (a counter of
// credits).
// Words can be read again: `mark_i` names the one at the output, `rewind_i` (with a pop) goes back to it.
// What is behind the mark counts as room that is taken.
`default_nettype none
module ram_fifo #(
  parameter WIDTH = 8,
  parameter DEPTH = 64
) (
  input wire clk_i,
  input wire rst_ni,
  // In
  input wire push_i,
  input wire [WIDTH-1:0] data_i,
  // Out
  output wire valid_o,
  output wire [WIDTH-1:0] data_o,
  input wire pop_i,  // only while valid_o
  input wire mark_i,
  input wire rewind_i
);
  localparam BITS = $clog2(DEPTH);
  localparam [BITS:0] ONE = 1;

  reg [BITS:0] write_q, read_q, ahead_q, mark_q;  // one bit more than an address; ahead_q = read_q + 1
  reg valid_q;
  wire [BITS:0] mark = mark_i ? read_q : mark_q;
  wire [BITS:0] read_d = rewind_i ? mark : pop_i ? ahead_q : read_q;

  ram_1r1w #(
    .WIDTH(WIDTH),
    .DEPTH(DEPTH)
  ) ram (
    .clk_i(clk_i),
    .write_i(push_i),
    .write_address_i(write_q[BITS-1:0]),
    .write_data_i(data_i),
    .read_address_i(read_d[BITS-1:0]),
    .read_data_o(data_o)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= 0;
      read_q <= 0;
      ahead_q <= ONE;
      mark_q <= 0;
      valid_q <= 1'b0;
    end else begin
      if (push_i) write_q <= write_q + ONE;
      read_q <= read_d;
      ahead_q <= read_d + ONE;
      mark_q <= mark;
      // A word written at this very edge is not yet seen by the RAM's read, hence the old write_q.
      valid_q <= read_d != write_q;
    end
  end

  assign valid_o = valid_q;
`ifdef DUPLEX_ASSERT
  localparam [31:0] FULL_32 = DEPTH;
  wire [BITS:0] fill = write_q - read_q;
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(push_i && fill == FULL_32[BITS:0]));
      assert (!(pop_i && !valid_q));
    end
  end
`endif
endmodule
`default_nettype wire
