// The two shared buffers of a stack, 1 MB each, words of 32 bytes written in halves of 16 bytes. Each has one port; a write goes before a read of
// the same buffer. Address bit 15 selects the buffer. The data of a read that was granted come two clocks later.
`default_nettype none
`include "duplex_params.vh"
module shared_buffer (
  input wire clk_i,
  input wire rst_ni,
  input wire write_valid_i,
  input wire [1:0] write_enable_i,
  input wire [15:0] write_address_i,
  input wire [255:0] write_data_i,
  input wire read_valid_i,
  output wire read_ready_o,
  input wire [15:0] read_address_i,
  output wire read_data_valid_o,
  output wire [255:0] read_data_o
);
  wire read = read_valid_i && read_ready_o;
  wire [511:0] data;
  reg read_q, buffer_q, valid_q;
  reg [255:0] data_q;

  genvar b;
  generate
    for (b = 0; b < `DUPLEX_SHARED_BUFFERS; b = b + 1) begin : g_buffer
      wire write_here = write_valid_i && write_address_i[15] == b;
      wire read_here = read && read_address_i[15] == b;
      ram_1rw #(.WIDTH(256), .DEPTH(`DUPLEX_SHARED_WORDS), .LANE_BITS(128)) ram (
        .clk_i(clk_i),
        .valid_i(write_here || read_here),
        .write_i(write_enable_i & {2{write_here}}),
        .address_i(write_here ? write_address_i[14:0] : read_address_i[14:0]),
        .write_data_i(write_data_i),
        .read_data_o(data[b*256 +: 256])
      );
    end
  endgenerate

  always @(posedge clk_i) begin
    read_q <= rst_ni && read;
    valid_q <= rst_ni && read_q;
    buffer_q <= read_address_i[15];
    data_q <= buffer_q ? data[511:256] : data[255:0];
  end

  assign read_ready_o = !(write_valid_i && write_address_i[15] == read_address_i[15]);
  assign read_data_valid_o = valid_q;
  assign read_data_o = data_q;
endmodule
`default_nettype wire
