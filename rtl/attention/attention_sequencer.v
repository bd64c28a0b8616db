// SPDX-License-Identifier: Apache-2.0
// Decides the order of a channel's passes and asks the bundle controller for their row sets.
//
// A pair is one sequence and one of its KV heads here. Its passes (PASS of params/enumerations.params), with
// the letter that the comments give each: Q, QUERY (the tiles of q into the q RAM), S, SCORE (scores, segment
// by segment), C, CONTEXT (row block by row block, in each segment by segment), L, RELOAD, and W, STORE. The
// order of the stream is q(i+1), S(i+1), C(i): the next pair's scores hide the end of this pair's scores.
// S(i+1) goes behind C(i) if the slice cannot hold the scores of both, or if its segment has not come yet.
// MODE 1 has S and W, segment by segment: its scores leave the slice for DRAM, beside the stream. MODE 2 has
// L, which brings them back, and C of one row block, segment by segment; an L waits until the scores of all W
// before it lie in DRAM, an S until the row block is over.
// Each pass goes to the units behind as a record, before its row sets are asked for: kind, flags, sizes
// (attention_stream, attention_tiles). Flags: `first` the first segment (accumulators and l are begun, S: the
// maximum), `last` the last one (C: sums leave; S: the pair's scores are complete), `store` S: scores go on
// to DRAM, `keep` C: l is summed, `final` C: the last row block, `begins` C: the first pass of its pair. A
// MODE 0 sequence that is begun and not ended leaves the channel quiet, and is dropped when something else
// comes, or when its segments fill the queue: nothing waits forever for a descriptor that was refused.
// A head in several channels: results go to the member above, but those of the last one; after the S of a
// MODE 1 the next S waits for the maximum that the members have in common (`joined_i`).
// An address takes 10 clocks and one for each bit of a row block: base + slot * stride + row block * V
// stride, one bit a clock.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module attention_sequencer #(
  parameter PLACE_BITS = $clog2(`DUPLEX_ATTENTION_QUEUE)
) (
  input wire clk_i,
  input wire rst_ni,
  // Queue
  output wire [PLACE_BITS:0] score_index_o,
  output wire [PLACE_BITS:0] oldest_o,
  output wire [PLACE_BITS:0] index_o,
  input wire [PLACE_BITS:0] next_i,
  input wire [1:0] score_mode_i,
  input wire score_first_i,
  input wire [10:0] score_words_i,
  input wire [1:0] oldest_mode_i,
  input wire segment_t segment_i,
  input wire joined_i,
  // Row sets
  output wire read_valid_o,
  input wire read_ready_i,
  output wire read_request_t read_o,
  // Records
  output wire pass_valid_o,
  input wire pass_ready_i,
  output wire stream_pass_t stream_pass_o,
  output wire tiles_pass_t tiles_pass_o,
  // W: a segment's scores to DRAM
  output wire write_valid_o,
  input wire write_ready_i,            // the writer is idle
  output wire [9:0] write_address_o,
  output wire [10:0] write_words_o,
  input wire write_done_i,             // it has read them all
  output wire write_taken_o,           // this is known
  input wire unwritten_i,              // some have still to reach the DRAM
  input wire rows_open_i,              // rows of a pair's results have still to come
  // Where a pair's results, or scores, go
  output wire result_valid_o,
  input wire result_ready_i,
  output wire result_place_t result_o,
  output wire busy_o
);
  localparam [2:0] QUERY = `DUPLEX_PASS_QUERY, SCORE = `DUPLEX_PASS_SCORE, CONTEXT = `DUPLEX_PASS_CONTEXT,
      RELOAD = `DUPLEX_PASS_RELOAD, STORE = `DUPLEX_PASS_STORE;
  localparam [2:0] CHOOSE = 3'd0, LOAD = 3'd1, ADDRESS = 3'd2, RECORD = 3'd3, ASK = 3'd4, NEXT = 3'd5;
  localparam [14:0] SLICE_WORDS = `DUPLEX_SCORE_WORDS;
  localparam REST_BITS = `DUPLEX_WIDTH_BITS, BLOCK_BITS = `DUPLEX_BLOCK_BITS, TILE_BITS =
      `DUPLEX_HEAD_TILE_BITS, COLUMN_BITS = `DUPLEX_COLUMN_BITS;
  localparam SIXTEENS_BITS = REST_BITS - 3;        // of the rows of a row block / 16
  localparam SIXTEENS_OF_TILE = `DUPLEX_WIDTH / 16;
  localparam SLOT_STEPS = 9;                       // of an address: one for each bit of a slot
  localparam [31:0] LAST_STEP_32 = SLOT_STEPS + TILE_BITS;
  localparam [3:0] LAST_STEP = LAST_STEP_32[3:0];
  localparam [16:0] COLUMNS = `DUPLEX_COLUMNS;     // of a whole row set
  localparam [31:0] ENTRIES_32 = `DUPLEX_ATTENTION_QUEUE;
  localparam [PLACE_BITS:0] ENTRIES = ENTRIES_32[PLACE_BITS:0], ONE = 1;

  reg [2:0] state_q;
  reg [2:0] kind_q;
  // next segment of S, first segment of the next C, segment of this C
  reg [PLACE_BITS:0] score_index_q, oldest_q, at_q;
  reg [8:0] score_slot_q, slot_q;           // their KV heads
  reg q_ready_q;                            // q of the next S is asked for
  reg [1:0] pending_q;                      // pairs whose S is over and whose C is not
  // words of the slice: of the first pending pair, of the one behind it
  reg [13:0] older_q, newer_q;
  reg [TILE_BITS-1:0] row_block_q;
  reg begins_q;
  reg joining_q;                            // the next S waits for the joined maximum
  reg writing_q;                            // a W is under way
  reg open_q;                               // a MODE 0 sequence is begun, its last segment not yet asked for
  // words of the slice: next one for scores, first of the oldest pair, of this C's segment
  reg [9:0] write_q, pair_q, word_q;

  // ---- what comes next
  wire score_there = score_index_q != next_i;
  wire [14:0] words = {1'b0, older_q} + {1'b0, newer_q} + {4'd0, score_words_i};
  wire beside = words <= SLICE_WORDS;  // beside the pair that waits for its C or W
  wire room = pending_q == 2'd0 || (pending_q == 2'd1 && beside);
  wire loads = score_mode_i == `DUPLEX_MODE_ROW_BLOCK;
  // not a segment of the sequence that is open
  wire other = score_first_i || score_mode_i != `DUPLEX_MODE_WHOLE;
  wire stale = open_q && other;
  wire want_q = score_there && !q_ready_q && !loads && !stale;
  // the accumulators hold those of a row block that goes on
  wire sums_kept = pending_q != 2'd0 && oldest_mode_i == `DUPLEX_MODE_ROW_BLOCK;
  wire want_s = score_there && q_ready_q && !loads && !stale && !joining_q && room && !sums_kept;
  wire want_l = score_there && loads && !stale && !joining_q && room && !unwritten_i;
  wire writes = oldest_mode_i == `DUPLEX_MODE_SCORES;
  wire want_w = pending_q != 2'd0 && writes && !writing_q;
  wire want_c = pending_q != 2'd0 && !writes;

  wire full = next_i - oldest_q == ENTRIES;
  wire drop = open_q && pending_q == 2'd0 && (score_there ? other : full);

  // ---- the segment at index_o
  wire [17:0] last_position = segment_i.last_position;
  wire [3:0] last_sixteen = segment_i.last_sixteen;
  wire is_c = kind_q == CONTEXT, is_l = kind_q == RELOAD, is_w = kind_q == STORE;
  wire [8:0] this_slot = is_c ? slot_q : score_slot_q;
  wire [TILE_BITS-1:0] k_last = last_sixteen[3-:TILE_BITS];
  // Rows / 16 of a row block, of the last one: a head is cut into as many as it has tiles.
  reg [SIXTEENS_BITS-1:0] sixteens, sixteens_last;
  // verilator lint_off UNUSED
  integer h, blocks_of, most, rest_of;
  // verilator lint_on UNUSED
  always @* begin
    sixteens = 0;
    sixteens_last = 0;
    for (h = 0; h < 16; h = h + 1) begin
      blocks_of = h / SIXTEENS_OF_TILE + 1;
      most = (h + blocks_of) / blocks_of;
      rest_of = h + 1 - most * (blocks_of - 1);
      if (last_sixteen == h[3:0]) begin
        sixteens = most[SIXTEENS_BITS-1:0];
        sixteens_last = rest_of[SIXTEENS_BITS-1:0];
      end
    end
  end
  wire row_block_mode = segment_i.mode == `DUPLEX_MODE_ROW_BLOCK;
  wire block_is_last = row_block_q == k_last;
  wire [SIXTEENS_BITS-1:0] rows = block_is_last ? sixteens_last : sixteens;
  wire final_pass = row_block_mode || block_is_last;
  // this segment's S is the pair's last
  wire pair_end = segment_i.mode != `DUPLEX_MODE_WHOLE || segment_i.last;
  wire back = segment_i.mode == `DUPLEX_MODE_SCORES && segment_i.last &&
      (segment_i.has_below || segment_i.has_above);
  wire last_slot = this_slot + 9'd1 == segment_i.slots;
  wire result_begins = is_c && segment_i.last && !segment_i.has_above && (row_block_mode || row_block_q == 0);

  // ---- address, row sets
  reg [3:0] step_q;
  reg [15:0] base_q;
  reg [3:0] stripe_q;
  reg [8:0] slot_bits_q;
  reg [BLOCK_BITS-1:0] blocks_q;  // blocks after this one
  reg [TILE_BITS-1:0] k_q;        // k-tiles after this one
  reg single_k_q;
  wire [REST_BITS-1:0] rest = last_position[REST_BITS-1:0];
  wire last_block = blocks_q == 0;
  // What a bit of the row block adds to the address.
  reg block_step;
  reg [15:0] v_step;
  integer s;
  always @* begin
    block_step = 1'b0;
    v_step = 16'd0;
    for (s = 0; s < TILE_BITS; s = s + 1) begin
      if ({28'd0, step_q} == SLOT_STEPS + s) begin
        block_step = 1'b1;
        v_step = row_block_q[s] ? segment_i.v_stride << s : 16'd0;
      end
    end
  end
  wire one_k = is_c || is_l;
  wire ask_done = kind_q == QUERY || (last_block && (one_k || k_q == 0));
  wire may_begin = is_w ? write_ready_i && !rows_open_i : write_ready_i;  // results and scores take turns
  wire record = state_q == RECORD && pass_ready_i &&
      (!(is_w || result_begins) || (result_ready_i && may_begin));
  // verilator lint_off UNUSED
  wire [9:0] words_1 = segment_i.words[9:0] - 10'd1;
  // verilator lint_on UNUSED

  always @(posedge clk_i) begin
    if (!rst_ni) state_q <= CHOOSE;
    else begin
      case (state_q)
        CHOOSE: if (!drop && (want_w || want_q || want_s || want_l || want_c)) state_q <= LOAD;
        LOAD: state_q <= ADDRESS;
        ADDRESS: if (step_q == LAST_STEP) state_q <= RECORD;
        RECORD: if (record) state_q <= is_w ? CHOOSE : ASK;
        ASK: if (read_ready_i && ask_done) state_q <= NEXT;
        default: state_q <= is_c && !row_block_mode && !(segment_i.last && block_is_last) ? LOAD : CHOOSE;
      endcase
    end
  end

  always @(posedge clk_i) begin
    case (state_q)
      CHOOSE: begin
        kind_q <= want_w ? STORE : want_q ? QUERY : want_s ? SCORE : want_l ? RELOAD : CONTEXT;
        at_q <= oldest_q;
        row_block_q <= 0;
        begins_q <= 1'b1;
        word_q <= pair_q;
      end
      LOAD: begin
        if (row_block_mode) row_block_q <= segment_i.row_block;
        step_q <= kind_q == QUERY || is_l || is_w ? LAST_STEP : 4'd0;
        slot_bits_q <= this_slot;
        base_q <= kind_q == QUERY ? {7'd0, this_slot} : 16'd0;
      end
      ADDRESS: begin
        step_q <= step_q + 4'd1;
        stripe_q <= kind_q == QUERY || is_l ? segment_i.qo_stripe : segment_i.kv_stripe;
        slot_bits_q <= {slot_bits_q[7:0], 1'b0};
        case (step_q)
          LAST_STEP: base_q <= base_q +
          (kind_q == QUERY ? segment_i.q_base : is_c ? segment_i.v_base : segment_i.k_base);
          default:
            if (block_step) base_q <= base_q + (is_c ? v_step : 16'd0);
            else base_q <= {base_q[14:0], 1'b0} + (slot_bits_q[8] ? segment_i.stride : 16'd0);
        endcase
      end
      RECORD: begin
        blocks_q <= is_l ? {{(BLOCK_BITS - 8 + COLUMN_BITS) {1'b0}}, words_1[9:COLUMN_BITS+2]}
            : last_position[REST_BITS +: BLOCK_BITS];
        k_q <= k_last;
        single_k_q <= k_last == 0;
      end
      ASK: if (read_ready_i) begin
        base_q <= base_q + 16'd1;
        k_q <= k_q == 0 ? k_last : k_q - 1'b1;
        if (one_k || single_k_q || k_q == 0) blocks_q <= blocks_q - 1'b1;
      end
      default: begin
        begins_q <= 1'b0;
        at_q <= segment_i.last ? oldest_q : at_q + ONE;
        word_q <= segment_i.last ? pair_q : word_q + segment_i.words[9:0];
        if (segment_i.last) row_block_q <= row_block_q + 1'b1;
      end
    endcase
  end

  // ---- the pairs
  wire next = state_q == NEXT;
  wire s_done = next && (kind_q == SCORE || is_l);
  wire s_pair = s_done && pair_end;
  wire c_pair = next && is_c && (row_block_mode || (segment_i.last && block_is_last));
  wire w_pair = writing_q && write_done_i && !next;
  wire drops = state_q == CHOOSE && drop;
  wire [13:0] newer = newer_q + {3'd0, segment_i.words};
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      score_index_q <= 0;
      oldest_q <= 0;
      joining_q <= 1'b0;
      writing_q <= 1'b0;
      score_slot_q <= 9'd0;
      slot_q <= 9'd0;
      q_ready_q <= 1'b0;
      pending_q <= 2'd0;
      older_q <= 14'd0;
      newer_q <= 14'd0;
      open_q <= 1'b0;
      write_q <= 10'd0;
      pair_q <= 10'd0;
    end else begin
      if (next && kind_q == QUERY) q_ready_q <= 1'b1;
      else if (drops || (s_done && segment_i.last)) q_ready_q <= 1'b0;
      if (s_done && back) joining_q <= 1'b1;
      else if (joined_i) joining_q <= 1'b0;
      if (record && is_w) writing_q <= 1'b1;
      else if (w_pair) writing_q <= 1'b0;
      if (s_done && segment_i.mode == `DUPLEX_MODE_WHOLE) open_q <= !segment_i.last;
      else if (drops) open_q <= 1'b0;
      if (s_done) write_q <= write_q + segment_i.words[9:0];
      if (c_pair) pair_q <= word_q + segment_i.words[9:0];
      else if (w_pair) pair_q <= pair_q + older_q[9:0];
      else if (drops) pair_q <= write_q;
      if (s_done) begin
        score_slot_q <= last_slot || !segment_i.last ? 9'd0 : this_slot + 9'd1;
        if (last_slot || !segment_i.last) score_index_q <= score_index_q + ONE;
      end
      if (c_pair) begin
        slot_q <= last_slot ? 9'd0 : this_slot + 9'd1;
        if (last_slot) oldest_q <= at_q + ONE;
      end else if (w_pair) oldest_q <= oldest_q + ONE;
      else if (drops) oldest_q <= score_index_q;
      if (s_pair) pending_q <= pending_q + 2'd1;
      else if (c_pair || w_pair) pending_q <= pending_q - 2'd1;
      if (s_pair && pending_q == 2'd0) begin
        older_q <= newer;
        newer_q <= 14'd0;
      end else if (s_done) begin
        newer_q <= newer;
      end else if (c_pair || w_pair) begin
        older_q <= pending_q[1] ? newer_q : 14'd0;
        if (pending_q[1]) newer_q <= 14'd0;
      end else if (drops) begin
        newer_q <= 14'd0;
      end
    end
  end

  assign score_index_o = score_index_q;
  assign oldest_o = oldest_q;
  assign index_o = is_c || is_w ? at_q : score_index_q;
  assign read_valid_o = state_q == ASK;
  assign read_o.base = base_q;
  assign read_o.stripe = stripe_q;
  assign read_o.runs = 0;  // without columns that are passed over
  // Columns: half as many as beats.
  localparam LANE_BITS = `DUPLEX_LANE_BITS;
  wire [TILE_BITS:0] q_tiles = {1'b0, k_last} + 1'b1;
  wire [COLUMN_BITS:0] scores_rest = {1'b0, words_1[2 +: COLUMN_BITS]} + 1'b1;
  wire [COLUMN_BITS:0] block_rest = {1'b0, rest[REST_BITS-1:1]} + 1'b1;
  assign read_o.columns = kind_q == QUERY ? {{(17 - TILE_BITS - LANE_BITS) {1'b0}}, q_tiles,
      {(LANE_BITS - 1) {1'b0}}}
      : is_c ? {{(14 - SIXTEENS_BITS) {1'b0}}, rows, 3'd0}
      : !last_block ? COLUMNS
      : {{(16 - COLUMN_BITS) {1'b0}}, is_l ? scores_rest : block_rest};
  wire [`DUPLEX_PASS_BITS-1:0] blocks = is_l ? {{(`DUPLEX_PASS_BITS - 11) {1'b0}}, segment_i.words}
      : {{(`DUPLEX_PASS_BITS - BLOCK_BITS) {1'b0}}, last_position[REST_BITS +: BLOCK_BITS]};
  wire keep = row_block_mode || row_block_q == 0;
  assign pass_valid_o = record && !is_w;
  assign stream_pass_o.kind = kind_q[1:0];
  assign stream_pass_o.blocks = blocks;
  assign stream_pass_o.rest = rest;
  assign stream_pass_o.k_last = k_last;
  assign stream_pass_o.sixteens = rows[SIXTEENS_BITS-2:0] - 1'b1;
  assign stream_pass_o.first = segment_i.first;
  assign stream_pass_o.last = is_c || segment_i.mode == `DUPLEX_MODE_WHOLE ? segment_i.last : back;
  assign stream_pass_o.keep = keep;
  assign stream_pass_o.final_block = is_c ? final_pass : segment_i.last;
  assign stream_pass_o.store = segment_i.mode == `DUPLEX_MODE_SCORES;
  assign stream_pass_o.back = back;
  assign stream_pass_o.has_below = segment_i.has_below;
  assign stream_pass_o.has_above = segment_i.has_above;
  assign stream_pass_o.lanes = segment_i.lanes;
  assign stream_pass_o.wide = segment_i.wide;
  assign stream_pass_o.mask = segment_i.mask;
  assign stream_pass_o.scale = segment_i.scale;
  assign tiles_pass_o.kind = kind_q[1:0];
  assign tiles_pass_o.blocks = blocks;
  assign tiles_pass_o.rest = rest;
  assign tiles_pass_o.k_last = k_last;
  assign tiles_pass_o.lanes = segment_i.lanes;
  assign tiles_pass_o.wide = segment_i.wide;
  assign tiles_pass_o.first = segment_i.first;
  assign tiles_pass_o.keep = keep;
  assign tiles_pass_o.begins = begins_q;
  assign tiles_pass_o.address = word_q;
  assign write_valid_o = record && is_w;
  assign write_address_o = word_q;
  assign write_words_o = segment_i.words;
  assign write_taken_o = w_pair;
  assign result_valid_o = record && (is_w || result_begins);
  // 16 rows of o are a column.
  wire [4:0] block_column =
      {{(5 - TILE_BITS) {1'b0}}, row_block_q} * {{(5 - SIXTEENS_BITS) {1'b0}}, sixteens};
  assign result_o.scores = is_w;
  assign result_o.stripe = segment_i.qo_stripe;
  assign result_o.column = {segment_i.o_base + (is_w ? 16'd0 : {7'd0, this_slot}), {COLUMN_BITS{1'b0}}} +
      (row_block_mode ? {{(11 + COLUMN_BITS) {1'b0}}, block_column} : 0);
  assign busy_o = state_q != CHOOSE || score_there || pending_q != 2'd0 || joining_q;
  wire unused = &{1'b0, last_position[17]};
endmodule
`default_nettype wire
