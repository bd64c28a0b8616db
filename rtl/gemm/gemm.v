// SPDX-License-Identifier: Apache-2.0
// GEMM module of a channel: 8 token lanes x 64-wide exact dot product, 64 accumulator rows (paper 1.4).
//
// Tile: 16 words; word i holds columns k = 4i (bits 127:0) to 4i + 3 of 8 lanes, lane l at 16 l, as binary16,
// or with `tile_p16_i` as weights of softmax. One tile is in use, one more can be loaded.
// Beat: 64 binary16 weights of one row, k = 0 in bits 15:0; `first` replaces the row's sums, `last` emits
// them, `release` is the last beat that uses the tile; lanes outside `mask` add nothing, whatever the
// operands are. Up to one beat a clock, in any order of rows. Sums: lane l at 97 l, its flags (bit 0 NaN, 1
// +Inf, 2 -Inf) at 3 l. No back-pressure: the caller has room for every last beat. Latency: 6 clocks from a
// last beat's acceptance to sum_valid_o.
`default_nettype none
`include "duplex_params.vh"
module gemm #(
  parameter ROW_BITS = $clog2(`DUPLEX_ROWS),
  parameter LOW_BITS = 49 + $clog2(`DUPLEX_WIDTH),  // of dot64
  parameter HIGH_BITS = 33 + $clog2(`DUPLEX_WIDTH)
) (
  input wire clk_i,
  input wire rst_ni,
  // Tiles of activations
  input wire tile_valid_i,
  output wire tile_ready_o,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] tile_data_i,
  input wire tile_p16_i,
  // Beats of weights
  input wire beat_valid_i,
  output wire beat_ready_o,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] beat_data_i,
  input wire [ROW_BITS-1:0] beat_row_i,
  input wire beat_first_i,
  input wire beat_last_i,
  input wire beat_release_i,
  input wire [`DUPLEX_LANES-1:0] beat_mask_i,
  // Sums
  output wire sum_valid_o,
  output wire [ROW_BITS-1:0] sum_row_o,
  output wire [`DUPLEX_LANES*`DUPLEX_SUM_BITS-1:0] sum_o,
  output wire [3*`DUPLEX_LANES-1:0] sum_flags_o
);
  localparam WIDTH = `DUPLEX_WIDTH;
  localparam LANES = `DUPLEX_LANES;
  localparam COLUMNS = `DUPLEX_WORD_BYTES / 2 / LANES;  // of a tile word

  // Tile control. The copy of the loaded tile happens one clock after the beat that releases the old one was
  // taken, because that beat meets its tile one clock after it was taken.
  reg in_use_q, loaded_q;
  reg [$clog2(`DUPLEX_TILE_WORDS)-1:0] word_q;
  wire take_tile = loaded_q && !in_use_q;
  wire load_word = tile_valid_i && tile_ready_o;
  wire load_last = load_word && &word_q;
  wire take_beat = beat_valid_i && beat_ready_o;
  assign tile_ready_o = !loaded_q || take_tile;
  assign beat_ready_o = in_use_q || loaded_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      in_use_q <= 1'b0;
      loaded_q <= 1'b0;
      word_q   <= '0;
    end else begin
      in_use_q <= (in_use_q || take_tile) && !(take_beat && beat_release_i);
      loaded_q <= load_last || (loaded_q && !take_tile);
      if (load_word) word_q <= word_q + 1'b1;
    end
  end

  // Weights, decoded once for all lanes.
  reg  [12*WIDTH-1:0] w_significand_q;
  reg  [ 5*WIDTH-1:0] w_exponent_q;
  wire [12*WIDTH-1:0] w_significand;
  wire [5*WIDTH-1:0] w_exponent;
  genvar k, l;
  generate
    for (k = 0; k < WIDTH; k = k + 1) begin : weight
      wire unused_bit;  // of weights of softmax
      operand operand (
        .value_i(beat_data_i[16*k+:16]),
        .p16_i(1'b0),
        .significand_o({w_significand[12*k+11], unused_bit, w_significand[12*k+:11]}),
        .exponent_o(w_exponent[5*k+:5])
      );
    end
  endgenerate
  always @(posedge clk_i)
    if (take_beat) begin
      w_significand_q <= w_significand;
      w_exponent_q    <= w_exponent;
    end

  // The beat's control follows it: taken at clock t, weights at t + 1, products t + 2, sums of 8 t + 3, sum t
  // + 4, low word accumulated t + 5, high word t + 6.
  localparam STAGES = 6;
  reg [STAGES-1:0] valid_q;
  reg [3:0] first_q;
  reg [4*LANES-1:0] mask_q;
  reg [STAGES-1:0] last_q;
  reg [STAGES*ROW_BITS-1:0] row_q;
  always @(posedge clk_i) begin
    valid_q <= rst_ni ? {valid_q[STAGES-2:0], take_beat} : '0;
    first_q <= {first_q[2:0], beat_first_i};
    mask_q  <= {mask_q[3*LANES-1:0], beat_mask_i};
    last_q  <= {last_q[STAGES-2:0], beat_last_i};
    row_q   <= {row_q[0+:(STAGES-1)*ROW_BITS], beat_row_i};
  end
  wire [ROW_BITS-1:0] next_row = row_q[2*ROW_BITS+:ROW_BITS];
  wire [ROW_BITS-1:0] row = row_q[3*ROW_BITS+:ROW_BITS];
  reg repeat_q;
  always @(posedge clk_i) repeat_q <= valid_q[3] && next_row == row;

  assign sum_valid_o = valid_q[STAGES-1] && last_q[STAGES-1];
  assign sum_row_o   = row_q[(STAGES-1)*ROW_BITS+:ROW_BITS];

  generate
    for (l = 0; l < LANES; l = l + 1) begin : lane
      // The tile of this lane: next (being loaded) and active.
      reg [13*WIDTH-1:0] next_significand_q, significand_q;
      reg [5*WIDTH-1:0] next_exponent_q, exponent_q;
      wire [13*COLUMNS-1:0] significand;
      wire [5*COLUMNS-1:0] exponent;
      for (k = 0; k < COLUMNS; k = k + 1) begin : column
        operand operand (
          .value_i(tile_data_i[16*(LANES*k+l)+:16]),
          .p16_i(tile_p16_i),
          .significand_o(significand[13*k+:13]),
          .exponent_o(exponent[5*k+:5])
        );
      end
      // Words enter at the top and move down, so that no word needs an address.
      always @(posedge clk_i) begin
        if (load_word) begin
          next_significand_q <= {significand, next_significand_q[13*WIDTH-1:13*COLUMNS]};
          next_exponent_q    <= {exponent, next_exponent_q[5*WIDTH-1:5*COLUMNS]};
        end
        if (take_tile) begin
          significand_q <= next_significand_q;
          exponent_q    <= next_exponent_q;
        end
      end

      wire [LOW_BITS-1:0] low;
      wire [HIGH_BITS-1:0] high;
      wire [2:0] flags;
      wire here = mask_q[3*LANES+l];
      dot64 dot64 (
        .clk_i(clk_i),
        .x_significand_i(significand_q),
        .x_exponent_i(exponent_q),
        .w_significand_i(w_significand_q),
        .w_exponent_i(w_exponent_q),
        .low_o(low),
        .high_o(high),
        .flags_o(flags)
      );
      accumulator accumulator (
        .clk_i(clk_i),
        .next_row_i(next_row),
        .valid_i(valid_q[3]),
        .row_i(row),
        .first_i(first_q[3]),
        .repeat_i(repeat_q),
        .low_i(low & {LOW_BITS{here}}),
        .high_i(high & {HIGH_BITS{here}}),
        .flags_i(flags & {3{here}}),
        .sum_o(sum_o[`DUPLEX_SUM_BITS*l+:`DUPLEX_SUM_BITS]),
        .flags_o(sum_flags_o[3*l+:3])
      );
    end
  endgenerate
`ifdef DUPLEX_ASSERT
  handshake_check #(.WIDTH(1 + 8 * `DUPLEX_WORD_BYTES)) tile_check (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(tile_valid_i),
    .ready_i(tile_ready_o),
    .payload_i({tile_p16_i, tile_data_i})
  );
`endif
endmodule
`default_nettype wire
