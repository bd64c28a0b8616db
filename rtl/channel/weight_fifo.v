// SPDX-License-Identifier: Apache-2.0
// Beats from the bundle controller, kept until they are used. It never refuses one: the controller sends no
// more columns than there was room for, and each pair of beats that leaves for good gives it the room of one
// column again. The beats of one k-tile can be read once for each group of tokens: `mark_i` at the first of
// them, `rewind_i` with the last; only the beats of the last group leave for good (`leave_i`).
`default_nettype none
`include "duplex_params.vh"
module weight_fifo #(
  parameter COLUMNS = 32  // columns of room: the controller's READ_CREDITS
) (
  input wire clk_i,
  input wire rst_ni,
  // Bundle controller
  input wire beat_valid_i,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] beat_i,
  // Beat at the output
  output wire valid_o,
  output wire [8*`DUPLEX_BEAT_BYTES-1:0] data_o,
  input wire pop_i,
  input wire leave_i,
  input wire mark_i,
  input wire rewind_i,
  // Room that is given back
  output wire credit_o,
  output wire column_o  // one column has come in
);
  reg second_out_q, second_in_q, credit_q, column_q;
  wire leaves = pop_i && leave_i;

  ram_fifo #(
    .WIDTH(8*`DUPLEX_BEAT_BYTES),
    .DEPTH(2 * COLUMNS)
  ) beats (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(beat_valid_i),
    .data_i(beat_i),
    .valid_o(valid_o),
    .data_o(data_o),
    .pop_i(pop_i),
    .mark_i(mark_i),
    .rewind_i(rewind_i)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      second_out_q <= 1'b0;
      second_in_q <= 1'b0;
      credit_q <= 1'b0;
      column_q <= 1'b0;
    end else begin
      second_out_q <= second_out_q ^ leaves;
      second_in_q <= second_in_q ^ beat_valid_i;
      credit_q <= second_out_q & leaves;
      column_q <= second_in_q & beat_valid_i;
    end
  end

  assign credit_o = credit_q;
  assign column_o = column_q;
endmodule
`default_nettype wire
