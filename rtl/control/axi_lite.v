// SPDX-License-Identifier: Apache-2.0
// AXI4-Lite slave, 32 bit: one write and one read at a time, address and data of a write in any order, each
// response held until taken. A write is answered 3 clocks after it, when its effect shows on every output,
// the interrupt line included. To the registers: `write_o` for one clock with address and data (only whole
// words: a partial strobe is answered with SLVERR and writes nothing); `read_o` for one clock with the
// address, the answer is taken in the clock of `read_done_i`.
`default_nettype none
module axi_lite (
  input wire clk_i,
  input wire rst_ni,
  // AXI4-Lite: write
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
  // AXI4-Lite: read
  input wire axi_arvalid_i,
  output wire axi_arready_o,
  input wire [15:0] axi_araddr_i,
  output wire axi_rvalid_o,
  input wire axi_rready_i,
  output wire [31:0] axi_rdata_o,
  output wire [1:0] axi_rresp_o,
  // Registers: write
  output wire write_o,
  output wire [15:0] write_address_o,
  output wire [31:0] write_data_o,
  input wire write_error_i,        // in the clock of write_o: no such register
  // Registers: read
  output wire read_o,
  output wire [15:0] read_address_o,
  input wire read_done_i,
  input wire read_error_i,
  input wire [31:0] read_data_i
);
  localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10;

  reg address_q, data_q, response_q, error_q, partial_q;
  reg [15:0] write_address_q;
  reg [31:0] write_data_q;
  reg [1:0] effect_q;
  wire both = address_q && data_q && !response_q && effect_q == 2'b00;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      address_q <= 1'b0;
      data_q <= 1'b0;
      response_q <= 1'b0;
      effect_q <= 2'b00;
    end else begin
      if (axi_awvalid_i && axi_awready_o) address_q <= 1'b1;
      else if (both) address_q <= 1'b0;
      if (axi_wvalid_i && axi_wready_o) data_q <= 1'b1;
      else if (both) data_q <= 1'b0;
      effect_q <= {effect_q[0], both};
      if (effect_q[1]) response_q <= 1'b1;
      else if (axi_bready_i) response_q <= 1'b0;
    end
    if (axi_awvalid_i && axi_awready_o) write_address_q <= axi_awaddr_i;
    if (axi_wvalid_i && axi_wready_o) begin
      write_data_q <= axi_wdata_i;
      partial_q <= axi_wstrb_i != 4'hf;
    end
    if (!rst_ni) error_q <= 1'b0;
    else if (both) error_q <= write_error_i || partial_q;
  end

  assign axi_awready_o = !address_q;
  assign axi_wready_o = !data_q;
  assign axi_bvalid_o = response_q;
  assign axi_bresp_o = error_q ? SLVERR : OKAY;
  assign write_o = both && !partial_q && !write_error_i;
  assign write_address_o = write_address_q;
  assign write_data_o = write_data_q;

  reg asked_q, start_q, answer_q, read_error_q;
  reg [15:0] read_address_q;
  reg [31:0] read_data_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      asked_q <= 1'b0;
      start_q <= 1'b0;
      answer_q <= 1'b0;
    end else begin
      start_q <= axi_arvalid_i && axi_arready_o;
      if (axi_arvalid_i && axi_arready_o) asked_q <= 1'b1;
      else if (answer_q && axi_rready_i) asked_q <= 1'b0;
      if (asked_q && read_done_i) answer_q <= 1'b1;
      else if (axi_rready_i) answer_q <= 1'b0;
    end
    if (axi_arvalid_i && axi_arready_o) read_address_q <= axi_araddr_i;
    if (!rst_ni) begin
      read_error_q <= 1'b0;
      read_data_q <= 32'd0;
    end else if (asked_q && read_done_i) begin
      read_error_q <= read_error_i;
      read_data_q <= read_error_i ? 32'd0 : read_data_i;
    end
  end

  assign axi_arready_o = !asked_q;
  assign axi_rvalid_o = answer_q;
  assign axi_rresp_o = read_error_q ? SLVERR : OKAY;
  assign axi_rdata_o = read_data_q;
  assign read_o = start_q;
  assign read_address_o = read_address_q;
`ifdef DUPLEX_ASSERT
  handshake_check #(.WIDTH(2)) write_check (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(axi_bvalid_o),
    .ready_i(axi_bready_i),
    .payload_i(axi_bresp_o)
  );
  handshake_check #(.WIDTH(32 + 2)) read_check (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(axi_rvalid_o),
    .ready_i(axi_rready_i),
    .payload_i({axi_rdata_o, axi_rresp_o})
  );
`endif
endmodule
`default_nettype wire
