// SPDX-License-Identifier: Apache-2.0
// Result buffer of a channel: 32 words of 64 bytes, each with its marks: last word of a block or group, one
// row only, and to which of two jobs in a row it belongs. The room is counted in result_room.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_records.vh"
module result_buffer (
  input wire clk_i,
  input wire rst_ni,
  // In
  input wire push_i,
  input wire result_word_t word_i,
  // Out
  output wire valid_o,
  output wire result_word_t word_o,
  input wire pop_i
);
  ram_fifo #(
    .WIDTH(RESULT_WORD_BITS),
    .DEPTH(`DUPLEX_RESULT_WORDS)
  ) words (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(push_i),
    .data_i(word_i),
    .valid_o(valid_o),
    .data_o(word_o),
    .pop_i(pop_i),
    .mark_i(1'b0),
    .rewind_i(1'b0)
  );
endmodule
`default_nettype wire
