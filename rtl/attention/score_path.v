// SPDX-License-Identifier: Apache-2.0
// From rounded sums to scores: t = RN32(s * c), the running maximum of each lane, and words of the channel's
// slice of the shared buffer.
//
// The record of an S pass is taken when the pass starts (`start_i`) and used until its last row. A word holds
// 16 scores: 2^lanes of a position, position by position; each pass begins a new word, and words follow each
// other around the slice. Lanes that the segment does not have are kept as -Inf and have no part in the
// maximum. The maximum of a pair that is complete waits in a FIFO until it is joined with those of the head's
// other channels, if there are any, and its context begins, or until it goes back into the running maxima
// (`back`). Latency: 3 clocks from `sum_valid_i` to the sum's rounded value (which comes by `f32_i`), then
// SCALE_CLOCKS; a write one clock after, and the maximum two clocks after the scaled score.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_records.vh"
module score_path #(
  parameter ROUND_LATENCY = 3,
  parameter SCALE_CLOCKS = `DUPLEX_SCORE_SCALE_CLOCKS
) (
  input wire clk_i,
  input wire rst_ni,
  // Record of a pass
  input wire start_i,
  output wire ready_o,
  input wire [`DUPLEX_LANES_CODE_BITS-1:0] lanes_i,
  input wire [`DUPLEX_LANES-1:0] mask_i,
  input wire first_i,
  input wire last_i,
  input wire store_i,
  input wire [31:0] scale_i,
  input wire back_i,
  input wire below_i,
  input wire above_i,
  // Scores, rounded
  input wire sum_valid_i,
  input wire sum_end_i,
  input wire [32*`DUPLEX_LANES-1:0] f32_i,
  // Slice
  output wire write_valid_o,
  output wire [9:0] write_address_o,
  output wire [8*`DUPLEX_WORD_BYTES-1:0] write_data_o,
  // Maximum of the pair, and the one that comes back
  output wire maximum_valid_o,
  input wire maximum_ready_i,
  output wire [32*`DUPLEX_LANES-1:0] maximum_o,
  output wire maximum_back_o,       // flags of the maximum's record
  output wire maximum_below_o,
  output wire maximum_above_o,
  input wire joined_valid_i,        // a maximum that goes back; no score is on its way then
  input wire [32*`DUPLEX_LANES-1:0] joined_i,
  // Words of scores that come back from DRAM (L): when `empty_o`; the pair's maximum stays as it is,
  // `load_end_i` completes it
  input wire load_valid_i,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] load_i,
  input wire load_end_i,
  // State
  output wire empty_o,              // no score on its way
  output wire stored_o,             // the scores of a pass that go to DRAM are all in the slice
  output wire busy_o
);
  localparam LANES = `DUPLEX_LANES, LANE_BITS = `DUPLEX_LANE_BITS, CODE_BITS = `DUPLEX_LANES_CODE_BITS;
  localparam POSITION_BITS = LANE_BITS + 1;  // a word has two scores for each lane
  localparam [31:0] MINUS_INFINITY = 32'hff800000;

  // ---- the records of the passes on their way
  wire record_valid;
  wire score_pass_t entering, pass;
  assign entering.lanes = lanes_i;
  assign entering.mask = mask_i;
  assign entering.first = first_i;
  assign entering.last = last_i;
  assign entering.store = store_i;
  assign entering.back = back_i;
  assign entering.has_below = below_i;
  assign entering.has_above = above_i;
  assign entering.scale = scale_i;
  wire rounded, rounded_end;
  fifo #(
    .WIDTH(SCORE_PASS_BITS),
    .DEPTH(4)
  ) records (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(start_i),
    .ready_o(ready_o),
    .data_i(entering),
    .valid_o(record_valid),
    .ready_i(rounded && rounded_end),
    .data_o(pass)
  );

  // ---- rounding (in the drain) and scaling
  reg [ROUND_LATENCY-1:0] rounding_q;
  reg [SCALE_CLOCKS-1:0] scaling_q;
  assign rounded = rounding_q[ROUND_LATENCY-1];
  wire scaled = scaling_q[SCALE_CLOCKS-1];
  delay_line #(
    .WIDTH(1),
    .CLOCKS(ROUND_LATENCY)
  ) ends (
    .clk_i(clk_i),
    .data_i(sum_end_i),
    .data_o(rounded_end)
  );
  wire score_row_t rounded_row, scaled_row;
  assign rounded_row.ends = rounded_end;
  assign rounded_row.first = pass.first;
  assign rounded_row.last = pass.last;
  assign rounded_row.store = pass.store;
  assign rounded_row.back = pass.back;
  assign rounded_row.has_below = pass.has_below;
  assign rounded_row.has_above = pass.has_above;
  assign rounded_row.lanes = pass.lanes;
  assign rounded_row.mask = pass.mask;
  delay_line #(
    .WIDTH(SCORE_ROW_BITS),
    .CLOCKS(SCALE_CLOCKS)
  ) beside (
    .clk_i(clk_i),
    .data_i(rounded_row),
    .data_o(scaled_row)
  );
  always @(posedge clk_i) begin
    rounding_q <= rst_ni ? {rounding_q[ROUND_LATENCY-2:0], sum_valid_i} : 0;
    scaling_q <= rst_ni ? {scaling_q[SCALE_CLOCKS-2:0], rounded} : 0;
  end

  reg begin_q;  // the next score is the pass's first
  always @(posedge clk_i) begin
    if (!rst_ni) begin_q <= 1'b1;
    else if (scaled) begin_q <= scaled_row.ends;
  end

  wire [32*LANES-1:0] scores;  // -Inf for lanes that there are not
  wire [32*LANES-1:0] maximum;
  genvar l;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      wire [31:0] t;
      score_scale score_scale (
        .clk_i(clk_i),
        .s_i(f32_i[32*l +: 32]),
        .c_i(pass.scale),
        .t_o(t)
      );
      running_maximum running_maximum (
        .clk_i(clk_i),
        .clear_i(!rst_ni || (scaled && begin_q && scaled_row.first)),
        .valid_i((scaled && scaled_row.mask[l]) || joined_valid_i),
        .t_i(joined_valid_i ? joined_i[32*l +: 32] : t),
        .m_o(maximum[32*l +: 32])
      );
      assign scores[32*l +: 32] = scaled_row.mask[l] ? t : MINUS_INFINITY;
    end
  endgenerate

  // ---- words
  reg [8*`DUPLEX_WORD_BYTES-1:0] word_q;
  reg [POSITION_BITS-1:0] position_q;  // in the word
  reg write_q;
  reg [9:0] address_q;
  wire [POSITION_BITS-1:0] position_last = {POSITION_BITS{1'b1}} >> scaled_row.lanes;
  wire word_end = scaled && (scaled_row.ends || position_q == position_last);
  integer s, c;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      position_q <= 0;
      write_q <= 1'b0;
      address_q <= 10'd0;
    end else begin
      if (scaled) position_q <= word_end ? 0 : position_q + 1'b1;
      write_q <= word_end;
      if (write_valid_o) address_q <= address_q + 10'd1;
    end
    for (s = 0; s < `DUPLEX_SCORES_OF_WORD; s = s + 1) begin
      for (c = 0; c <= LANE_BITS; c = c + 1) begin
        if (scaled && {{(32 - CODE_BITS) {1'b0}}, scaled_row.lanes} == c && {{(32 - POSITION_BITS) {1'b0}},
            position_q} == s >> c)
          word_q[32*s +: 32] <= scores[32*(s % (1 << c)) +: 32];
      end
    end
  end

  // ---- the maximum of a pair, two clocks behind its last score
  reg [1:0] complete_q;
  wire maximum_t complete, oldest;
  assign complete.value = maximum;
  wire unused_ready;
  delay_line #(
    .WIDTH(3),
    .CLOCKS(2)
  ) joins (
    .clk_i(clk_i),
    .data_i(load_end_i ? 3'd0 : {scaled_row.back, scaled_row.has_below, scaled_row.has_above}),
    .data_o({complete.back, complete.has_below, complete.has_above})
  );
  reg [1:0] stored_q;
  always @(posedge clk_i) begin
    complete_q <= rst_ni ? {complete_q[0], (scaled && scaled_row.ends && scaled_row.last) || load_end_i}
        : 2'd0;
    stored_q <= rst_ni ? {stored_q[0], scaled && scaled_row.ends && scaled_row.store} : 2'd0;
  end
  fifo #(
    .WIDTH(MAXIMUM_BITS),
    .DEPTH(2)
  ) maxima (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(complete_q[1]),
    .ready_o(unused_ready),
    .data_i(complete),
    .valid_o(maximum_valid_o),
    .ready_i(maximum_ready_i),
    .data_o(oldest)
  );

  assign maximum_back_o = oldest.back;
  assign maximum_below_o = oldest.has_below;
  assign maximum_above_o = oldest.has_above;
  assign maximum_o = oldest.value;
  assign write_valid_o = write_q || load_valid_i;
  assign write_address_o = address_q;
  assign write_data_o = write_q ? word_q : load_i;
  assign empty_o = !record_valid && scaling_q == 0 && !write_q;
  assign stored_o = stored_q[1];
  assign busy_o = record_valid;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(start_i && !ready_o));
      assert (!(complete_q[1] && !unused_ready));
    end
  end
`endif
endmodule
`default_nettype wire
