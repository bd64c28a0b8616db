// Beats from the bundle controller, kept until they are used. It never refuses one: the controller sends no more columns than
// there was room for, and each pair of beats taken out gives it the room of one column again.
`default_nettype none
module weight_fifo #(
  parameter COLUMNS = 32  // columns of room: the controller's READ_CREDITS
) (
  input wire clk_i,
  input wire rst_ni,
  input wire beat_valid_i,
  input wire [1023:0] beat_i,
  output wire valid_o,
  output wire [1023:0] data_o,
  input wire pop_i,
  output wire credit_o,
  output wire column_o  // one column has come in
);
  reg second_out_q, second_in_q, credit_q, column_q;
  wire unused_two;

  ram_fifo #(.WIDTH(1024), .DEPTH(2 * COLUMNS)) beats (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .push_i(beat_valid_i), .data_i(beat_i),
    .valid_o(valid_o), .two_o(unused_two), .data_o(data_o), .pop_i(pop_i)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      second_out_q <= 1'b0;
      second_in_q <= 1'b0;
      credit_q <= 1'b0;
      column_q <= 1'b0;
    end else begin
      second_out_q <= second_out_q ^ pop_i;
      second_in_q <= second_in_q ^ beat_valid_i;
      credit_q <= second_out_q & pop_i;
      column_q <= second_in_q & beat_valid_i;
    end
  end

  assign credit_o = credit_q;
  assign column_o = column_q;
endmodule
`default_nettype wire
