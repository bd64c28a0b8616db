// LOAD: cuts the beats of this channel's tiles into words of 64 bytes, the lower one first, and puts them into the result buffer.
`default_nettype none
module load_path (
  input wire clk_i,
  input wire rst_ni,
  input wire start_i,
  input wire [10:0] tiles_i,      // of this channel
  input wire weight_valid_i,
  input wire [1023:0] weight_i,
  output wire weight_pop_o,
  input wire room_i,
  output wire reserve_o,          // takes the room of one word
  output wire word_valid_o,
  output wire [511:0] word_o,
  output wire busy_o
);
  reg [13:0] beats_q;  // still to come: 8 a tile
  reg busy_q;
  reg upper_q;
  reg valid_q;
  reg [511:0] word_q;
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
      else if (pop && beats_q == 14'd1) busy_q <= 1'b0;
      if (go) upper_q <= !upper_q;
    end
  end

  always @(posedge clk_i) begin
    if (start_i) beats_q <= {tiles_i, 3'd0};
    else if (pop) beats_q <= beats_q - 14'd1;
    word_q <= upper_q ? weight_i[1023:512] : weight_i[511:0];
  end

  assign weight_pop_o = pop;
  assign reserve_o = go;
  assign word_valid_o = valid_q;
  assign word_o = word_q;
  assign busy_o = busy_q || valid_q;
endmodule
`default_nettype wire
