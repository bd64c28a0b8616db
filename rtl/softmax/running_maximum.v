// SPDX-License-Identifier: Apache-2.0
// The maximum of one lane's scores: m = max t, docs/numerics.md N5.
//
// clear_i forgets what came before (the maximum of no scores is -Inf); valid_i says that t_i counts; both may
// come in one clock. Zeros compare equal and give +0; a NaN stays and is canonical. Free-flowing. Latency: 2
// clocks.
`default_nettype none
module running_maximum (
  input wire clk_i,
  input wire clear_i,
  input wire valid_i,
  input wire [31:0] t_i,
  output wire [31:0] m_o
);
  // Stage 1: a key whose order as an unsigned number is that of the numbers, NaN above +Inf. Keys of zeros
  // are that of +0.
  localparam [31:0] MINUS_INFINITY = ~32'hff800000;
  wire nan = &t_i[30:23] && t_i[22:0] != 23'd0;
  wire zero = t_i[30:0] == 31'd0;
  reg [31:0] key_q;
  reg clear_q;
  always @(posedge clk_i) begin
    key_q   <= !valid_i ? MINUS_INFINITY
        : nan ? 32'hffc00000
        : zero ? 32'h80000000
        : t_i[31] ? ~t_i
        : {1'b1, t_i[30:0]};
    clear_q <= clear_i;
  end

  // Stage 2: the larger key.
  reg [31:0] largest_q;
  always @(posedge clk_i) if (clear_q || key_q > largest_q) largest_q <= key_q;
  assign m_o = largest_q[31] ? {1'b0, largest_q[30:0]} : ~largest_q;
endmodule
`default_nettype wire
