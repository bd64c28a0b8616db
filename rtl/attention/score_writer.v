// SPDX-License-Identifier: Apache-2.0
// Brings a segment's scores from the slice to DRAM (MODE 1): words in order into the result buffer, whose
// write path takes them.
//
// A segment is taken when the unit is idle, and read when all its scores are in the slice: `stored_i` counts
// segments, in order. The slice serves the scores that come in and the tiles first. Latency: a word is pushed
// one clock after it was read.
`default_nettype none
`include "duplex_params.vh"
module score_writer (
  input wire clk_i,
  input wire rst_ni,
  // A segment's scores
  input wire valid_i,
  output wire ready_o,
  input wire [9:0] address_i,
  input wire [10:0] words_i,
  input wire stored_i,
  // Slice
  input wire slice_busy_i,
  output wire read_o,
  output wire [9:0] address_o,
  // Result buffer: the word is what the slice gives in that clock
  input wire room_i,
  output wire word_valid_o,
  output wire word_end_o,
  output wire done_o,            // all words are read, until it is known
  input wire known_i
);
  reg [10:0] words_q;
  reg [9:0] address_q;
  reg [1:0] stored_q;            // segments that may be read, this one among them
  reg busy_q, done_q, word_valid_q, word_end_q;
  wire take = valid_i && ready_o;
  wire read = busy_q && !done_q && stored_q != 2'd0 && room_i && !slice_busy_i;
  wire last = read && words_q == 11'd1;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      stored_q <= 2'd0;
      busy_q <= 1'b0;
      done_q <= 1'b0;
      word_valid_q <= 1'b0;
    end else begin
      stored_q <= stored_q + {1'b0, stored_i} - {1'b0, last};
      if (take) busy_q <= 1'b1;
      else if (known_i) busy_q <= 1'b0;
      if (last) done_q <= 1'b1;
      else if (known_i) done_q <= 1'b0;
      word_valid_q <= read;
    end
    word_end_q <= last;
    if (take) begin
      words_q <= words_i;
      address_q <= address_i;
    end else if (read) begin
      words_q <= words_q - 11'd1;
      address_q <= address_q + 10'd1;
    end
  end

  assign ready_o = !busy_q && !word_valid_q;
  assign read_o = read;
  assign address_o = address_q;
  assign word_valid_o = word_valid_q;
  assign word_end_o = word_end_q;
  assign done_o = done_q;
endmodule
`default_nettype wire
