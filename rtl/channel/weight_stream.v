// SPDX-License-Identifier: Apache-2.0
// Turns the beats of the weight FIFO into beats of the GEMM module: takes off the header, two beats of which
// the first has the rows' exponents, and the beat that fills the last column, counts row, group of tokens and
// k-tile, and lets the beat of a last k-tile go only when its results have room. One beat a clock, also from
// tile to tile and from block to block.
// With two groups the rows of a k-tile are read twice, once for each group's activations; row r of group g
// has accumulator row g * rows + r. With two streams each group has rows of its own instead: a row set holds
// two k-tiles of one group (what is left of it is dropped), the next row set the same k-tiles of the other.
// The exponent of a row whose sum is complete goes into a queue, to be met by the sum when it leaves the GEMM
// module.
`default_nettype none
`include "duplex_params.vh"
module weight_stream (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,
  input wire [23:0] rows_i,        // rows of this channel
  input wire [10:0] k_tiles_i,
  input wire [`DUPLEX_ROW_BITS:0] block_rows_i,
  input wire two_groups_i,
  input wire two_streams_i,
  input wire exponents_i,
  // each group's results begin with a new word (those that go over the result bus)
  input wire group_words_i,
  // Weight FIFO
  input wire weight_valid_i,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] header_i,     // the low half of the beat at the FIFO's output
  output wire weight_pop_o,
  output wire weight_leave_o,
  output wire weight_mark_o,
  output wire weight_rewind_o,
  // GEMM module
  output wire beat_valid_o,
  input wire beat_ready_i,
  output wire [$clog2(`DUPLEX_ROWS)-1:0] beat_row_o,
  output wire beat_first_o,
  output wire beat_last_o,
  output wire beat_release_o,
  // Room for results
  input wire room_i,               // room for the results of one more row
  output wire row_o,               // a row's last beat goes
  output wire [1:0] row_place_o,   // its number in its block (or group), modulo 4
  // Sums that leave the GEMM module
  input wire sum_valid_i,
  output wire [7:0] exponent_o,    // of the sum that leaves now
  output wire end_o,               // that sum is the last of its block (or group)
  // State, and for the counters
  output wire busy_o,
  output wire starved_o,           // for the counters: the GEMM module waits for weights
  output wire no_tile_o,           // weights wait for a tile
  output wire no_room_o            // both are there, but no room for results
);
  localparam ROW_BITS = `DUPLEX_ROW_BITS;
  localparam [ROW_BITS:0] ONE = 1, TWO = 2;
  localparam EXPONENT_BITS = 8 + 1;  // and the mark of a block's last row
  localparam [1:0] IDLE = 2'd0, HEADER = 2'd1, BEATS = 2'd2, PAD = 2'd3;

  reg [1:0] state_q;
  reg [23:0] left_q;         // rows of the blocks after this one
  reg [ROW_BITS:0] rows_q;          // rows of this block
  reg [ROW_BITS-1:0] row_q, sum_row_q;
  reg row_end_q;             // row_q is the block's last row
  reg group_end_q;           // this is the last group
  reg [10:0] k_q;            // k-tiles after this one
  reg first_q, last_q;       // this is the first, the last k-tile
  reg half_q, first_set_q;   // two streams: second k-tile of its row set; first row sets of the block
  reg over_q;                // what is dropped ends the block
  reg [`DUPLEX_COLUMN_BITS:0] place_q;         // of the beat in its row set
  reg [8*`DUPLEX_WORD_BYTES-1:0] exponents_q;
  reg pick_q, pick_end_q;
  reg [ROW_BITS-1:0] pick_row_q;

  wire go = state_q == BEATS && weight_valid_i && (room_i || !last_q);
  wire issue = go && beat_ready_i;
  wire tile_end = row_end_q && group_end_q;
  // the other group follows, or the next k-tiles
  wire turn_end = row_end_q && (!two_streams_i || half_q || last_q);
  wire block_done = issue && last_q && tile_end;
  wire set_end = !two_streams_i || &place_q;
  wire odd = two_streams_i ? !set_end : k_tiles_i[0] & rows_q[0];
  wire drop = weight_valid_i && (state_q == HEADER || state_q == PAD);
  wire dropped = drop && state_q == PAD && set_end;
  wire leave = (block_done && !odd) || (dropped && over_q);  // the block is over
  wire more = left_q >= {{(23 - ROW_BITS) {1'b0}}, block_rows_i};
  wire [ROW_BITS:0] next_rows = more ? block_rows_i : left_q[ROW_BITS:0];
  wire [1:0] first_state = exponents_i ? HEADER : BEATS;
  wire single_k = k_tiles_i == 11'd1;
  reg load_q;                // the clock after start: the first block's rows

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
      load_q <= 1'b0;
      pick_q <= 1'b0;
    end else begin
      load_q <= start_i;
      pick_q <= issue && last_q;
      if (load_q) state_q <= left_q == 24'd0 ? IDLE : first_state;
      else if (leave) state_q <= left_q == 24'd0 ? IDLE : first_state;
      else if (block_done || (issue && turn_end && !set_end)) state_q <= PAD;
      else if (dropped || (drop && state_q == HEADER && place_q[0])) state_q <= BEATS;
    end
  end

  always @(posedge clk_i) begin
    if (start_i) left_q <= rows_i;
    if (load_q || leave) begin
      left_q <= more ? left_q - {{(23 - ROW_BITS) {1'b0}}, block_rows_i} : 24'd0;
      rows_q <= next_rows;
      row_q <= 0;
      sum_row_q <= 0;
      row_end_q <= next_rows == ONE;
      group_end_q <= !two_groups_i;
      k_q <= k_tiles_i - 11'd1;
      first_q <= 1'b1;
      last_q <= single_k;
      half_q <= 1'b0;
      first_set_q <= 1'b1;
    end else if (issue) begin
      row_q <= row_end_q ? 0 : row_q + 1'b1;
      sum_row_q <= row_end_q && !turn_end ? (group_end_q ? rows_q[ROW_BITS-1:0] : {ROW_BITS{1'b0}})
          : tile_end ? 0
          : sum_row_q + 1'b1;
      row_end_q <= row_end_q ? rows_q == ONE : {1'b0, row_q} + TWO == rows_q;
      if (row_end_q) half_q <= !turn_end;
      if (turn_end) group_end_q <= !two_groups_i || !group_end_q;
      if (row_end_q && (!turn_end || group_end_q)) begin
        k_q <= k_q - 11'd1;
        first_q <= 1'b0;
        last_q <= k_q == 11'd1;
      end else if (turn_end && two_streams_i) begin  // back to the k-tiles of this row set
        k_q <= k_q + {10'd0, half_q};
        first_q <= first_set_q;
        last_q <= last_q && !half_q;
      end
      if (turn_end && group_end_q) first_set_q <= 1'b0;
    end
    if (load_q || leave) place_q <= 0;
    else if (issue || drop) place_q <= place_q + 1'b1;
    if (issue) over_q <= block_done;
    if (state_q == HEADER && weight_valid_i && !place_q[0]) exponents_q <= header_i;
    pick_row_q <= row_q;
    pick_end_q <= row_end_q && (group_end_q || group_words_i);
  end

  // Deep enough for the rows inside the GEMM module (6 clocks from issue to sum), and faster than it (3).
  wire unused_valid;
  ram_fifo #(
    .WIDTH(EXPONENT_BITS),
    .DEPTH(16)
  ) exponents (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(pick_q),
    .data_i({pick_end_q, exponents_i ? exponents_q[pick_row_q * 8 +: 8] : 8'd0}),
    .valid_o(unused_valid),
    .data_o({end_o, exponent_o}),
    .pop_i(sum_valid_i),
    .mark_i(1'b0),
    .rewind_i(1'b0)
  );

  assign weight_pop_o = issue || drop;
  assign weight_leave_o = group_end_q || drop || two_streams_i;
  assign weight_mark_o = state_q == BEATS && !group_end_q && row_q == 0 && !two_streams_i;
  assign weight_rewind_o = issue && row_end_q && !group_end_q && !two_streams_i;
  assign beat_valid_o = go;
  assign beat_row_o = sum_row_q;
  assign beat_first_o = first_q;
  assign beat_last_o = last_q;
  assign beat_release_o = row_end_q;
  assign row_o = issue && last_q;
  assign row_place_o = group_words_i ? row_q[1:0] : sum_row_q[1:0];
  assign busy_o = state_q != IDLE || load_q;
  assign starved_o = state_q == BEATS && beat_ready_i && !weight_valid_i;
  assign no_tile_o = state_q == BEATS && !beat_ready_i && weight_valid_i;
  assign no_room_o = state_q == BEATS && beat_ready_i && weight_valid_i && last_q && !room_i;
endmodule
`default_nettype wire
