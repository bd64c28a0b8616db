// SPDX-License-Identifier: Apache-2.0
// Accumulators of one token lane: ROWS (64) rows of an exact sum of 97 bits and its sticky flags
// (docs/numerics.md, N2).
//
// A dot product of a row (low_i, high_i, flags_i of dot64) is added to the row's sum, or replaces it when
// `first_i` is set. Rows may repeat from clock to clock. Flags: bit 0 NaN, bit 1 +Inf, bit 2 -Inf.
// The low 48 bits are added in one clock, the high 49 and the flags in the next, each with a RAM of its own:
// no carry runs over more than one word. Latency: 2 clocks from the dot product to sum_o.
`default_nettype none
`include "duplex_params.vh"
module accumulator #(
  parameter ROW_BITS = $clog2(`DUPLEX_ROWS),
  parameter LOW_BITS = 49 + $clog2(`DUPLEX_WIDTH),  // of dot64
  parameter HIGH_BITS = 33 + $clog2(`DUPLEX_WIDTH)
) (
  input wire clk_i,
  // Dot product
  input wire [ROW_BITS-1:0] next_row_i,  // row of the dot product of the next clock
  input wire valid_i,
  input wire [ROW_BITS-1:0] row_i,
  input wire first_i,
  input wire repeat_i,    // the same row as a valid dot product one clock before
  input wire [LOW_BITS-1:0] low_i,
  input wire [HIGH_BITS-1:0] high_i,
  input wire [2:0] flags_i,
  // Sum
  output wire [`DUPLEX_SUM_BITS-1:0] sum_o,
  output wire [2:0] flags_o
);
  // First clock: the low word.
  wire [47:0] stored_low;
  reg  [47:0] low_q;
  wire [47:0] old_low = first_i ? 48'd0 : repeat_i ? low_q : stored_low;
  wire [LOW_BITS-1:0] low_sum = {{(LOW_BITS - 48) {1'b0}}, old_low} + low_i;
  ram_1r1w #(
    .WIDTH(48),
    .DEPTH(`DUPLEX_ROWS)
  ) low_rows (
    .clk_i(clk_i),
    .write_i(valid_i),
    .write_address_i(row_i),
    .write_data_i(low_sum[47:0]),
    .read_address_i(next_row_i),
    .read_data_o(stored_low)
  );

  reg [LOW_BITS-49:0] carry_q;
  reg [HIGH_BITS-1:0] high_in_q;
  reg [2:0] flags_in_q;
  reg [ROW_BITS-1:0] row_q;
  reg valid_q, first_q, repeat_q;
  always @(posedge clk_i) begin
    low_q      <= low_sum[47:0];
    carry_q    <= low_sum[LOW_BITS-1:48];
    high_in_q  <= high_i;
    flags_in_q <= flags_i;
    row_q      <= row_i;
    valid_q    <= valid_i;
    first_q    <= first_i;
    repeat_q   <= repeat_i;
  end

  // Second clock: the high word and the flags.
  wire [51:0] stored_high;
  reg  [48:0] high_q;
  reg  [ 2:0] flags_q;
  reg  [47:0] low_out_q;
  wire [48:0] old_high = first_q ? 49'd0 : repeat_q ? high_q : stored_high[48:0];
  wire [2:0] old_flags = first_q ? 3'd0 : repeat_q ? flags_q : stored_high[51:49];
  wire [48:0] high_sum = old_high + {{(49 - HIGH_BITS) {high_in_q[HIGH_BITS-1]}}, high_in_q} +
      {{(97 - LOW_BITS) {1'b0}}, carry_q};
  wire [2:0] flags_sum = old_flags | flags_in_q;
  ram_1r1w #(
    .WIDTH(52),
    .DEPTH(`DUPLEX_ROWS)
  ) high_rows (
    .clk_i(clk_i),
    .write_i(valid_q),
    .write_address_i(row_q),
    .write_data_i({flags_sum, high_sum}),
    .read_address_i(row_i),
    .read_data_o(stored_high)
  );

  always @(posedge clk_i) begin
    high_q    <= high_sum;
    flags_q   <= flags_sum;
    low_out_q <= low_q;
  end
  assign sum_o   = {high_q, low_out_q};
  assign flags_o = flags_q;
endmodule
`default_nettype wire
