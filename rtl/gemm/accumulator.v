// Accumulators of one token lane: 64 rows of an exact sum of 97 bits and its sticky flags (docs/numerics.md, N2).
//
// A dot product of a row is added to the row's sum, or replaces it when `first_i` is set. Rows may repeat from clock to clock.
// Flags: bit 0 NaN, bit 1 +Inf, bit 2 -Inf.
// The row is announced one clock before its dot product (`row_i` with `next`, then low_i and high_i). Latency: 1 clock from the dot
// product to sum_o.
`default_nettype none
`include "duplex_params.vh"
module accumulator #(
    parameter ROW_BITS = $clog2(`DUPLEX_ROWS)
) (
    input  wire                               clk_i,
    input  wire        [        ROW_BITS-1:0] next_row_i,  // row of the dot product of the next clock
    input  wire                               valid_i,
    input  wire        [        ROW_BITS-1:0] row_i,
    input  wire                               first_i,
    input  wire                               repeat_i,    // valid, and the same row as the dot product one clock before
    input  wire        [                53:0] low_i,
    input  wire signed [                43:0] high_i,
    input  wire        [                 2:0] flags_i,
    output wire        [`DUPLEX_SUM_BITS-1:0] sum_o,
    output wire        [                 2:0] flags_o
);
  reg [47:0] low_q;
  reg [48:0] high_q;
  reg [ 2:0] flags_q;

  wire [99:0] stored;
  ram_1r1w #(
      .WIDTH(100),
      .DEPTH(`DUPLEX_ROWS)
  ) rows (
      .clk_i          (clk_i),
      .write_i        (valid_i),
      .write_address_i(row_i),
      .write_data_i   ({flags_d, high_d, low_sum[47:0]}),
      .read_address_i (next_row_i),
      .read_data_o    (stored)
  );

  wire [47:0] old_low = first_i ? 48'd0 : repeat_i ? low_q : stored[47:0];
  wire [48:0] old_high = first_i ? 49'd0 : repeat_i ? high_q : stored[96:48];
  wire [ 2:0] old_flags = first_i ? 3'd0 : repeat_i ? flags_q : stored[99:97];
  wire [54:0] low_sum = {7'd0, old_low} + {1'b0, low_i};
  wire [48:0] high_d = old_high + {{5{high_i[43]}}, high_i} + {42'd0, low_sum[54:48]};
  wire [ 2:0] flags_d = old_flags | flags_i;

  always @(posedge clk_i) begin
    low_q   <= low_sum[47:0];
    high_q  <= high_d;
    flags_q <= flags_d;
  end
  assign sum_o   = {high_q, low_q};
  assign flags_o = flags_q;
endmodule
`default_nettype wire
