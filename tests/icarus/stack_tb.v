// SPDX-License-Identifier: Apache-2.0
// A plain Verilog bench of the whole stack: AXI4-Lite port, DRAM of each channel, interrupt. It plays a script
// of tests/icarus/record.c and compares every register, every byte and every clock with those of the C model
// in it; in no clock after reset may an output of the stack be unknown. vvp stack_tb.vvp +script=FILE
`timescale 1ns / 1ps
`default_nettype none
`include "duplex_params.vh"
module stack_tb #(
  parameter CHANNELS = 1
);
  localparam integer RESET_CLOCKS = 4;
  localparam BEAT = 8 * `DUPLEX_BEAT_BYTES;

  reg clk = 1'b0;
  reg rst_n = 1'b0;
  reg awvalid = 1'b0, wvalid = 1'b0, bready = 1'b0, arvalid = 1'b0, rready = 1'b0;
  reg [15:0] awaddr = 16'd0, araddr = 16'd0;
  reg [31:0] wdata = 32'd0;
  wire awready, wready, bvalid, arready, rvalid, interrupt, strict;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;
  wire [3:0] owner;
  wire [CHANNELS-1:0] row_valid, column_valid, column_write, dram_failed;
  wire [CHANNELS*2-1:0] grant, row_command, row_bundle, column_bundle;
  wire [CHANNELS*8-1:0] row_mask, column_mask;
  wire [CHANNELS*14-1:0] row_address;
  wire [CHANNELS*`DUPLEX_COLUMN_BITS-1:0] column_address;
  wire [CHANNELS*BEAT-1:0] write_data, read_data;

  stack #(.CHANNELS(CHANNELS)) dut (
    .clk_i(clk), .rst_ni(rst_n),
    .axi_awvalid_i(awvalid), .axi_awready_o(awready), .axi_awaddr_i(awaddr),
    .axi_wvalid_i(wvalid), .axi_wready_o(wready), .axi_wdata_i(wdata), .axi_wstrb_i(4'hf),
    .axi_bvalid_o(bvalid), .axi_bready_i(bready), .axi_bresp_o(bresp),
    .axi_arvalid_i(arvalid), .axi_arready_o(arready), .axi_araddr_i(araddr),
    .axi_rvalid_o(rvalid), .axi_rready_i(rready), .axi_rdata_o(rdata), .axi_rresp_o(rresp),
    .interrupt_o(interrupt), .bundle_owner_o(owner), .strict_o(strict),
    .xpu_act_request_i({CHANNELS*2{1'b0}}), .xpu_act_grant_o(grant), .xpu_ref_i({CHANNELS*4{1'b0}}),
    .dram_row_valid_o(row_valid), .dram_row_command_o(row_command), .dram_row_bundle_o(row_bundle),
    .dram_row_mask_o(row_mask), .dram_row_address_o(row_address),
    .dram_column_valid_o(column_valid), .dram_column_write_o(column_write),
    .dram_column_bundle_o(column_bundle), .dram_column_mask_o(column_mask),
    .dram_column_address_o(column_address), .dram_write_data_o(write_data), .dram_read_data_i(read_data)
  );

  // The back door of each channel: an event after the registers below are set.
  event poke, peek;
  integer door_channel;
  reg [31:0] door_address;
  reg [255:0] door_data, peeked;
  genvar c;
  generate
    for (c = 0; c < CHANNELS; c = c + 1) begin : g_dram
      dram dram (
        .clk_i(clk), .rst_ni(rst_n),
        .row_valid_i(row_valid[c]), .row_command_i(row_command[2*c +: 2]), .row_bundle_i(row_bundle[2*c +: 2]),
        .row_mask_i(row_mask[8*c +: 8]), .row_address_i(row_address[14*c +: 14]),
        .column_valid_i(column_valid[c]), .column_write_i(column_write[c]),
        .column_bundle_i(column_bundle[2*c +: 2]), .column_mask_i(column_mask[8*c +: 8]),
        .column_address_i(column_address[`DUPLEX_COLUMN_BITS*c +: `DUPLEX_COLUMN_BITS]),
        .write_data_i(write_data[BEAT*c +: BEAT]), .read_data_o(read_data[BEAT*c +: BEAT]),
        .failed_o(dram_failed[c])
      );
      always @(poke) if (door_channel == c) dram.poke(door_address, door_data);
      always @(peek) if (door_channel == c) dram.peek(door_address, peeked);
    end
  endgenerate

  integer failures = 0;
  integer clocks = 0;
  task fail(input [8*32-1:0] what);
    begin
      failures = failures + 1;
      if (failures <= 20) $display("FAIL %0s in clock %0d", what, clocks);
    end
  endtask

  // What nobody may find unknown after reset: every output.
  task check_outputs;
    begin
      if (^{awready, wready, bvalid, arready, rvalid} === 1'bx) fail("unknown handshake");
      if (^{bresp, rresp, rdata} === 1'bx) fail("unknown answer");
      if (^{interrupt, owner, strict, grant} === 1'bx) fail("unknown interrupt, owner, grant");
      if (^{row_valid, column_valid} === 1'bx) fail("unknown command");
      if (^{row_command, row_bundle, row_mask, row_address} === 1'bx) fail("unknown row command");
      if (^{column_write, column_bundle, column_mask, column_address} === 1'bx) fail("unknown column command");
      if (^write_data === 1'bx) fail("unknown write data");
      if (|dram_failed !== 1'b0) fail("DRAM command");
    end
  endtask

  // One clock. The inputs were set before; outputs are looked at before the edge.
  reg interrupt_seen, took_aw, took_w, took_b, took_ar, took_r;
  task tick;
    begin
      #0.5;
      if (rst_n) check_outputs;
      interrupt_seen = rst_n && interrupt === 1'b1;
      took_aw = awvalid && awready === 1'b1;
      took_w = wvalid && wready === 1'b1;
      took_b = bready && bvalid === 1'b1;
      took_ar = arvalid && arready === 1'b1;
      took_r = rready && rvalid === 1'b1;
      clk = 1'b1;
      #0.5 clk = 1'b0;
      clocks = clocks + 1;
      if (took_aw) awvalid = 1'b0;
      if (took_w) wvalid = 1'b0;
      if (took_b) bready = 1'b0;
      if (took_ar) arvalid = 1'b0;
      if (took_r) rready = 1'b0;
    end
  endtask

  // The clock after an access shows the interrupt line that it left.
  reg [31:0] answer;
  task access;
    begin
      while (bready || rready) begin
        #0.4 if (rready && rvalid === 1'b1) answer = rdata;
        tick;
        if (clocks > 1000000) begin
          fail("no answer");
          $fatal(1);
        end
      end
      tick;
    end
  endtask

  reg [63:0] most;
  integer script, found, until_interrupt, expected_interrupt, expected_clocks, lines, start;
  reg [8*256-1:0] file;
  reg [7:0] operation;
  reg [31:0] address, value;

  task play_register(input write);
    begin
      found = $fscanf(script, " %h %h %d", address, value, expected_clocks);
      if (write) begin
        awaddr = address[15:0];
        wdata = value;
        {awvalid, wvalid, bready} = 3'b111;
      end else begin
        araddr = address[15:0];
        {arvalid, rready} = 2'b11;
      end
      access;
      if (!write && answer !== value) begin
        $display("register %h: %h, expected %h", address, answer, value);
        fail("value of a register");
      end
      if (clocks !== expected_clocks) fail("clocks of a register access");
    end
  endtask

  task play_advance;
    begin
      found = $fscanf(script, " %h %d %d %d", most, until_interrupt, expected_interrupt, expected_clocks);
      start = clocks;
      while (clocks - start != most && !(until_interrupt != 0 && interrupt_seen)) tick;
      if (until_interrupt != 0 && interrupt_seen !== expected_interrupt[0]) fail("interrupt");
      if (clocks !== expected_clocks) begin
        $display("%0d clocks, expected %0d", clocks, expected_clocks);
        fail("clocks of a job");
      end
    end
  endtask

  task play_memory(input write);
    begin
      found = $fscanf(script, " %h %h %h", door_channel, door_address, door_data);
      if (write) ->poke;
      else ->peek;
      #0.1;
      if (!write && peeked !== door_data) begin
        $display("channel %0d address %h: %h, expected %h", door_channel, door_address, peeked, door_data);
        fail("bytes in DRAM");
      end
    end
  endtask

  initial begin
    if (!$value$plusargs("script=%s", file)) begin
      $display("stack_tb: expected +script=FILE");
      $fatal(1);
    end
    script = $fopen(file, "r");
    if (script == 0) begin
      $display("stack_tb: %0s cannot be read", file);
      $fatal(1);
    end
    repeat (RESET_CLOCKS) tick;
    rst_n = 1'b1;
    lines = 0;
    while ($fscanf(script, " %c", operation) == 1) begin
      lines = lines + 1;
      case (operation)
        "W": play_register(1'b1);
        "R": play_register(1'b0);
        "A": play_advance;
        "D": play_memory(1'b1);
        "E": play_memory(1'b0);
        default: fail("script: an unknown operation");
      endcase
    end
    if (lines == 0) fail("the script is empty");
    $display("stack: %0d operations, %0d clocks, %0d failures", lines, clocks, failures);
    if (failures != 0) $fatal(1);
    $finish;
  end
endmodule
`default_nettype wire
