// SPDX-License-Identifier: Apache-2.0
// From scores to weights: the scores of one position a clock, 8 exponentials, words of the tile (4 positions
// x 8 lanes of 16 bits), and the exact sum l of each lane's weights.
//
// `word_i` is there one clock after `valid_i` and stays for all positions of the word. Lanes beyond 2^lanes,
// and positions that there are not, have weight zero. `wide_i`: lane l + 4 has the low part of lane l's
// weight, l below 4; `lanes_i` is at most 2 then. Latency: EXPONENTIAL_CLOCKS + 3 clocks from the last of
// four positions to `word_valid_o`; l two clocks after.
`default_nettype none
`include "duplex_params.vh"
module probability_path #(
  parameter EXPONENTIAL_CLOCKS = `DUPLEX_EXPONENTIAL_CLOCKS
) (
  input wire clk_i,
  input wire rst_ni,
  // Position: what it is, its word of scores, and the maxima
  input wire valid_i,
  input wire exists_i,
  input wire [`DUPLEX_LANE_BITS:0] position_i,   // in the word
  input wire [`DUPLEX_LANES_CODE_BITS-1:0] lanes_i,
  input wire wide_i,
  input wire sum_i,
  input wire clear_i,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] word_i,
  input wire [32*`DUPLEX_LANES-1:0] maximum_i,
  // Weights and their sums
  output wire word_valid_o,
  output wire [8*`DUPLEX_WORD_BYTES-1:0] word_o,
  output wire [57*`DUPLEX_LANES-1:0] l_o
);
  localparam LANES = `DUPLEX_LANES, ROW = 16 * LANES, WORD = 4 * ROW;
  localparam LANE_BITS = `DUPLEX_LANE_BITS, HALF = LANES / 2;

  // The word's scores of the position, one clock after the position was told.
  reg valid_q, exists_q, sum_q, clear_q, wide_q, parts_q;
  reg [LANE_BITS:0] position_q;
  reg [`DUPLEX_LANES_CODE_BITS-1:0] lanes_q;
  always @(posedge clk_i) begin
    valid_q <= rst_ni && valid_i;
    {exists_q, sum_q, clear_q, position_q, lanes_q, wide_q} <= {exists_i, sum_i, clear_i, position_i, lanes_i,
        wide_i};
    parts_q <= wide_q;  // beside t_q
  end

  reg [EXPONENTIAL_CLOCKS:0] valids_q;
  wire done = valids_q[EXPONENTIAL_CLOCKS];
  wire exists, sum, clear;
  delay_line #(
    .WIDTH(3),
    .CLOCKS(EXPONENTIAL_CLOCKS + 1)
  ) beside (
    .clk_i(clk_i),
    .data_i({exists_q, sum_q, clear_q}),
    .data_o({exists, sum, clear})
  );
  always @(posedge clk_i) valids_q <= rst_ni ? {valids_q[EXPONENTIAL_CLOCKS-1:0], valid_q} : 0;

  wire [ROW-1:0] weights;
  genvar l, c;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      reg [31:0] t_q;
      // The lane's score if 2^c lanes are kept.
      wire [32*LANE_BITS+31:0] scores;
      for (c = 0; c <= LANE_BITS; c = c + 1) begin : g_code
        assign scores[32*c +: 32] = word_i[(32<<c)*position_q[LANE_BITS-c:0] + 32*(l%(1<<c)) +: 32];
      end
      localparam OWN = l % HALF;  // whose weight it is in two parts
      wire here = (wide_q ? OWN : l) < (1 << lanes_q);
      wire [31:0] m = parts_q ? maximum_i[32*OWN +: 32] : maximum_i[32*l +: 32];
      always @(posedge clk_i)
        t_q <= !here ? 32'hff800000 : scores[32*lanes_q +: 32];
      wire [15:0] p;
      exponential exponential (
        .clk_i(clk_i),
        .t_i(t_q),
        .m_i(m),
        .wide_i(parts_q),
        .low_i(parts_q && l >= HALF),
        .p_o(p)
      );
      assign weights[16*l +: 16] = exists ? p : 16'd0;
      softmax_sum softmax_sum (
        .clk_i(clk_i),
        .clear_i(!rst_ni || (done && clear)),
        .valid_i(done && sum && exists),
        .p_i(p),
        .l_o(l_o[57*l +: 57])
      );
    end
  endgenerate

  reg [WORD-1:0] word_q;
  reg [1:0] place_q;
  reg word_valid_q;
  always @(posedge clk_i) begin
    if (!rst_ni) place_q <= 2'd0;
    else if (done) place_q <= place_q + 2'd1;
    word_valid_q <= rst_ni && done && &place_q;
    if (done) word_q <= {weights, word_q[WORD-1:ROW]};
  end
  assign word_valid_o = word_valid_q;
  assign word_o = word_q;
endmodule
`default_nettype wire
