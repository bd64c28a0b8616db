// SPDX-License-Identifier: Apache-2.0
// Descriptor ring: 16 slots of 16 words, written and read by the registers, read by the operation controller.
// A fetch puts slot `number mod 16` into `descriptor_o` (word 0 in bits 31:0) and is done 18 clocks later;
// register reads wait meanwhile.
`default_nettype none
`include "duplex_params.vh"
module descriptor_ring (
  input wire clk_i,
  input wire rst_ni,
  // Registers
  input wire write_i,
  input wire [7:0] write_address_i,
  input wire [31:0] write_data_i,
  input wire [7:0] read_address_i,
  output wire read_busy_o,         // read_data_o does not follow read_address_i
  output wire [31:0] read_data_o,  // one clock after the address
  // Operation controller
  input wire fetch_i,
  input wire [3:0] fetch_slot_i,
  output wire fetch_done_o,
  output wire [511:0] descriptor_o
);
  reg fetching_q, arrives_q, last_q;
  reg [3:0] word_q;
  reg [511:0] descriptor_q;

  ram_1r1w #(
    .WIDTH(32),
    .DEPTH(`DUPLEX_RING_ENTRIES * `DUPLEX_DESCRIPTOR_WORDS)
  ) ram (
    .clk_i(clk_i),
    .write_i(write_i),
    .write_address_i(write_address_i),
    .write_data_i(write_data_i),
    .read_address_i(fetching_q ? {fetch_slot_i, word_q} : read_address_i),
    .read_data_o(read_data_o)
  );

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      fetching_q <= 1'b0;
      arrives_q <= 1'b0;
      last_q <= 1'b0;
      word_q <= 4'd0;
    end else begin
      if (fetch_i) fetching_q <= 1'b1;
      else if (&word_q) fetching_q <= 1'b0;
      if (fetching_q) word_q <= word_q + 4'd1;
      arrives_q <= fetching_q;
      last_q <= fetching_q && &word_q;
    end
    if (arrives_q) descriptor_q <= {read_data_o, descriptor_q[511:32]};
  end

  reg done_q;
  always @(posedge clk_i) done_q <= rst_ni && last_q;

  assign read_busy_o = fetching_q || arrives_q;
  assign fetch_done_o = done_q;
  assign descriptor_o = descriptor_q;
endmodule
`default_nettype wire
