// Counts the free words of the result buffer, those reserved for rows in flight taken off. A row's last beat reserves what the row
// will need: f16 one word for an even row and none for the odd one that shares it, f32 one, acc four; LOAD reserves word by word.
// acc rows are kept 4 clocks apart, as the drain needs it.
`default_nettype none
`include "duplex_params.vh"
module result_room (
  input wire clk_i,
  input wire rst_ni,
  input wire [1:0] format_i,
  input wire row_i,          // a row's last beat goes
  input wire row_odd_i,
  input wire word_i,         // LOAD: a word goes in
  input wire free_i,         // a word leaves the result buffer
  output wire room_o,        // for one more row, whatever its format
  output wire all_free_o
);
  localparam [6:0] WORDS = `DUPLEX_RESULT_WORDS;

  reg [6:0] free_q;
  reg [1:0] pause_q;
  reg all_free_q;
  wire acc = format_i[1];
  wire f16 = format_i == 2'd0;
  wire [2:0] take = row_i ? (acc ? 3'd4 : {2'd0, !(f16 && row_odd_i)}) : {2'd0, word_i};

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      free_q <= WORDS;
      pause_q <= 2'd0;
      all_free_q <= 1'b1;
    end else begin
      free_q <= free_q - {4'd0, take} + {6'd0, free_i};
      if (row_i && acc) pause_q <= 2'd3;
      else if (pause_q != 2'd0) pause_q <= pause_q - 2'd1;
      all_free_q <= free_q == WORDS && !row_i && !word_i;
    end
  end

  assign room_o = free_q[6:2] != 5'd0 && pause_q == 2'd0;
  assign all_free_o = all_free_q;
endmodule
`default_nettype wire
