// SPDX-License-Identifier: Apache-2.0
// A plain Verilog bench of the AXI4-Lite port (rtl/control/registers.v with axi_lite.v): random accesses with random delays on all
// five channels, address and data of a write in any order. It checks answers against a model of the plain registers, that every
// answer is held until it is taken, and that no output is unknown after reset. vvp axi_lite_tb.vvp +seed=N +accesses=N
`timescale 1ns / 1ps
`default_nettype none
`include "duplex_params.vh"
`include "duplex_registers.vh"
module axi_lite_tb;
  localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10;
  localparam integer CHANNELS = 2;

  reg clk = 1'b0;
  reg rst_n = 1'b0;
  always #1 clk = !clk;

  reg awvalid = 1'b0, wvalid = 1'b0, bready = 1'b0, arvalid = 1'b0, rready = 1'b0;
  reg [15:0] awaddr = 16'd0, araddr = 16'd0;
  reg [31:0] wdata = 32'd0;
  reg [3:0] wstrb = 4'hf;
  wire awready, wready, bvalid, arready, rvalid, interrupt, ring_write, run, strict;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata, ring_write_data;
  wire [3:0] owner, slot;
  wire [7:0] ring_write_address, ring_read_address, performance_channel, performance_counter;

  reg [31:0] ring [0:255];
  always @(posedge clk) if (ring_write) ring[ring_write_address] <= ring_write_data;

  registers #(.CHANNELS(CHANNELS)) dut (
    .clk_i(clk), .rst_ni(rst_n),
    .axi_awvalid_i(awvalid), .axi_awready_o(awready), .axi_awaddr_i(awaddr),
    .axi_wvalid_i(wvalid), .axi_wready_o(wready), .axi_wdata_i(wdata), .axi_wstrb_i(wstrb),
    .axi_bvalid_o(bvalid), .axi_bready_i(bready), .axi_bresp_o(bresp),
    .axi_arvalid_i(arvalid), .axi_arready_o(arready), .axi_araddr_i(araddr),
    .axi_rvalid_o(rvalid), .axi_rready_i(rready), .axi_rdata_o(rdata), .axi_rresp_o(rresp),
    .interrupt_o(interrupt), .run_o(run), .owner_o(owner), .open_i(4'd0), .strict_o(strict), .slot_o(slot),
    .busy_i(1'b0), .fetch_i(1'b0), .fetched_i(1'b0), .completed_i(1'b0), .completed_interrupt_i(1'b0),
    .error_i(1'b0), .error_code_i(8'd0), .error_address_i(32'd0), .error_tag_i(16'd0),
    .ring_write_o(ring_write), .ring_write_address_o(ring_write_address), .ring_write_data_o(ring_write_data),
    .ring_read_address_o(ring_read_address), .ring_read_busy_i(1'b0), .ring_read_data_i(ring[ring_read_address]),
    .performance_channel_o(performance_channel), .performance_counter_o(performance_counter),
    .performance_value_i(64'h0123_4567_89ab_cdef)
  );

  // The bench's own random numbers (xorshift), so that a seed gives the same run everywhere.
  reg [31:0] state;
  function automatic [31:0] next_state(input [31:0] s);
    begin
      next_state = s ^ (s << 13);
      next_state = next_state ^ (next_state >> 17);
      next_state = next_state ^ (next_state << 5);
    end
  endfunction
  task draw(input [31:0] below, output [31:0] value);
    begin
      state = next_state(state);
      value = (state >> 8) % below;
    end
  endtask

  integer failures = 0;
  task fail_if(input bad, input [8*40-1:0] what);
    if (bad) begin
      failures = failures + 1;
      $display("FAIL %0s at %0t", what, $time);
    end
  endtask

  // Outputs are known, and an answer stays as it is until it is taken.
  reg was_b = 1'b0, was_r = 1'b0;
  reg [1:0] old_bresp;
  reg [33:0] old_r;
  always @(posedge clk) begin
    if (rst_n) begin
      fail_if(^{awready, wready, bvalid, arready, rvalid, interrupt, run, owner, strict, ring_write} === 1'bx, "unknown output");
      fail_if(bvalid && ^bresp === 1'bx, "unknown write answer");
      fail_if(rvalid && ^{rresp, rdata} === 1'bx, "unknown read answer");
      fail_if(was_b && !(bvalid && bresp === old_bresp), "write answer was not held");
      fail_if(was_r && !(rvalid && {rresp, rdata} === old_r), "read answer was not held");
    end
    was_b <= rst_n && bvalid && !bready;
    was_r <= rst_n && rvalid && !rready;
    old_bresp <= bresp;
    old_r <= {rresp, rdata};
  end

  task wait_clocks(input [31:0] below);
    reg [31:0] n;
    begin
      draw(below, n);
      repeat (n) @(posedge clk);
      #0.1;
    end
  endtask

  task send_address(input [15:0] address);
    begin
      awaddr = address;
      awvalid = 1'b1;
      @(posedge clk);
      while (!awready) @(posedge clk);
      #0.1 awvalid = 1'b0;
    end
  endtask

  task send_data(input [31:0] data, input [3:0] strobe);
    begin
      wdata = data;
      wstrb = strobe;
      wvalid = 1'b1;
      @(posedge clk);
      while (!wready) @(posedge clk);
      #0.1 wvalid = 1'b0;
    end
  endtask

  task axi_write(input [15:0] address, input [31:0] data, input [3:0] strobe, output [1:0] response);
    reg [31:0] order;
    begin
      draw(2, order);
      if (order[0]) begin
        send_address(address);
        wait_clocks(3);
        send_data(data, strobe);
      end else begin
        send_data(data, strobe);
        wait_clocks(3);
        send_address(address);
      end
      wait_clocks(6);
      bready = 1'b1;
      @(posedge clk);
      while (!bvalid) @(posedge clk);
      response = bresp;
      #0.1 bready = 1'b0;
    end
  endtask

  task axi_read(input [15:0] address, output [31:0] data, output [1:0] response);
    begin
      araddr = address;
      arvalid = 1'b1;
      @(posedge clk);
      while (!arready) @(posedge clk);
      #0.1 arvalid = 1'b0;
      wait_clocks(8);
      rready = 1'b1;
      @(posedge clk);
      while (!rvalid) @(posedge clk);
      data = rdata;
      response = rresp;
      #0.1 rready = 1'b0;
    end
  endtask

  // What software wrote: the registers that hold what they are given, and the ring.
  reg [31:0] enable_model = 32'd0, owner_model = 32'hf, select_model = 32'd0;
  reg [31:0] ring_model [0:255];

  function automatic [32:0] expected(input [15:0] address);  // {error, data}
    begin
      case (address)
        `DUPLEX_REG_ID: expected = {1'b0, 32'h44504c58};
        `DUPLEX_REG_VERSION: expected = 33'd1;
        `DUPLEX_REG_GEOMETRY:
          expected = (`DUPLEX_ROWS << 24) | (`DUPLEX_WIDTH << 16) | (`DUPLEX_LANES << 8) | CHANNELS;
        `DUPLEX_REG_INTERRUPT_ENABLE: expected = {1'b0, enable_model};
        `DUPLEX_REG_BUNDLE_OWNER: expected = {1'b0, owner_model};
        `DUPLEX_REG_PERFORMANCE_SELECT: expected = {1'b0, select_model};
        default:
          if (address[1:0] == 2'd0 && address >= `DUPLEX_REG_RING && address < `DUPLEX_REG_RING + 1024)
            expected = {1'b0, ring_model[(address - `DUPLEX_REG_RING) >> 2]};
          else expected = {1'b1, 32'd0};
      endcase
    end
  endfunction

  task pick_address(output [15:0] address);
    reg [31:0] kind, place;
    begin
      draw(10, kind);
      draw(256, place);
      case (kind)
        32'd0: address = `DUPLEX_REG_ID;
        32'd1: address = `DUPLEX_REG_VERSION;
        32'd2: address = `DUPLEX_REG_GEOMETRY;
        32'd3: address = `DUPLEX_REG_INTERRUPT_ENABLE;
        32'd4: address = `DUPLEX_REG_BUNDLE_OWNER;
        32'd5: address = `DUPLEX_REG_PERFORMANCE_SELECT;
        32'd6: address = 16'h4c + (place[5:0] << 2);  // behind the last register
        32'd7: address = `DUPLEX_REG_ID + place[1:0];
        default: address = `DUPLEX_REG_RING + (place << 2);
      endcase
    end
  endtask

  task note_write(input [15:0] address, input [31:0] data);
    case (address)
      `DUPLEX_REG_INTERRUPT_ENABLE: enable_model = data & 32'h3;
      `DUPLEX_REG_BUNDLE_OWNER: owner_model = data & 32'h1000f;
      `DUPLEX_REG_PERFORMANCE_SELECT: select_model = data & 32'hffff;
      default:
        if (address >= `DUPLEX_REG_RING && address < `DUPLEX_REG_RING + 1024)
          ring_model[(address - `DUPLEX_REG_RING) >> 2] = data;
    endcase
  endtask

  task one_write;
    reg [15:0] address;
    reg [31:0] data, strobe;
    reg [1:0] response;
    reg [32:0] known;
    begin
      pick_address(address);
      state = next_state(state);
      data = state;
      draw(8, strobe);  // one in eight is no whole word
      axi_write(address, data, strobe == 0 ? 4'h7 : 4'hf, response);
      known = expected(address);
      fail_if(response !== (strobe == 0 || known[32] ? SLVERR : OKAY), "answer of a write");
      if (strobe != 0 && !known[32]) note_write(address, data);
      fail_if(owner !== owner_model[3:0], "owner output");
    end
  endtask

  task one_read;
    reg [15:0] address;
    reg [31:0] data;
    reg [1:0] response;
    reg [32:0] known;
    begin
      pick_address(address);
      known = expected(address);
      axi_read(address, data, response);
      fail_if(response !== (known[32] ? SLVERR : OKAY), "answer of a read");
      fail_if(data !== known[31:0], "data of a read");
    end
  endtask

  integer i, seed, accesses;
  reg [31:0] which;
  initial begin
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    if (!$value$plusargs("accesses=%d", accesses)) accesses = 2000;
    state = seed * 32'h9e3779b9 ^ 32'h1234567;
    if (state == 32'd0) state = 32'd1;
    for (i = 0; i < 256; i = i + 1) begin
      ring[i] = i;
      ring_model[i] = i;
    end
    repeat (4) @(posedge clk);
    #0.1 rst_n = 1'b1;
    for (i = 0; i < accesses; i = i + 1) begin
      draw(2, which);
      if (which[0]) one_write;
      else one_read;
      wait_clocks(3);
    end
    $display("axi_lite: %0d accesses, %0d failures, seed %0d", accesses, failures, seed);
    if (failures != 0) $fatal(1);
    $finish;
  end

  initial begin
    #10000000 $display("FAIL no end");
    $fatal(1);
  end
endmodule
`default_nettype wire
