// SPDX-License-Identifier: Apache-2.0
// Segments that wait in a channel: ATTENTION descriptors, each with the number of KV heads (slots) that it
// has here. The sequencer looks at two of them, the next one for a score pass and the oldest one that is
// still in the queue, and reads one whole. An index has one bit more than a place; the queue holds the
// indices from `oldest_i` to `next_o` - 1.
//
// SPREAD: `member_i` says which of the head's channels this one is. It keeps its own part of the segment:
// every 2^SPREADth block of 64 positions. A member that has none keeps one position that belongs to no lane.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_descriptor.vh"
`include "duplex_records.vh"
module attention_queue #(
  parameter PLACE_BITS = $clog2(`DUPLEX_ATTENTION_QUEUE)
) (
  input wire clk_i,
  input wire rst_ni,
  // Segments that come
  input wire push_i,
  // verilator lint_off UNUSED
  input wire [511:0] descriptor_i,
  // verilator lint_on UNUSED
  input wire [8:0] slots_i,
  input wire [4:0] member_i,
  output wire room_o,
  output wire [PLACE_BITS:0] next_o,
  // The next one for scores
  input wire [PLACE_BITS:0] score_index_i,
  output wire [1:0] score_mode_o,
  output wire score_first_o,
  output wire [10:0] score_words_o,  // of the slice that its scores take
  // The oldest one
  input wire [PLACE_BITS:0] oldest_i,
  output wire [1:0] oldest_mode_o,
  // One whole
  input wire [PLACE_BITS:0] index_i,
  output wire segment_t segment_o
);
  localparam BLOCK_BITS = `DUPLEX_BLOCK_BITS, REST_BITS = `DUPLEX_WIDTH_BITS, LANE_BITS = `DUPLEX_LANE_BITS;
  localparam [31:0] ENTRIES_32 = `DUPLEX_ATTENTION_QUEUE;
  localparam [PLACE_BITS:0] ENTRIES = ENTRIES_32[PLACE_BITS:0], ONE = 1;

  localparam [31:0] LANE_BITS_32 = LANE_BITS;
  localparam [`DUPLEX_LANES_CODE_BITS-1:0] LANES_MOST = LANE_BITS_32[`DUPLEX_LANES_CODE_BITS-1:0];

  // This member's part of the segment.
  wire [2:0] spread = descriptor_i[`DUPLEX_DESC_SPREAD];
  wire [4:0] last_member = ~(5'h1f << spread);
  // verilator lint_off UNUSED
  wire [17:0] segment_last = descriptor_i[`DUPLEX_DESC_LENGTH] - 18'd1;
  // verilator lint_on UNUSED
  wire [BLOCK_BITS-1:0] segment_blocks = segment_last[REST_BITS +: BLOCK_BITS];  // after the first
  wire [BLOCK_BITS-1:0] member = {{(BLOCK_BITS - 5) {1'b0}}, member_i};
  wire none = segment_blocks < member;
  wire [BLOCK_BITS-1:0] blocks = (segment_blocks - member) >> spread;
  wire has_last = (segment_blocks[4:0] & last_member) == member_i;
  wire [17:0] last_position = none ? 18'd0 : {1'b0, blocks, has_last ? segment_last[REST_BITS-1:0]
      : {REST_BITS{1'b1}}};
  wire [`DUPLEX_LANES-1:0] mask = none ? 0 : descriptor_i[`DUPLEX_DESC_LANE_MASK];

  // verilator lint_off UNUSED
  wire [8:0] last_size = descriptor_i[`DUPLEX_DESC_HEAD_SIZE] - 9'd16;
  wire [17+LANE_BITS:0] last_score = {last_position,
      {LANE_BITS{1'b1}}} >> (LANES_MOST - descriptor_i[`DUPLEX_DESC_LANES]);
  // verilator lint_on UNUSED
  wire [10:0] words = {1'b0, last_score[LANE_BITS+1 +: 10]} + 11'd1;

  wire segment_t entering;
  assign entering.k_base = descriptor_i[`DUPLEX_DESC_SRC_BASE];
  assign entering.v_base = descriptor_i[`DUPLEX_DESC_V_BASE];
  assign entering.v_stride = descriptor_i[`DUPLEX_DESC_V_BLOCK_STRIDE];
  assign entering.q_base = descriptor_i[`DUPLEX_DESC_Q_BASE];
  assign entering.o_base = descriptor_i[`DUPLEX_DESC_DST_BASE];
  assign entering.stride = descriptor_i[`DUPLEX_DESC_SRC_STRIDE];
  assign entering.kv_stripe = descriptor_i[`DUPLEX_DESC_SRC_STRIPE];
  assign entering.qo_stripe = descriptor_i[`DUPLEX_DESC_DST_STRIPE];
  assign entering.last_position = last_position;
  assign entering.last_sixteen = last_size[7:4];
  assign entering.mode = descriptor_i[`DUPLEX_DESC_MODE];
  assign entering.row_block = descriptor_i[`DUPLEX_DESC_ROW_BLOCK];
  assign entering.first = descriptor_i[`DUPLEX_DESC_FIRST];
  assign entering.last = descriptor_i[`DUPLEX_DESC_LAST];
  assign entering.lanes = descriptor_i[`DUPLEX_DESC_LANES];
  assign entering.wide = descriptor_i[`DUPLEX_DESC_WIDE];
  assign entering.mask = mask;
  assign entering.scale = descriptor_i[`DUPLEX_DESC_SCALE];
  assign entering.words = words;
  assign entering.slots = slots_i;
  assign entering.has_below = member_i != 5'd0;
  assign entering.has_above = member_i != last_member;

  reg [SEGMENT_BITS-1:0] entry_q[0:`DUPLEX_ATTENTION_QUEUE-1];
  reg [1:0] entry_mode_q[0:`DUPLEX_ATTENTION_QUEUE-1];
  reg [`DUPLEX_ATTENTION_QUEUE-1:0] entry_first_q;
  reg [10:0] entry_words_q[0:`DUPLEX_ATTENTION_QUEUE-1];
  reg [PLACE_BITS:0] next_q;
  wire [PLACE_BITS:0] count = next_q - oldest_i;
  wire [PLACE_BITS-1:0] next_place = next_q[PLACE_BITS-1:0], score_place = score_index_i[PLACE_BITS-1:0];

  always @(posedge clk_i) begin
    if (!rst_ni) next_q <= 0;
    else if (push_i) next_q <= next_q + ONE;
    if (push_i) begin
      entry_mode_q[next_place] <= descriptor_i[`DUPLEX_DESC_MODE];
      entry_words_q[next_place] <= words;
      entry_first_q[next_place] <= descriptor_i[`DUPLEX_DESC_FIRST];
      entry_q[next_place] <= entering;
    end
  end

  assign room_o = count < ENTRIES;
  assign next_o = next_q;
  assign score_mode_o = entry_mode_q[score_place];
  assign score_first_o = entry_first_q[score_place];
  assign score_words_o = entry_words_q[score_place];
  assign oldest_mode_o = entry_mode_q[oldest_i[PLACE_BITS-1:0]];
  assign segment_o = entry_q[index_i[PLACE_BITS-1:0]];

  wire unused = &{1'b0, score_index_i[PLACE_BITS], index_i[PLACE_BITS]};
endmodule
`default_nettype wire
