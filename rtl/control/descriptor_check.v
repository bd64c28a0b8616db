// SPDX-License-Identifier: Apache-2.0
// Checks a whole descriptor before anything starts (error codes: params/registers.rdl, fields:
// params/descriptor.fields). If several things are wrong the lowest code is reported. `address_o`: stripe:
// the mask; source and result range: the first row set beyond the stripe set; shared range: the first word of
// the access; otherwise 0.
// Products are made in one shift-and-add multiplier, two bits a clock, so a check takes about 50 clocks. It
// also divides a LOAD's tiles, or the KV heads of ATTENTION, among the channels: each gets `tiles_each_o`,
// the first `tiles_extra_o` one more.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_descriptor.vh"
`include "duplex_registers.vh"
module descriptor_check #(
  parameter CHANNELS = `DUPLEX_CHANNELS
) (
  input wire clk_i,
  input wire rst_ni,
  // Descriptor
  input wire start_i,
  input wire [511:0] descriptor_i,  // stands still until done
  input wire [3:0] owner_i,
  // What is wrong with it
  output wire done_o,               // one clock; the results stay
  output wire [7:0] code_o,         // 0: nothing wrong
  output wire [31:0] address_o,
  output wire [10:0] tiles_each_o,
  output wire [5:0] tiles_extra_o
);
  localparam [31:0] CHANNELS_32 = CHANNELS;
  localparam [6:0] CHANNELS_7 = CHANNELS_32[6:0];
  localparam [16:0] SHARED_UNITS = 4 * `DUPLEX_SHARED_WORDS;  // 16-byte units of one buffer
  localparam [16:0] SHARED_WORDS = `DUPLEX_SHARED_WORDS;
  localparam WIDTH_BITS = `DUPLEX_WIDTH_BITS, COLUMN_BITS = `DUPLEX_COLUMN_BITS, TILE_WORD_BITS =
      `DUPLEX_TILE_WORD_BITS;
  localparam ROWS_BITS = `DUPLEX_ROW_BITS + 1;                        // of the rows of a block
  localparam SET_TILES_BITS = COLUMN_BITS + 1 - `DUPLEX_LANE_BITS;  // of the tiles of a row set
  localparam [31:0] WIDTH = `DUPLEX_WIDTH, HALF_ROWS = `DUPLEX_ROWS / 2, ROWS = `DUPLEX_ROWS;
  localparam [13:0] TILE_WORDS = `DUPLEX_TILE_WORDS;
  localparam [21:0] SLICE_SCORES = `DUPLEX_SCORE_WORDS * `DUPLEX_SCORES_OF_WORD;
  // of the blocks of one lane whose scores fill a row set
  localparam SCORE_SETS_BITS = `DUPLEX_LANE_BITS + 2;
  localparam LANES = `DUPLEX_LANES;
  localparam [10:0] TILES_MAX = 11'd1024, K_TILES_MAX = `DUPLEX_K_TILES_MAX;

  wire [7:0] opcode = descriptor_i[`DUPLEX_DESC_OPCODE];
  wire [15:0] src_base = descriptor_i[`DUPLEX_DESC_SRC_BASE];
  wire [3:0] src_stripe = descriptor_i[`DUPLEX_DESC_SRC_STRIPE];
  wire [15:0] src_stride = descriptor_i[`DUPLEX_DESC_SRC_STRIDE];
  wire [10:0] k_tiles = descriptor_i[`DUPLEX_DESC_K_TILES];
  wire [15:0] blocks = descriptor_i[`DUPLEX_DESC_BLOCKS];
  wire [ROWS_BITS-1:0] block_rows = descriptor_i[`DUPLEX_DESC_BLOCK_ROWS];
  wire [ROWS_BITS-1:0] skip_rows = descriptor_i[`DUPLEX_DESC_SKIP_ROWS];
  wire exponents = descriptor_i[`DUPLEX_DESC_EXPONENTS];
  wire [1:0] format = descriptor_i[`DUPLEX_DESC_FORMAT];
  wire [1:0] destination = descriptor_i[`DUPLEX_DESC_DESTINATION];
  wire gated = descriptor_i[`DUPLEX_DESC_GATED];
  wire interleaved = descriptor_i[`DUPLEX_DESC_INTERLEAVED];
  wire [27:0] rows = descriptor_i[`DUPLEX_DESC_ROWS];
  wire [23:0] channel_rows = descriptor_i[`DUPLEX_DESC_CHANNEL_ROWS];
  wire [1:0] groups = descriptor_i[`DUPLEX_DESC_GROUPS];
  wire two_groups = groups == 2'd2;
  wire two_streams = descriptor_i[`DUPLEX_DESC_TWO_STREAMS];
  wire [14:0] x_address = descriptor_i[`DUPLEX_DESC_X_ADDRESS];
  wire [13:0] x_stride = descriptor_i[`DUPLEX_DESC_X_STRIDE];
  wire [15:0] dst_group = descriptor_i[`DUPLEX_DESC_DST_GROUP];
  wire [16:0] dst_address = descriptor_i[`DUPLEX_DESC_DST_ADDRESS];
  wire [15:0] dst_base = descriptor_i[`DUPLEX_DESC_DST_BASE];
  wire [3:0] dst_stripe = descriptor_i[`DUPLEX_DESC_DST_STRIPE];
  wire [15:0] dst_stride = descriptor_i[`DUPLEX_DESC_DST_STRIDE];
  wire [10:0] tiles = descriptor_i[`DUPLEX_DESC_TILES];

  wire load = opcode == `DUPLEX_OPCODE_LOAD;
  wire gemm = opcode == `DUPLEX_OPCODE_GEMM;
  wire attention = opcode == `DUPLEX_OPCODE_ATTENTION;
  wire to_dram = destination == `DUPLEX_DESTINATION_DRAM;
  wire to_shared = destination == `DUPLEX_DESTINATION_SHARED;

  wire first = descriptor_i[`DUPLEX_DESC_FIRST];
  wire last = descriptor_i[`DUPLEX_DESC_LAST];
  wire [1:0] mode = descriptor_i[`DUPLEX_DESC_MODE];
  wire [`DUPLEX_LANES-1:0] lane_mask = descriptor_i[`DUPLEX_DESC_LANE_MASK];
  wire [`DUPLEX_HEAD_TILE_BITS-1:0] row_block = descriptor_i[`DUPLEX_DESC_ROW_BLOCK];
  wire [15:0] v_base = descriptor_i[`DUPLEX_DESC_V_BASE];
  wire [17:0] length = descriptor_i[`DUPLEX_DESC_LENGTH];
  wire [4:0] first_channel = descriptor_i[`DUPLEX_DESC_FIRST_CHANNEL];
  wire [8:0] head_size = descriptor_i[`DUPLEX_DESC_HEAD_SIZE];
  wire [8:0] heads = descriptor_i[`DUPLEX_DESC_HEADS];
  wire [`DUPLEX_LANES_CODE_BITS-1:0] lanes = descriptor_i[`DUPLEX_DESC_LANES];
  wire wide = descriptor_i[`DUPLEX_DESC_WIDE];
  wire [2:0] spread = descriptor_i[`DUPLEX_DESC_SPREAD];
  wire [15:0] v_stride = descriptor_i[`DUPLEX_DESC_V_BLOCK_STRIDE];
  wire [15:0] q_base = descriptor_i[`DUPLEX_DESC_Q_BASE];

  // Bits that must be zero: those without a field, and the fields that this opcode and destination do not
  // use.
  reg [511:0] used;
  always @* begin
    used = 512'd0;
    used[`DUPLEX_DESC_OPCODE] = {8{1'b1}};
    used[`DUPLEX_DESC_INTERRUPT] = 1'b1;
    used[`DUPLEX_DESC_CHAIN] = !attention;
    used[`DUPLEX_DESC_TAG] = {16{1'b1}};
    used[`DUPLEX_DESC_SRC_BASE] = {16{1'b1}};
    used[`DUPLEX_DESC_SRC_STRIPE] = {4{1'b1}};
    used[`DUPLEX_DESC_DESTINATION] = {2{!attention}};
    used[`DUPLEX_DESC_DST_ADDRESS] = {17{!attention && to_shared}};
    used[`DUPLEX_DESC_TILES] = {11{load}};
    used[`DUPLEX_DESC_SRC_STRIDE] = {16{!load}};
    used[`DUPLEX_DESC_K_TILES] = {11{gemm}};
    used[`DUPLEX_DESC_BLOCKS] = {16{gemm}};
    used[`DUPLEX_DESC_BLOCK_ROWS] = {`DUPLEX_DESC_BLOCK_ROWS_WIDTH{gemm}};
    used[`DUPLEX_DESC_EXPONENTS] = gemm && !two_streams;
    used[`DUPLEX_DESC_TWO_STREAMS] = gemm && two_groups;
    used[`DUPLEX_DESC_ROWS] = {28{gemm}};
    used[`DUPLEX_DESC_CHANNEL_ROWS] = {24{gemm}};
    used[`DUPLEX_DESC_SKIP_ROWS] = {`DUPLEX_DESC_SKIP_ROWS_WIDTH{gemm && !two_streams}};
    used[`DUPLEX_DESC_X_ADDRESS] = {15{gemm}};
    used[`DUPLEX_DESC_GROUPS] = {2{gemm}};
    used[`DUPLEX_DESC_K_LAST] = {`DUPLEX_DESC_K_LAST_WIDTH{gemm}};
    used[`DUPLEX_DESC_X_STRIDE] = {14{gemm && two_groups}};
    used[`DUPLEX_DESC_DST_GROUP] = {16{gemm && to_shared && two_groups}};
    used[`DUPLEX_DESC_GATED] = gemm && to_shared;
    used[`DUPLEX_DESC_INTERLEAVED] = gemm && to_shared;
    used[`DUPLEX_DESC_FORMAT] = {2{gemm && to_dram}};
    used[`DUPLEX_DESC_DST_BASE] = {16{attention || (gemm && to_dram)}};
    used[`DUPLEX_DESC_DST_STRIPE] = {4{attention || (gemm && to_dram)}};
    used[`DUPLEX_DESC_DST_STRIDE] = {16{gemm && to_dram}};
    used[`DUPLEX_DESC_FIRST] = attention;
    used[`DUPLEX_DESC_LAST] = attention;
    used[`DUPLEX_DESC_MODE] = {2{attention}};
    used[`DUPLEX_DESC_FENCE] = attention;
    used[`DUPLEX_DESC_LANE_MASK] = {`DUPLEX_DESC_LANE_MASK_WIDTH{attention}};
    used[`DUPLEX_DESC_ROW_BLOCK] = {`DUPLEX_DESC_ROW_BLOCK_WIDTH{attention}};
    used[`DUPLEX_DESC_V_BASE] = {16{attention}};
    used[`DUPLEX_DESC_LENGTH] = {18{attention}};
    used[`DUPLEX_DESC_FIRST_CHANNEL] = {5{attention}};
    used[`DUPLEX_DESC_SPREAD] = {3{attention}};
    used[`DUPLEX_DESC_HEAD_SIZE] = {9{attention}};
    used[`DUPLEX_DESC_HEADS] = {9{attention}};
    used[`DUPLEX_DESC_LANES] = {`DUPLEX_DESC_LANES_WIDTH{attention}};
    used[`DUPLEX_DESC_WIDE] = attention;
    used[`DUPLEX_DESC_V_BLOCK_STRIDE] = {16{attention}};
    used[`DUPLEX_DESC_Q_BASE] = {16{attention}};
    used[`DUPLEX_DESC_SCALE] = {32{attention}};
  end

  // Sequence: five products, each of 8 steps and one clock to use it, beside them the division; then the
  // verdict.
  localparam [2:0] BEATS = 3'd0, COVERED = 3'd1, ROWS_MOST = 3'd2, SOURCE = 3'd3, RESULT = 3'd4, END = 3'd5;
  reg busy_q, begin_q, use_q, done_q;
  reg [2:0] product_of_q;
  reg [2:0] step_q;
  reg [15:0] short_q;
  reg [31:0] product_q;
  reg [10:0] dividend_q, quotient_q;
  reg [5:0] rest_q;
  wire [15:0] blocks_1 = blocks - 16'd1;
  wire [ROWS_BITS:0] tile_rows = {1'b0, block_rows} + {1'b0, skip_rows};  // of a k-tile of a block in DRAM
  wire skips = skip_rows != 0;
  // verilator lint_off UNUSED
  // ATTENTION: k-tiles, blocks of 64 positions of a head's first channel, KV heads of a channel less one.
  wire [9:0] size_up = {1'b0, head_size} + WIDTH[9:0] - 10'd1;
  wire [9-WIDTH_BITS:0] head_tiles = size_up[9:WIDTH_BITS];
  wire [18:0] length_up = {1'b0, length} + (WIDTH[18:0] << spread) - 19'd1;
  // verilator lint_on UNUSED
  wire [18-WIDTH_BITS:0] position_blocks = length_up[18:WIDTH_BITS] >> spread;
  wire [10:0] last_slot = rest_q == 6'd0 ? quotient_q - 11'd1 : quotient_q;
  reg [15:0] short;
  reg [23:0] long;
  always @* begin
    case (product_of_q)
      BEATS: begin
        short = attention ? {{(6 + WIDTH_BITS) {1'b0}}, head_tiles} : {{(15 - ROWS_BITS) {1'b0}}, tile_rows};
        long = attention ? {{(5 + WIDTH_BITS) {1'b0}}, position_blocks} : {13'd0, k_tiles};
      end
      COVERED: begin
        short = {{(16 - ROWS_BITS) {1'b0}}, block_rows};
        long = {8'd0, blocks};
      end
      ROWS_MOST: begin
        short = CHANNELS_32[15:0];
        long = channel_rows;
      end
      SOURCE: begin
        short = attention ? {5'd0, last_slot} : blocks_1;
        long = {8'd0, src_stride};
      end
      default: begin
        short = attention ? {{(6 + WIDTH_BITS) {1'b0}}, head_tiles - 1'b1} : blocks_1;
        long = {8'd0, attention ? v_stride : dst_stride};
      end
    endcase
  end

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      use_q <= 1'b0;
      done_q <= 1'b0;
    end else begin
      if (start_i) busy_q <= 1'b1;
      else if (busy_q && product_of_q == END && use_q) busy_q <= 1'b0;
      use_q <= busy_q && !use_q && !begin_q && step_q == 3'd7;
      done_q <= busy_q && use_q && product_of_q == END;
    end
  end
  // In the clock after use_q the next product's operands are taken.
  always @(posedge clk_i) begin
    begin_q <= start_i || use_q;
    if (start_i) product_of_q <= BEATS;
    else if (use_q) product_of_q <= product_of_q + 3'd1;
    if (begin_q) begin
      step_q <= 3'd0;
      short_q <= short;
      product_q <= 32'd0;
    end else if (!use_q) begin
      step_q <= step_q + 3'd1;
      short_q <= {short_q[13:0], 2'b00};
      product_q <= {product_q[29:0], 2'b00} + (short_q[15] ? {7'd0, long, 1'b0} : 32'd0) +
          (short_q[14] ? {8'd0, long} : 32'd0);
    end
  end

  // Division of the tiles, or of the KV heads, 11 steps.
  reg [3:0] divide_q;
  wire [6:0] trial = {rest_q, dividend_q[10]};
  wire fits = trial >= CHANNELS_7;
  wire [5:0] trial_less = trial[5:0] - CHANNELS_7[5:0];
  always @(posedge clk_i) begin
    if (start_i) begin
      dividend_q <= attention ? {2'd0, heads} : tiles;
      quotient_q <= 11'd0;
      rest_q <= 6'd0;
      divide_q <= 4'd11;
    end else if (divide_q != 4'd0) begin
      dividend_q <= {dividend_q[9:0], 1'b0};
      quotient_q <= {quotient_q[9:0], fits};
      rest_q <= fits ? trial_less : trial[5:0];
      divide_q <= divide_q - 4'd1;
    end
  end

  // Words of x: with two groups the second behind the first, or (stride of one tile) tile by tile in turn.
  wire [16:0] group_words = {6'd0, k_tiles} << TILE_WORD_BITS;
  wire [16:0] x_words = !two_groups ? group_words
      : x_stride == TILE_WORDS ? group_words << 1
      : {3'd0, x_stride} + group_words;

  // Sizes and ends, in registers so that each comparison has a clock of its own.
  function [2:0] ones(input [3:0] mask);
    ones = {2'd0, mask[0]} + {2'd0, mask[1]} + {2'd0, mask[2]} + {2'd0, mask[3]};
  endfunction
  reg [17:0] beats_q;
  // verilator lint_off UNUSED
  wire [17:0] whole_sets = beats_q >> (COLUMN_BITS + 1);
  // verilator lint_on UNUSED
  reg [11:0] source_sets_q;                 // row sets of a block, or of a channel's share of a LOAD
  reg [ROWS_BITS:0] result_columns_q;               // columns of a block of results
  reg [33:0] source_end_q, result_end_q;    // first row set, first column beyond
  reg [16:0] source_limit_q, result_limit_q;
  reg [29:0] units_q;                       // shared buffer: first 16-byte unit beyond, within the buffer
  reg [16:0] x_end_q;
  wire [10:0] tiles_most = quotient_q + {10'd0, rest_q != 6'd0};
  wire [ROWS_BITS:0] result_rows = two_groups ? {block_rows, 1'b0} : {1'b0, block_rows};
  wire [27:0] result_units = load ? {{(15 - `DUPLEX_TILE_WORD_BITS) {1'b0}}, tiles, {(`DUPLEX_TILE_WORD_BITS +
      2) {1'b0}}} : gated ? {1'b0, rows[27:1]} : rows;
  always @(posedge clk_i) begin
    if (use_q && product_of_q == BEATS) beats_q <= product_q[17:0] + {16'd0, exponents, 1'b0};
    source_sets_q <= load
        ? {{(1 + SET_TILES_BITS) {1'b0}}, tiles_most[10:SET_TILES_BITS]} +
          {11'd0, tiles_most[SET_TILES_BITS-1:0] != 0}
        : two_streams ? {1'b0, k_tiles + {10'd0, k_tiles[0]}}
        : whole_sets[11:0] + {11'd0, beats_q[COLUMN_BITS:0] != 0};
    case (format)
      `DUPLEX_RESULT_FORMAT_F16: result_columns_q <= (result_rows + 15) >> 4;
      `DUPLEX_RESULT_FORMAT_F32: result_columns_q <= (result_rows + 7) >> 3;
      default: result_columns_q <= (result_rows + 1) >> 1;
    endcase
    source_end_q <= {18'd0, src_base} + {22'd0, source_sets_q} + (load ? 34'd0 : {2'd0, product_q});
    result_end_q <= {{(18 - COLUMN_BITS) {1'b0}}, dst_base, {COLUMN_BITS{1'b0}}} +
        {{(33 - ROWS_BITS) {1'b0}}, result_columns_q} + {2'd0, product_q};
    source_limit_q <= {ones(src_stripe), 14'd0};
    result_limit_q <= {ones(dst_stripe), 14'd0};
    units_q <= {14'd0, dst_address[15:0]} + {2'b00, result_units} + (two_groups ? {14'd0, dst_group} : 30'd0);
    x_end_q <= {3'd0, x_address[13:0]} + x_words;
  end

  // ATTENTION: what begins at a base ends beyond the last slot.
  wire [21:0] length_most = (SLICE_SCORES >> lanes) << spread;
  wire [15:0] channels_used = {7'd0, heads} << spread;
  wire [LANES-1:0] lanes_there;
  genvar t;
  generate
    for (t = 0; t < LANES; t = t + 1) begin : g_there
      assign lanes_there[t] = t < (1 << lanes);
    end
  endgenerate
  wire alone = mode == `DUPLEX_MODE_WHOLE && first && last;
  wire [15:0] later_base = q_base > dst_base ? q_base : dst_base;
  reg [31:0] k_sets_q, slots_q;
  reg [33:0] k_first_q, v_first_q, k_end_q, v_end_q, qo_end_q;
  reg [15:0] later_base_q;
  // Scores that go to (MODE 1) and come from (MODE 2) the stripe set of the results: 32 / 2^LANES blocks in a
  // row set.
  wire [15:0] score_blocks = {{(WIDTH_BITS - 3) {1'b0}}, position_blocks} << lanes;
  // verilator lint_off UNUSED
  wire [15:0] score_sets = score_blocks >> SCORE_SETS_BITS;
  // verilator lint_on UNUSED
  reg [11:0] score_sets_q;
  reg [16:0] score_end_q;
  always @(posedge clk_i) begin
    if (use_q && product_of_q == BEATS) k_sets_q <= product_q;
    if (use_q && product_of_q == SOURCE) slots_q <= product_q;
    k_first_q <= {18'd0, src_base} + {2'd0, slots_q};
    v_first_q <= {18'd0, v_base} + {2'd0, slots_q};
    k_end_q <= k_first_q + {2'd0, k_sets_q};
    v_end_q <= v_first_q + {{(15 + WIDTH_BITS) {1'b0}}, position_blocks} + {2'd0, product_q};
    later_base_q <= later_base;
    score_sets_q <= score_sets[11:0] + {11'd0, score_blocks[SCORE_SETS_BITS-1:0] != 0};
    score_end_q <= {1'b0, mode == `DUPLEX_MODE_SCORES ? dst_base : src_base} + {5'd0, score_sets_q};
    qo_end_q <= {18'd0, later_base_q} + {23'd0, last_slot} + 34'd1;
  end

  reg [12:0] wrong_q;
  reg reserved_low_q, reserved_high_q;
  reg used_after_q;          // the clock after use_q: ends and limits hold this product
  reg [2:0] of_q;
  wire [511:0] unused_bits = descriptor_i & ~used;
  wire x_leaves = x_end_q > SHARED_WORDS;
  wire dst_leaves = units_q > {13'd0, SHARED_UNITS};
  wire src_foreign = src_stripe == 4'd0 || (src_stripe & ~owner_i) != 4'd0;
  wire dst_foreign = (to_dram || attention) && (dst_stripe == 4'd0 || (dst_stripe & ~owner_i) != 4'd0);
  always @(posedge clk_i) begin
    used_after_q <= use_q;
    of_q <= product_of_q;
    reserved_low_q <= |unused_bits[255:0];
    reserved_high_q <= |unused_bits[511:256];
    if (start_i) wrong_q <= 13'd0;
    else begin
      wrong_q[`DUPLEX_STACK_ERROR_OPCODE] <= !(load || gemm || attention);
      wrong_q[`DUPLEX_STACK_ERROR_RESERVED] <= reserved_low_q || reserved_high_q;
      wrong_q[`DUPLEX_STACK_ERROR_FORMAT] <= attention
          ? mode > `DUPLEX_MODE_ROW_BLOCK || lane_mask == 0 ||
            (wide && 1 << lanes == LANES) || 1 << lanes > LANES || (lane_mask & ~lanes_there) != 0 ||
            (mode == `DUPLEX_MODE_ROW_BLOCK ? {2'd0, row_block} >= head_tiles : row_block != 0)
          : load ? !(to_shared || destination == `DUPLEX_DESTINATION_TABLE)
          : destination[1] || (to_dram && format > `DUPLEX_RESULT_FORMAT_ACC);
      wrong_q[`DUPLEX_STACK_ERROR_STRIPE] <= src_foreign || (!load && dst_foreign);
      if (load) begin
        wrong_q[`DUPLEX_STACK_ERROR_TILES] <= tiles == 11'd0 || tiles > TILES_MAX;
        wrong_q[`DUPLEX_STACK_ERROR_SOURCE_RANGE] <= source_end_q > {17'd0, source_limit_q};
        wrong_q[`DUPLEX_STACK_ERROR_SHARED_RANGE] <= to_shared && (dst_address[1:0] != 2'd0 || dst_leaves);
      end else if (attention) begin
        wrong_q[`DUPLEX_STACK_ERROR_K_TILES] <= head_size == 9'd0 || head_size > 9'd`DUPLEX_HEAD_SIZE_MAX ||
            head_size[3:0] != 4'd0;
        wrong_q[`DUPLEX_STACK_ERROR_BLOCKS] <= length == 18'd0 || length > 18'd`DUPLEX_POSITIONS_MAX ||
            {4'd0, length} > length_most;
        wrong_q[`DUPLEX_STACK_ERROR_ROWS] <= heads == 9'd0 || heads > 9'd`DUPLEX_KV_HEADS_MAX ||
            (heads > {2'd0, CHANNELS_7} && !alone) ||
            spread > 3'd5 || (spread != 3'd0 && channels_used > {9'd0, CHANNELS_7}) ||
            {2'd0, first_channel} >= CHANNELS_7;
        if (used_after_q && of_q == RESULT) begin
          wrong_q[`DUPLEX_STACK_ERROR_SOURCE_RANGE] <=
              (mode != `DUPLEX_MODE_ROW_BLOCK && k_end_q > {17'd0, source_limit_q}) ||
              v_end_q > {17'd0, source_limit_q};
          wrong_q[`DUPLEX_STACK_ERROR_RESULT_RANGE] <= qo_end_q > {17'd0, result_limit_q} ||
              (mode != `DUPLEX_MODE_WHOLE && score_end_q > result_limit_q);
        end
      end else begin
        wrong_q[`DUPLEX_STACK_ERROR_K_TILES] <= k_tiles == 11'd0 || k_tiles > K_TILES_MAX;
        wrong_q[`DUPLEX_STACK_ERROR_SHARED_RANGE] <= x_leaves || (to_shared && dst_leaves);
        if (use_q && product_of_q == COVERED)
          wrong_q[`DUPLEX_STACK_ERROR_BLOCKS] <= product_q[23:0] < channel_rows || blocks == 16'd0 ||
              block_rows == 0 || block_rows > ROWS[ROWS_BITS-1:0] || channel_rows == 24'd0 ||
              !(groups == 2'd1 || (two_groups && block_rows <= HALF_ROWS[ROWS_BITS-1:0])) ||
              ((gated || interleaved || skips) && (block_rows[0] || channel_rows[0])) ||
              skip_rows[0] || tile_rows > {1'b0, ROWS[ROWS_BITS-1:0]};
        if (use_q && product_of_q == ROWS_MOST)
          wrong_q[`DUPLEX_STACK_ERROR_ROWS] <= rows == 28'd0 || ((gated || skips) && rows[0]) ||
              {4'd0, rows} > product_q || (interleaved && {4'd0, rows} != product_q);
        if (used_after_q && of_q == SOURCE)
          wrong_q[`DUPLEX_STACK_ERROR_SOURCE_RANGE] <= source_end_q > {17'd0, source_limit_q} ||
              (blocks_1 != 16'd0 && src_stride < {4'd0, source_sets_q});
        if (used_after_q && of_q == RESULT)
          wrong_q[`DUPLEX_STACK_ERROR_RESULT_RANGE] <= to_dram &&
              (result_end_q > {{(17 - COLUMN_BITS) {1'b0}}, result_limit_q, {COLUMN_BITS{1'b0}}} ||
              (blocks_1 != 16'd0 && dst_stride < {{(15 - ROWS_BITS) {1'b0}}, result_columns_q}));
      end
    end
  end

  reg [7:0] code_q;
  reg [31:0] address_q;
  integer i;
  always @(posedge clk_i) begin
    code_q <= 8'd0;
    for (i = 12; i > 0; i = i - 1) if (wrong_q[i]) code_q <= i[7:0];
    case ({24'd0, code_q})
      `DUPLEX_STACK_ERROR_STRIPE: address_q <= {28'd0, src_foreign ? src_stripe : dst_stripe};
      `DUPLEX_STACK_ERROR_SOURCE_RANGE: address_q <= {15'd0, source_limit_q};
      `DUPLEX_STACK_ERROR_RESULT_RANGE: address_q <= {15'd0, result_limit_q};
      `DUPLEX_STACK_ERROR_SHARED_RANGE: address_q <= {17'd0, !load && x_leaves ? x_address
          : dst_address[16:2]};
      default: address_q <= 32'd0;
    endcase
  end

  assign done_o = done_q;
  assign code_o = code_q;
  assign address_o = address_q;
  assign tiles_each_o = quotient_q;
  assign tiles_extra_o = rest_q;
endmodule
`default_nettype wire
