// SPDX-License-Identifier: Apache-2.0
// LOAD: cuts the beats of this channel's tiles into words of 64 bytes, the lower one first, and puts them
// into the result buffer.
`default_nettype none
`include "duplex_params.vh"
module load_path (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,
  input wire [10:0] tiles_i,      // of this channel
  // Weight FIFO
  input wire weight_valid_i,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] weight_i,
  output wire weight_pop_o,
  // Result buffer
  input wire room_i,
  output wire reserve_o,          // takes the room of one word
  output wire word_valid_o,
  output wire [8*`DUPLEX_WORD_BYTES-1:0] word_o,
  // State
  output wire busy_o
);
  localparam TILE_BEATS_BITS = $clog2(`DUPLEX_LANES);  // a tile: as many beats as there are lanes
  localparam BEATS_BITS = 11 + TILE_BEATS_BITS;
  localparam [BEATS_BITS-1:0] ONE = 1;

  reg [BEATS_BITS-1:0] beats_q;  // still to come
  reg busy_q;
  reg upper_q;
  reg valid_q;
  reg [8*`DUPLEX_WORD_BYTES-1:0] word_q;
  wire go = busy_q && weight_valid_i && room_i;
  wire pop = go && upper_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      upper_q <= 1'b0;
      valid_q <= 1'b0;
    end else begin
      valid_q <= go;
      if (start_i) busy_q <= tiles_i != 11'd0;
      else if (pop && beats_q == ONE) busy_q <= 1'b0;
      if (go) upper_q <= !upper_q;
    end
  end

  always @(posedge clk_i) begin
    if (start_i) beats_q <= {tiles_i, {TILE_BEATS_BITS{1'b0}}};
    else if (pop) beats_q <= beats_q - ONE;
    word_q <= upper_q ? weight_i[8*`DUPLEX_WORD_BYTES +: 8*`DUPLEX_WORD_BYTES]
        : weight_i[8*`DUPLEX_WORD_BYTES-1:0];
  end

  assign weight_pop_o = pop;
  assign reserve_o = go;
  assign word_valid_o = valid_q;
  assign word_o = word_q;
  assign busy_o = busy_q || valid_q;
endmodule
`default_nettype wire
