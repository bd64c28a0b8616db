// SPDX-License-Identifier: Apache-2.0
// Rows of context sums on their way from the accumulators to the quotient, joined where a KV head is spread
// over several channels (docs/architecture.md, "A head in several channels").
//
// A row of a head that has a member below is added to that member's row, which waits in a FIFO of DEPTH rows;
// a row of a head that has a member above goes there, the others to the quotient. With the first row of a
// pair go the lanes' l (exact sums of weights), added likewise. Who issues a row (attention_stream) must know
// that the row from below is there (`below_there_o`) and that the member above has room (`above_room_o`), and
// says so (`take_i`, `give_i`) when its last beat goes.
// Sums as the accumulators give them. Latency: 2 clocks.
`default_nettype none
`include "duplex_params.vh"
module attention_join #(
  parameter DEPTH = `DUPLEX_LINK_ROWS,
  parameter SUMS = `DUPLEX_LANES * `DUPLEX_SUM_BITS,
  parameter FLAGS = `DUPLEX_LANES * 3,
  parameter LS = `DUPLEX_LANES * 57
) (
  input wire clk_i,
  input wire rst_ni,
  // Issue
  input wire take_i,
  input wire give_i,
  output wire below_there_o,
  output wire above_room_o,
  // Own row
  input wire valid_i,
  input wire end_i,                // the pair's last
  input wire below_i,
  input wire above_i,
  input wire [SUMS-1:0] sum_i,
  input wire [FLAGS-1:0] flags_i,
  input wire [LS-1:0] l_i,
  input wire [`DUPLEX_LANES-1:0] row_nan_i,
  // The member below
  input wire up_valid_i,
  input wire up_first_i,
  input wire [SUMS-1:0] up_sum_i,
  input wire [FLAGS-1:0] up_flags_i,
  input wire [LS-1:0] up_l_i,
  output wire up_taken_o,          // a row left the FIFO
  // The member above
  output wire up_valid_o,
  output wire up_first_o,
  input wire up_taken_i,
  // The quotient
  output wire quotient_valid_o,
  output wire end_o,
  output wire [SUMS-1:0] sum_o,    // for both
  output wire [FLAGS-1:0] flags_o,
  output wire [LS-1:0] l_o,
  output wire [`DUPLEX_LANES-1:0] row_nan_o
);
  localparam COUNT_BITS = $clog2(DEPTH) + 1;
  localparam [31:0] DEPTH_32 = DEPTH;
  localparam SUM = `DUPLEX_SUM_BITS;

  reg [COUNT_BITS-1:0] there_q, room_q;
  reg begin_q;                     // the next row is a pair's first
  reg [LS-1:0] up_l_q, l_q;
  reg [`DUPLEX_LANES-1:0] row_nan_q;
  reg valid_q, above_q, end_q, first_q;
  reg valid2_q, above2_q, end2_q, first2_q;
  wire [SUMS-1:0] up_sum;
  wire [FLAGS-1:0] up_flags;
  wire pop = valid_i && below_i;
  wire unused_valid;

  ram_fifo #(
    .WIDTH(SUMS + FLAGS),
    .DEPTH(DEPTH)
  ) rows (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .push_i(up_valid_i),
    .data_i({up_flags_i, up_sum_i}),
    .valid_o(unused_valid),
    .data_o({up_flags, up_sum}),
    .pop_i(pop),
    .mark_i(1'b0),
    .rewind_i(1'b0)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      there_q <= 0;
      room_q <= DEPTH_32[COUNT_BITS-1:0];
      begin_q <= 1'b1;
      {valid_q, valid2_q} <= 2'b00;
    end else begin
      there_q <= there_q + {{(COUNT_BITS - 1) {1'b0}}, up_valid_i} - {{(COUNT_BITS - 1) {1'b0}}, take_i};
      room_q <= room_q + {{(COUNT_BITS - 1) {1'b0}}, up_taken_i} - {{(COUNT_BITS - 1) {1'b0}}, give_i};
      if (valid_i) begin_q <= end_i;
      {valid_q, valid2_q} <= {valid_i, valid_q};
    end
    {above_q, end_q, first_q} <= {above_i, end_i, begin_q};
    {above2_q, end2_q, first2_q} <= {above_q, end_q, first_q};
    if (up_valid_i && up_first_i) up_l_q <= up_l_i;
    if (valid_i && begin_q) row_nan_q <= row_nan_i;
  end

  genvar l;
  generate
    for (l = 0; l < `DUPLEX_LANES; l = l + 1) begin : g_lane
      // First clock: l and the low words.
      wire [SUM-1:0] own = sum_i[SUM*l +: SUM];
      wire [SUM-1:0] other = up_sum[SUM*l +: SUM] & {SUM{below_i}};
      reg [48:0] low_q;
      reg [48:0] high_q, other_high_q;
      reg [2:0] first_flags_q;
      // Second clock: the high words.
      reg [SUM-1:0] sum_q;
      reg [2:0] flags_q;
      always @(posedge clk_i) begin
        // Sums of no row stop here, so that nothing behind switches for them.
        if (valid_i) begin
          low_q <= {1'b0, own[47:0]} + {1'b0, other[47:0]};
          high_q <= own[SUM-1:48];
          other_high_q <= other[SUM-1:48];
          first_flags_q <= flags_i[3*l +: 3] | (up_flags[3*l +: 3] & {3{below_i}});
        end
        sum_q <= {high_q + other_high_q + {48'd0, low_q[48]}, low_q[47:0]};
        flags_q <= first_flags_q;
        if (valid_i && begin_q) l_q[57*l +: 57] <= l_i[57*l +: 57] + (up_l_q[57*l +: 57] & {57{below_i}});
      end
      assign sum_o[SUM*l +: SUM] = sum_q;
      assign flags_o[3*l +: 3] = flags_q;
    end
  endgenerate

  assign below_there_o = there_q != 0;
  assign above_room_o = room_q != 0;
  assign up_taken_o = pop;
  assign up_valid_o = valid2_q && above2_q;
  assign up_first_o = first2_q;
  assign quotient_valid_o = valid2_q && !above2_q;
  assign end_o = end2_q;
  assign l_o = l_q;
  assign row_nan_o = row_nan_q;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert (there_q <= DEPTH_32[COUNT_BITS-1:0]);
      assert (room_q <= DEPTH_32[COUNT_BITS-1:0]);
    end
  end
`endif
endmodule
`default_nettype wire
