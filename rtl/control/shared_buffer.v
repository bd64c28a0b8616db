// SPDX-License-Identifier: Apache-2.0
// The two shared buffers of a stack, 1 MB each, words of 64 bytes written in parts of 16 bytes, as 32 slices
// of one port. The low bits of an address select the slice, bit 14 the buffer. Two ways to them, never both
// at the same time: the whole, for GEMM and LOAD: one write and one read a clock; a write goes before a read
// of the same slice, and the data of a read that was granted come two clocks later; slice by slice, for
// attention: channel c reads or writes words of slice c, one a clock, `local_*`. The data of a read come one
// clock later and stay until the next one.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_records.vh"
module shared_buffer #(
  parameter CHANNELS = `DUPLEX_CHANNELS,
  parameter WORD = 8*`DUPLEX_WORD_BYTES
) (
  input wire clk_i,
  input wire rst_ni,
  // Result bus
  input wire write_valid_i,
  input wire [3:0] write_enable_i,
  input wire [14:0] write_address_i,
  input wire [WORD-1:0] write_data_i,
  // Broadcast
  input wire read_valid_i,
  output wire read_ready_o,
  input wire [14:0] read_address_i,
  output wire read_data_valid_o,
  output wire [WORD-1:0] read_data_o,
  // Slices of the channels
  input wire [CHANNELS*SCORE_ACCESS_BITS-1:0] local_i,  // score_access_t
  output wire [CHANNELS*WORD-1:0] local_read_data_o
);
  localparam SLICES = `DUPLEX_CHANNELS;
  wire read = read_valid_i && read_ready_o;
  wire [4:0] write_slice = write_address_i[4:0];
  wire [4:0] read_slice = read_address_i[4:0];
  reg read_q, valid_q;
  reg [SLICES-1:0] select_q;  // slice that was read, one bit each
  reg [WORD-1:0] data_q;
  localparam [SLICES-1:0] ONE = 1;

  genvar s;
  generate
    for (s = 0; s < SLICES; s = s + 1) begin : g_slice
      wire write_here = write_valid_i && write_slice == s;
      wire read_here = read && read_slice == s;
      wire [WORD-1:0] data;
      wire [WORD-1:0] selected;  // of this slice and those before it
      // The fields of a score_access_t, whose names Yosys does not find inside a generate.
      wire local_here, local_write;
      wire [RECORD_SLICE-1:0] local_address;
      wire [RECORD_WORD-1:0] local_data;
      if (s < CHANNELS) begin : g_channel
        assign {local_here, local_write, local_address, local_data} =
            local_i[s*SCORE_ACCESS_BITS +: SCORE_ACCESS_BITS];
        assign local_read_data_o[s*WORD +: WORD] = data;
      end else begin : g_no_channel
        assign {local_here, local_write, local_address, local_data} = {SCORE_ACCESS_BITS{1'b0}};
      end
      ram_1rw #(
        .WIDTH(WORD),
        .DEPTH(`DUPLEX_SHARED_BUFFERS * `DUPLEX_SHARED_WORDS / SLICES),
        .LANE_BITS(WORD / 4)
      ) ram (
        .clk_i(clk_i),
        .valid_i(write_here || read_here || local_here),
        .write_i((write_enable_i & {4{write_here}}) | {4{local_here && local_write}}),
        .address_i(local_here ? local_address : write_here ? write_address_i[14:5] : read_address_i[14:5]),
        .write_data_i(local_here ? local_data : write_data_i),
        .read_data_o(data)
      );
      // A chain and not one vector of all slices, which simulators would put together in every clock.
      if (s == 0) begin : g_first
        assign selected = data & {WORD{select_q[s]}};
      end else begin : g_next
        assign selected = g_slice[s-1].selected | (data & {WORD{select_q[s]}});
      end
    end
  endgenerate

  always @(posedge clk_i) begin
    read_q <= rst_ni && read;
    valid_q <= rst_ni && read_q;
    select_q <= ONE << read_slice;
    if (read_q) data_q <= g_slice[SLICES-1].selected;
  end

  assign read_ready_o = !(write_valid_i && write_slice == read_slice);
  assign read_data_valid_o = valid_q;
  assign read_data_o = data_q;
endmodule
`default_nettype wire
