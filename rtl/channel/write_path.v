// SPDX-License-Identifier: Apache-2.0
// Gathers result words into columns of 256 bytes and writes them to the channel's own DRAM: block b from
// logical column `column_i` + b * stride on. A block's last column is filled up with zeros.
// The words are shifted in from the top; after the fourth the column waits for the bundle controller, and the
// result buffer holds what follows. The job's fields are taken at the start.
`default_nettype none
`include "duplex_params.vh"
module write_path (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,
  input wire [16+`DUPLEX_COLUMN_BITS-1:0] column_i,   // of the first block
  input wire [15:0] stride_i,   // columns
  input wire [3:0] stripe_i,
  // Result buffer
  input wire word_valid_i,
  output wire word_ready_o,
  input wire [8*`DUPLEX_WORD_BYTES-1:0] word_i,
  input wire word_end_i,        // last word of a block
  // Bundle controller
  output wire write_valid_o,
  input wire write_ready_i,
  output wire [16+`DUPLEX_COLUMN_BITS-1:0] write_column_o,
  output wire [3:0] write_stripe_o,
  output wire [8*`DUPLEX_COLUMN_BYTES-1:0] write_data_o,
  // State
  output wire done_o,           // a block's last column is written
  output wire busy_o
);
  reg [8*`DUPLEX_COLUMN_BYTES-1:0] column_q;
  reg [2:0] words_q;            // words gathered, 4: the column waits to be written
  reg fill_q;                   // the block is over: zeros
  reg end_q;                    // this column is the block's last
  reg [16+`DUPLEX_COLUMN_BITS-1:0] block_q, address_q;
  reg [15:0] stride_q;
  reg [3:0] stripe_q;
  wire full = words_q[2];
  wire take = word_valid_i && word_ready_o;
  wire shift = take || (fill_q && !full);

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      words_q <= 3'd0;
      fill_q <= 1'b0;
    end else begin
      if (full) begin
        if (write_ready_i) words_q <= 3'd0;
      end else if (shift) words_q <= words_q + 3'd1;
      if (take && word_end_i) fill_q <= 1'b1;
      else if (full) fill_q <= 1'b0;
    end
  end

  always @(posedge clk_i) begin
    if (shift) column_q <= {take ? word_i
        : {(8*`DUPLEX_WORD_BYTES){1'b0}}, column_q[8*`DUPLEX_COLUMN_BYTES-1:8*`DUPLEX_WORD_BYTES]};
    if (take) end_q <= word_end_i;
    if (start_i) begin
      block_q <= column_i;
      address_q <= column_i;
      stride_q <= stride_i;
      stripe_q <= stripe_i;
    end else if (full && write_ready_i) begin
      address_q <= end_q ? block_q + {{`DUPLEX_COLUMN_BITS{1'b0}}, stride_q} : address_q + 1'b1;
      if (end_q) block_q <= block_q + {{`DUPLEX_COLUMN_BITS{1'b0}}, stride_q};
    end
  end

  assign word_ready_o = !full && !fill_q;
  assign write_valid_o = full;
  assign write_column_o = address_q;
  assign write_stripe_o = stripe_q;
  assign write_data_o = column_q;
  assign done_o = full && write_ready_i && end_q;
  assign busy_o = words_q != 3'd0;
endmodule
`default_nettype wire
