// A channel's port to the result bus: gives each word its shared-buffer address (16-byte units) and offers it.
// Rows: the address goes up by 1 a row, gated by 1 a pair; a pair is offered only when both words are there. LOAD: by 2 a word, and
// after the 32 words of a tile by `step_i`, since the next tiles belong to the other channels.
// A word that is taken (`valid_o` and `ready_i`) is on `data_o` in the clock after.
`default_nettype none
`include "duplex_params.vh"
module bus_port (
  input wire clk_i,
  input wire rst_ni,
  input wire start_i,
  input wire load_i,
  input wire gated_i,
  input wire [16:0] tag_i,     // address of the first word
  input wire [11:0] step_i,    // LOAD: from a tile's last word to the next tile's first
  input wire word_valid_i,
  output wire word_ready_o,
  input wire [255:0] word_i,
  output wire valid_o,
  input wire ready_i,
  output wire [255:0] data_o,
  output wire [16:0] tag_o,
  output wire busy_o
);
  localparam [31:0] LAST_WORD = `DUPLEX_TILE_WORDS - 1;

  reg [1:0] count_q;
  reg second_q;                // the word at the head is a pair's second
  reg [4:0] word_q;
  reg [16:0] tag_q, tag_out_q;
  reg [255:0] data_q;
  reg out_q;
  wire head_valid, room;
  wire [255:0] head;
  wire take = valid_o && ready_i;
  wire push = word_valid_i && room;

  fifo #(.WIDTH(256), .DEPTH(2)) words (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .valid_i(word_valid_i), .ready_o(room), .data_i(word_i),
    .valid_o(head_valid), .ready_i(take), .data_o(head)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q <= 2'd0;
      second_q <= 1'b0;
      out_q <= 1'b0;
    end else begin
      count_q <= count_q + {1'b0, push} - {1'b0, take};
      if (take) second_q <= gated_i && !second_q;
      out_q <= take;
    end
  end

  always @(posedge clk_i) begin
    if (start_i) begin
      tag_q <= tag_i;
      word_q <= 5'd0;
    end else if (take) begin
      word_q <= word_q + 5'd1;
      if (load_i) tag_q <= tag_q + (word_q == LAST_WORD[4:0] ? {5'd0, step_i} : 17'd2);
      else if (!gated_i || second_q) tag_q <= tag_q + 17'd1;
    end
    data_q <= head;
    tag_out_q <= tag_q;
  end

  assign word_ready_o = room;
  assign valid_o = head_valid && (!gated_i || second_q || count_q[1]);
  assign data_o = data_q;
  assign tag_o = tag_out_q;
  assign busy_o = head_valid || out_q;
endmodule
`default_nettype wire
