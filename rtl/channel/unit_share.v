// SPDX-License-Identifier: Apache-2.0
// Gives the units of a channel that GEMM and attention share (bundle controller, weight FIFO, GEMM module,
// drain, result buffer, write path) to the one whose work it is: a choice of requests, without a register.
//
// GEMM and LOAD jobs and attention are never at work at the same time; `attention_i` says whose results are
// on their way. Beats follow `attention_beats_i`, since a job's beats end before its results have left.
// Requests to a unit that only one side can make at a time are joined, so that a ready of the unit goes to
// both. Latency: 0 clocks.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module unit_share (
  // Whose the units are: 0 GEMM and LOAD, 1 attention
  input wire attention_i,
  // Bundle controller
  input wire gemm_read_valid_i,
  input wire read_request_t gemm_read_i,
  input wire attention_read_valid_i,
  input wire read_request_t attention_read_i,
  output wire read_valid_o,
  output wire read_request_t read_o,
  // Weight FIFO
  input wire stream_pop_i,
  input wire stream_leave_i,
  input wire load_pop_i,
  input wire attention_pop_i,
  output wire weight_pop_o,
  output wire weight_leave_o,
  // GEMM module
  input wire gemm_tile_valid_i,
  input wire tile_t gemm_tile_i,
  input wire attention_tile_valid_i,
  input wire tile_t attention_tile_i,
  output wire tile_valid_o,
  output wire tile_t tile_o,
  // GEMM module: beats
  input wire attention_beats_i,
  input wire gemm_beat_valid_i,
  input wire beat_t gemm_beat_i,
  input wire attention_beat_valid_i,
  input wire beat_t attention_beat_i,
  output wire beat_valid_o,
  output wire beat_t beat_o,
  // Drain and room for results: rows of attention are binary16 without an exponent
  input wire sum_valid_i,
  output wire gemm_sum_valid_o,
  input wire [1:0] gemm_drain_format_i,
  output wire [1:0] drain_format_o,
  input wire [7:0] gemm_exponent_i,
  output wire [7:0] exponent_o,
  input wire [1:0] gemm_format_i,
  output wire [1:0] room_format_o,
  // Room for results
  input wire gemm_row_i,
  input wire [1:0] gemm_row_place_i,
  input wire attention_row_i,
  input wire [1:0] attention_row_place_i,
  output wire row_o,
  output wire [1:0] row_place_o,
  input wire load_reserve_i,
  input wire attention_reserve_i,
  output wire reserve_o,
  // Result buffer: words of the drain, of a LOAD, scores
  input wire parity_i,
  input wire drain_valid_i,
  input wire bus_word_t drain_word_i,
  input wire load_valid_i,
  input wire [RECORD_WORD-1:0] load_word_i,
  input wire score_valid_i,
  input wire score_end_i,
  input wire [RECORD_WORD-1:0] score_word_i,
  output wire word_valid_o,
  output wire result_word_t word_o,
  // Write path
  input wire gemm_place_valid_i,
  input wire result_place_t gemm_place_i,
  input wire attention_place_valid_i,
  input wire result_place_t attention_place_i,
  output wire place_valid_o,
  output wire result_place_t place_o
);
  localparam [1:0] F16 = `DUPLEX_RESULT_FORMAT_F16;

  assign read_valid_o = gemm_read_valid_i || attention_read_valid_i;
  assign read_o = attention_i ? attention_read_i : gemm_read_i;

  assign weight_pop_o = stream_pop_i || load_pop_i || attention_pop_i;
  assign weight_leave_o = stream_leave_i || load_pop_i || attention_pop_i;

  assign tile_valid_o = gemm_tile_valid_i || attention_tile_valid_i;
  assign tile_o = attention_tile_valid_i ? attention_tile_i : gemm_tile_i;
  assign beat_valid_o = gemm_beat_valid_i || attention_beat_valid_i;
  assign beat_o = attention_beats_i ? attention_beat_i : gemm_beat_i;

  assign gemm_sum_valid_o = sum_valid_i && !attention_i;
  assign drain_format_o = attention_i ? F16 : gemm_drain_format_i;
  assign exponent_o = attention_i ? 8'd0 : gemm_exponent_i;
  assign room_format_o = attention_i ? F16 : gemm_format_i;
  assign row_o = gemm_row_i || attention_row_i;
  assign row_place_o = attention_i ? attention_row_place_i : gemm_row_place_i;
  assign reserve_o = load_reserve_i || attention_reserve_i;

  assign word_valid_o = drain_valid_i || load_valid_i || score_valid_i;
  assign word_o.parity = parity_i;
  assign word_o.single = drain_word_i.single && !load_valid_i;
  assign word_o.ends = score_valid_i ? score_end_i : drain_word_i.ends && !load_valid_i;
  assign word_o.data = load_valid_i ? load_word_i : score_valid_i ? score_word_i : drain_word_i.data;

  assign place_valid_o = gemm_place_valid_i || attention_place_valid_i;
  assign place_o = attention_place_valid_i ? attention_place_i : gemm_place_i;
endmodule
`default_nettype wire
