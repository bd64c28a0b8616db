// The two shared buffers of a stack, 1 MB each, words of 64 bytes written in parts of 16 bytes. Each is two banks of one port, one for
// the even words and one for the odd; a write goes before a read of the same bank. Address bit 14 selects the buffer. The data of a
// read that was granted come two clocks later.
`default_nettype none
`include "duplex_params.vh"
module shared_buffer (
  input wire clk_i,
  input wire rst_ni,
  input wire write_valid_i,
  input wire [3:0] write_enable_i,
  input wire [14:0] write_address_i,
  input wire [511:0] write_data_i,
  input wire read_valid_i,
  output wire read_ready_o,
  input wire [14:0] read_address_i,
  output wire read_data_valid_o,
  output wire [511:0] read_data_o
);
  localparam BANKS = 2 * `DUPLEX_SHARED_BUFFERS;
  wire read = read_valid_i && read_ready_o;
  wire [BANKS*512-1:0] data;
  wire [1:0] write_bank = {write_address_i[14], write_address_i[0]};
  wire [1:0] read_bank = {read_address_i[14], read_address_i[0]};
  reg read_q, valid_q;
  reg [1:0] bank_q;
  reg [511:0] data_q;

  genvar b;
  generate
    for (b = 0; b < BANKS; b = b + 1) begin : g_bank
      wire write_here = write_valid_i && write_bank == b;
      wire read_here = read && read_bank == b;
      ram_1rw #(.WIDTH(512), .DEPTH(`DUPLEX_SHARED_WORDS / 2), .LANE_BITS(128)) ram (
        .clk_i(clk_i),
        .valid_i(write_here || read_here),
        .write_i(write_enable_i & {4{write_here}}),
        .address_i(write_here ? write_address_i[13:1] : read_address_i[13:1]),
        .write_data_i(write_data_i),
        .read_data_o(data[b*512 +: 512])
      );
    end
  endgenerate

  always @(posedge clk_i) begin
    read_q <= rst_ni && read;
    valid_q <= rst_ni && read_q;
    bank_q <= read_bank;
    data_q <= data[bank_q*512 +: 512];
  end

  assign read_ready_o = !(write_valid_i && write_bank == read_bank);
  assign read_data_valid_o = valid_q;
  assign read_data_o = data_q;
endmodule
`default_nettype wire
