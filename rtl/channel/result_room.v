// SPDX-License-Identifier: Apache-2.0
// Counts the free words of the result buffer, those reserved for rows in flight taken off. A row's last beat
// reserves what the row will need: f16 one word for every fourth row, f32 one for every second, acc two; LOAD
// reserves word by word. acc rows are kept 2 clocks apart, as the drain needs it.
`default_nettype none
`include "duplex_params.vh"
module result_room (
  input wire clk_i,
  input wire rst_ni,
  // What takes room, and what gives it back
  input wire [1:0] format_i,
  input wire row_i,              // a row's last beat goes
  input wire [1:0] row_place_i,  // the row's number modulo 4
  input wire word_i,             // LOAD: a word goes in
  input wire free_i,             // a word leaves the result buffer
  // Room
  output wire room_o,            // for one more row, whatever its format
  output wire scarce_o,          // less than a third of the words are free
  output wire none_o             // no row can go
);
  localparam [5:0] WORDS = `DUPLEX_RESULT_WORDS;

  reg [5:0] free_q;
  reg pause_q;
  wire acc = format_i[1];
  wire begins = format_i[0] ? !row_place_i[0] : row_place_i == 2'd0;  // the row needs a new word
  wire [1:0] take = row_i ? (acc ? 2'd2 : {1'b0, begins}) : {1'b0, word_i};

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      free_q <= WORDS;
      pause_q <= 1'b0;
    end else begin
      free_q <= free_q - {4'd0, take} + {5'd0, free_i};
      pause_q <= row_i && acc;
    end
  end

  assign room_o = free_q[5:1] != 5'd0 && !pause_q;
  assign scarce_o = free_q < WORDS / 3;
  assign none_o = free_q[5:1] == 5'd0;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert (free_q <= WORDS);
    end
  end
`endif
endmodule
`default_nettype wire
