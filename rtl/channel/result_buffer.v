// Result buffer of a channel: 64 words of 32 bytes, each with a mark for the last word of a block. The room is counted in result_room.
`default_nettype none
`include "duplex_params.vh"
module result_buffer (
  input wire clk_i,
  input wire rst_ni,
  input wire push_i,
  input wire [255:0] word_i,
  input wire end_i,
  output wire valid_o,
  output wire [255:0] word_o,
  output wire end_o,
  input wire pop_i
);
  wire unused_two;

  ram_fifo #(.WIDTH(257), .DEPTH(`DUPLEX_RESULT_WORDS)) words (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .push_i(push_i), .data_i({end_i, word_i}),
    .valid_o(valid_o), .two_o(unused_two), .data_o({end_o, word_o}), .pop_i(pop_i)
  );
endmodule
`default_nettype wire
