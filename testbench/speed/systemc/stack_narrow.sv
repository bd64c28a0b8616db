// SPDX-License-Identifier: Apache-2.0
// The stack of two channels with no port wider than 64 bits, for the measurement of `verilator --sc`
// (docs/systemc.md): wider ports become sc_bv there, which is slow. The beats come as arrays of words.
`default_nettype none
`include "duplex_params.vh"
module stack_narrow (
  input wire clk_i,
  input wire rst_ni,
  input wire axi_awvalid_i,
  output wire axi_awready_o,
  input wire [15:0] axi_awaddr_i,
  input wire axi_wvalid_i,
  output wire axi_wready_o,
  input wire [31:0] axi_wdata_i,
  input wire [3:0] axi_wstrb_i,
  output wire axi_bvalid_o,
  input wire axi_bready_i,
  output wire [1:0] axi_bresp_o,
  input wire axi_arvalid_i,
  output wire axi_arready_o,
  input wire [15:0] axi_araddr_i,
  output wire axi_rvalid_o,
  input wire axi_rready_i,
  output wire [31:0] axi_rdata_o,
  output wire [1:0] axi_rresp_o,
  output wire interrupt_o,
  output wire [3:0] bundle_owner_o,
  output wire strict_o,
  input wire [7:0] xpu_row_request_i,
  output wire [7:0] xpu_row_grant_o,
  input wire [7:0] xpu_ref_i,
  output wire [1:0] dram_row_valid_o,
  output wire [3:0] dram_row_command_o,
  output wire [3:0] dram_row_bundle_o,
  output wire [15:0] dram_row_mask_o,
  output wire [27:0] dram_row_address_o,
  output wire [1:0] dram_column_valid_o,
  output wire [1:0] dram_column_write_o,
  output wire [3:0] dram_column_bundle_o,
  output wire [15:0] dram_column_mask_o,
  output wire [2*`DUPLEX_COLUMN_BITS-1:0] dram_column_address_o,
  output wire [63:0] dram_write_data_o [0:31],
  input wire [63:0] dram_read_data_i [0:31]
);
  wire [2047:0] write_data, read_data;
  genvar w;
  generate
    for (w = 0; w < 32; w = w + 1) begin : g_word
      assign dram_write_data_o[w] = write_data[64*w +: 64];
      assign read_data[64*w +: 64] = dram_read_data_i[w];
    end
  endgenerate

  stack #(.CHANNELS(2)) stack (
    .dram_write_data_o(write_data),
    .dram_read_data_i(read_data),
    .*
  );
endmodule
`default_nettype wire
