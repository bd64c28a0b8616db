// SPDX-License-Identifier: Apache-2.0
// All registers of params/registers.rdl behind one AXI4-Lite slave; the ring's words lie in descriptor_ring.
// A read takes 4 clocks from its address to its answer, so that the selected performance counter and the
// ring's RAM have followed. A write to a register that can only be read is accepted and changes nothing.
// A doorbell beyond the ring's 16 slots is refused: DOORBELL keeps its value, the error registers take the
// value written.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_registers.vh"
module registers #(
  parameter CHANNELS = `DUPLEX_CHANNELS
) (
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
  // Interrupt
  output wire interrupt_o,
  // Operation controller
  output wire run_o,
  output wire [3:0] owner_o,
  input wire [3:0] open_i,               // bundles with open rows
  output wire strict_o,                  // activation rule
  output wire [3:0] slot_o,              // of the descriptor being fetched
  // Operation controller: what happens
  input wire busy_i,
  input wire fetch_i,                    // a fetch begins
  input wire fetched_i,                  // it is over
  input wire completed_i,
  input wire completed_interrupt_i,
  input wire error_i,
  input wire [7:0] error_code_i,
  input wire [31:0] error_address_i,
  input wire [15:0] error_tag_i,
  // Ring
  output wire ring_write_o,
  output wire [7:0] ring_write_address_o,
  output wire [31:0] ring_write_data_o,
  output wire [7:0] ring_read_address_o,
  input wire ring_read_busy_i,
  input wire [31:0] ring_read_data_i,
  // Performance counters
  output wire [7:0] performance_channel_o,
  output wire [7:0] performance_counter_o,
  input wire [63:0] performance_value_i
);
  localparam [31:0] CHANNELS_32 = CHANNELS;
  localparam [7:0] LANES_8 = `DUPLEX_LANES, WIDTH_8 = `DUPLEX_WIDTH, ROWS_8 = `DUPLEX_ROWS;
  localparam [15:0] ENTRIES = `DUPLEX_RING_ENTRIES;
  localparam [31:0] RING = `DUPLEX_REG_RING, LAST = `DUPLEX_REG_PERFORMANCE_HIGH;

  wire write, read;
  wire [15:0] write_address, read_address;
  wire [31:0] write_data;
  reg [31:0] read_value;
  wire read_done, read_error;

  // Which addresses have a register: whole words up to the last one, and the ring's.
  function listed(input [15:0] address);
    listed = address[1:0] == 2'd0 && (address <= LAST[15:0] || address[15:10] == RING[15:10]);
  endfunction

  axi_lite axi (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .axi_awvalid_i(axi_awvalid_i),
    .axi_awready_o(axi_awready_o),
    .axi_awaddr_i(axi_awaddr_i),
    .axi_wvalid_i(axi_wvalid_i),
    .axi_wready_o(axi_wready_o),
    .axi_wdata_i(axi_wdata_i),
    .axi_wstrb_i(axi_wstrb_i),
    .axi_bvalid_o(axi_bvalid_o),
    .axi_bready_i(axi_bready_i),
    .axi_bresp_o(axi_bresp_o),
    .axi_arvalid_i(axi_arvalid_i),
    .axi_arready_o(axi_arready_o),
    .axi_araddr_i(axi_araddr_i),
    .axi_rvalid_o(axi_rvalid_o),
    .axi_rready_i(axi_rready_i),
    .axi_rdata_o(axi_rdata_o),
    .axi_rresp_o(axi_rresp_o),
    .write_o(write),
    .write_address_o(write_address),
    .write_data_o(write_data),
    .write_error_i(!listed(write_address)),
    .read_o(read),
    .read_address_o(read_address),
    .read_done_i(read_done),
    .read_error_i(read_error),
    .read_data_i(read_value)
  );

  // Writes, one clock after the bus, decoded.
  reg write_ring_q, write_register_q;
  reg [9:2] address_q;
  reg [31:0] data_q;
  always @(posedge clk_i) begin
    write_ring_q <= rst_ni && write && write_address[15:10] == RING[15:10];
    write_register_q <= rst_ni && write && write_address[15:10] != RING[15:10];
    address_q <= write_address[9:2];
    data_q <= write_data;
  end
  wire [31:0] write_at = {25'd0, address_q[6:2], 2'd0};
  wire [31:0] read_at = {25'd0, read_address[6:2], 2'd0};
  wire write_control = write_register_q && write_at == `DUPLEX_REG_CONTROL;
  wire write_enable = write_register_q && write_at == `DUPLEX_REG_INTERRUPT_ENABLE;
  wire write_status = write_register_q && write_at == `DUPLEX_REG_INTERRUPT_STATUS;
  wire write_doorbell = write_register_q && write_at == `DUPLEX_REG_DOORBELL;
  wire write_error = write_register_q && write_at == `DUPLEX_REG_ERROR_CODE;
  wire write_owner = write_register_q && write_at == `DUPLEX_REG_BUNDLE_OWNER;
  wire write_select = write_register_q && write_at == `DUPLEX_REG_PERFORMANCE_SELECT;
  wire flush = write_control && data_q[1];

  reg enable_q, strict_q, empty_q, error_q;
  reg [1:0] interrupt_enable_q, interrupt_status_q;
  reg fetching_q;
  reg [15:0] index_q;  // number of the descriptor that was fetched last
  reg [15:0] produced_q, consumed_q, error_index_q, error_tag_q, select_q;
  reg [31:0] completed_q, error_address_q;
  reg [7:0] code_q;
  reg [3:0] owner_q;
  reg [63:0] clocks_q;
  reg interrupt_q;

  // The doorbell is looked at one clock after it was written.
  reg ring_q;
  reg [15:0] claimed_q;
  wire [15:0] waiting = claimed_q - consumed_q;
  wire overflow = ring_q && waiting > ENTRIES;
  wire [1:0] cleared = write_status ? data_q[1:0] : 2'b00;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      enable_q <= 1'b0;
      strict_q <= 1'b0;
      interrupt_enable_q <= 2'b00;
      interrupt_status_q <= 2'b00;
      interrupt_q <= 1'b0;
      ring_q <= 1'b0;
      produced_q <= 16'd0;
      consumed_q <= 16'd0;
      fetching_q <= 1'b0;
      empty_q <= 1'b1;
      completed_q <= 32'd0;
      error_q <= 1'b0;
      code_q <= 8'd0;
      error_index_q <= 16'd0;
      error_tag_q <= 16'd0;
      error_address_q <= 32'd0;
      owner_q <= 4'hf;
      select_q <= 16'd0;
      clocks_q <= 64'd0;
    end else begin
      if (write_control) enable_q <= data_q[0];
      if (write_enable) interrupt_enable_q <= data_q[1:0];
      if (write_owner) owner_q <= data_q[3:0];
      if (write_owner) strict_q <= data_q[16];
      if (write_select) select_q <= data_q[15:0];
      ring_q <= write_doorbell;
      if (ring_q && !overflow) produced_q <= claimed_q;
      // A flush during a fetch drops the descriptor's slot with the others; the descriptor itself is
      // executed.
      if (flush) consumed_q <= produced_q;
      else if (fetched_i && fetching_q) consumed_q <= consumed_q + 16'd1;
      if (fetch_i) fetching_q <= 1'b1;
      else if (flush || fetched_i) fetching_q <= 1'b0;
      empty_q <= produced_q == consumed_q;
      if (completed_i) completed_q <= completed_q + 32'd1;
      // The first error stays until it is cleared.
      if (write_error) begin
        code_q <= 8'd0;
        error_q <= 1'b0;
      end else if (!error_q && (error_i || overflow)) begin
        code_q <= error_i ? error_code_i : 8'd12;
        error_q <= 1'b1;
        error_index_q <= error_i ? index_q : consumed_q;
        error_tag_q <= error_i ? error_tag_i : 16'd0;
        error_address_q <= error_i ? error_address_i : {16'd0, claimed_q};
      end
      interrupt_status_q <= (interrupt_status_q & ~cleared) |
          {error_i || overflow, completed_i && completed_interrupt_i};
      interrupt_q <= (interrupt_status_q & interrupt_enable_q) != 2'b00;
      if (busy_i) clocks_q <= clocks_q + 64'd1;
    end
    if (write_doorbell) claimed_q <= data_q[15:0];
    if (fetch_i) index_q <= consumed_q;
  end

  // Reads: the answer in the fourth clock; a ring word when the ring has had two clocks for it.
  reg [2:0] wait_q;
  reg error_listed_q;
  reg [31:0] value_d, value_q, clocks_high_q, performance_high_q;
  reg [31:0] clocks_next_q, performance_next_q;  // the high halves that belong to value_q
  wire ring_read = read_address[15:10] == RING[15:10];
  assign read_done = wait_q[2];
  assign read_error = error_listed_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      wait_q <= 3'd0;
      clocks_high_q <= 32'd0;
      performance_high_q <= 32'd0;
    end else begin
      wait_q <= {wait_q[1] && !(ring_read && ring_read_busy_i), wait_q[0] ||
          (wait_q[1] && ring_read && ring_read_busy_i), read};
      if (read_done && !ring_read && read_at == `DUPLEX_REG_BUSY_CLOCKS_LOW && !read_error)
        clocks_high_q <= clocks_next_q;
      if (read_done && !ring_read && read_at == `DUPLEX_REG_PERFORMANCE_LOW && !read_error)
        performance_high_q <= performance_next_q;
    end
    error_listed_q <= !listed(read_address);
    value_q <= value_d;
    clocks_next_q <= clocks_q[63:32];
    performance_next_q <= performance_value_i[63:32];
  end

  always @* begin
    case (read_at)
      `DUPLEX_REG_ID: value_d = `DUPLEX_ID_VALUE_RESET;
      `DUPLEX_REG_VERSION: value_d = `DUPLEX_VERSION_VALUE_RESET;
      `DUPLEX_REG_GEOMETRY: value_d = {ROWS_8, WIDTH_8, LANES_8, CHANNELS_32[7:0]};
      `DUPLEX_REG_CONTROL: value_d = {31'd0, enable_q};
      `DUPLEX_REG_STATUS: value_d = {29'd0, produced_q == consumed_q, error_q, busy_i};
      `DUPLEX_REG_INTERRUPT_ENABLE: value_d = {30'd0, interrupt_enable_q};
      `DUPLEX_REG_INTERRUPT_STATUS: value_d = {30'd0, interrupt_status_q};
      `DUPLEX_REG_DOORBELL: value_d = {16'd0, produced_q};
      `DUPLEX_REG_CONSUMER: value_d = {16'd0, consumed_q};
      `DUPLEX_REG_COMPLETED: value_d = completed_q;
      `DUPLEX_REG_ERROR_CODE: value_d = {24'd0, code_q};
      `DUPLEX_REG_ERROR_DESCRIPTOR: value_d = {error_tag_q, error_index_q};
      `DUPLEX_REG_ERROR_ADDRESS: value_d = error_address_q;
      `DUPLEX_REG_BUNDLE_OWNER: value_d = {15'd0, strict_q, 4'd0, open_i, 4'd0, owner_q};
      `DUPLEX_REG_BUSY_CLOCKS_LOW: value_d = clocks_q[31:0];
      `DUPLEX_REG_BUSY_CLOCKS_HIGH: value_d = clocks_high_q;
      `DUPLEX_REG_PERFORMANCE_SELECT: value_d = {16'd0, select_q};
      `DUPLEX_REG_PERFORMANCE_LOW: value_d = performance_value_i[31:0];
      `DUPLEX_REG_PERFORMANCE_HIGH: value_d = performance_high_q;
      default: value_d = 32'd0;
    endcase
  end
  always @* read_value = ring_read ? ring_read_data_i : value_q;

  assign interrupt_o = interrupt_q;
  // Not in the clocks in which a write or a fetch may still change what it depends on.
  assign run_o = enable_q && !error_q && !error_i && !empty_q && produced_q != consumed_q &&
      !write_register_q && !fetched_i;
  assign owner_o = owner_q;
  assign strict_o = strict_q;
  assign slot_o = index_q[3:0];
  assign ring_write_o = write_ring_q;
  assign ring_write_address_o = address_q;
  assign ring_write_data_o = data_q;
  assign ring_read_address_o = read_address[9:2];
  assign performance_channel_o = select_q[7:0];
  assign performance_counter_o = select_q[15:8];
endmodule
`default_nettype wire
