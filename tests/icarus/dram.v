// SPDX-License-Identifier: Apache-2.0
// DRAM of one channel for plain Verilog benches: cells, open rows, and the latencies of the preset; rules of
// timing are judged elsewhere (cmodel/hbm).
//
// Read data are unknown (x) in every clock in which the DRAM drives none, so that a unit that looks at them
// too early or too late shows it. Row sets get their cells when they are first used; cells that nobody wrote
// are zero.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_dram.vh"
module dram #(
  parameter ROW_SETS = 64  // that can be used
) (
  input wire clk_i,
  input wire rst_ni,
  input wire row_valid_i,
  input wire [1:0] row_command_i,
  input wire [1:0] row_bundle_i,
  input wire [7:0] row_mask_i,
  input wire [13:0] row_address_i,
  input wire column_valid_i,
  input wire column_write_i,
  input wire [1:0] column_bundle_i,
  input wire [7:0] column_mask_i,
  input wire [`DUPLEX_COLUMN_BITS-1:0] column_address_i,
  input wire [8*`DUPLEX_BEAT_BYTES-1:0] write_data_i,
  output wire [8*`DUPLEX_BEAT_BYTES-1:0] read_data_o,
  output reg failed_o  // a command that the state of its bundle does not allow, or unknown write data
);
  localparam READ_LATENCY = (`DRAM_NCL + `DRAM_NBL + 1) / 2;
  localparam WRITE_LATENCY = (`DRAM_NCWL + 1) / 2;
  localparam BEAT = 8 * `DUPLEX_BEAT_BYTES;
  localparam PART = 256;  // bits of the back door's accesses
  localparam PLACES = ROW_SETS << `DUPLEX_COLUMN_BITS;

  reg [2*BEAT-1:0] columns[0:PLACES-1];
  reg [15:0] place[0:4*`DUPLEX_BANK_ROWS-1];  // of a row set's cells; 0: none yet
  reg [15:0] used;
  integer i;
  initial begin
    used = 16'd0;
    for (i = 0; i < PLACES; i = i + 1) columns[i] = 0;
    for (i = 0; i < 4 * `DUPLEX_BANK_ROWS; i = i + 1) place[i] = 16'd0;
  end

  // The number of a column's cells; gives its row set cells if it has none.
  task find(input [15:0] row_set, input [`DUPLEX_COLUMN_BITS-1:0] column, output integer found);
    begin
      if (place[row_set] == 16'd0) begin
        used = used + 16'd1;
        place[row_set] = used;
        if (used > ROW_SETS) begin
          $display("FAIL more than %0d row sets are used", ROW_SETS);
          $fatal(1);
        end
      end
      found = ((place[row_set] - 1) << `DUPLEX_COLUMN_BITS) + column;
    end
  endtask

  // ---- the back door: 32 bytes by physical address
  task poke(input [31:0] address, input [PART-1:0] data);
    integer n;
    begin
      find(address[`DUPLEX_ROW_LSB +: 16], address[`DUPLEX_COLUMN_LSB +: `DUPLEX_COLUMN_BITS], n);
      columns[n][PART * address[7:5] +: PART] = data;
    end
  endtask
  task peek(input [31:0] address, output [PART-1:0] data);
    integer n;
    begin
      find(address[`DUPLEX_ROW_LSB +: 16], address[`DUPLEX_COLUMN_LSB +: `DUPLEX_COLUMN_BITS], n);
      data = columns[n][PART * address[7:5] +: PART];
    end
  endtask

  // ---- commands
  reg [7:0] open[0:3];  // banks of a bundle
  reg [13:0] row[0:3];
  wire [7:0] now_open = open[row_bundle_i];
  wire [7:0] column_open = open[column_bundle_i];
  integer at;
  reg [READ_LATENCY*2*BEAT-1:0] read_q;  // columns on their way, the oldest on top
  reg [READ_LATENCY:0] read_valid_q;
  reg [WRITE_LATENCY+1:0] write_valid_q;
  reg [31:0] write_at_q;
  reg [2*BEAT-1:0] column;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      failed_o <= 1'b0;
      read_valid_q <= 0;
      write_valid_q <= 0;
      for (i = 0; i < 4; i = i + 1) open[i] <= 8'd0;
    end else begin
      if (row_valid_i) begin
        case (row_command_i)
          `DUPLEX_ROW_COMMAND_ACT: begin
            if (now_open & row_mask_i) failed_o <= 1'b1;
            open[row_bundle_i] <= now_open | row_mask_i;
            row[row_bundle_i] <= row_address_i;
          end
          `DUPLEX_ROW_COMMAND_PRE: open[row_bundle_i] <= now_open & ~row_mask_i;
          `DUPLEX_ROW_COMMAND_REF: if (now_open & row_mask_i) failed_o <= 1'b1;
          default: failed_o <= 1'b1;
        endcase
      end
      column = {2*BEAT{1'bx}};
      if (column_valid_i) begin
        if (column_mask_i !== 8'hff || column_open !== 8'hff) failed_o <= 1'b1;
        find({column_bundle_i, row[column_bundle_i]}, column_address_i, at);
        column = columns[at];
        if (column_write_i) write_at_q <= at;
      end
      read_q <= {read_q[(READ_LATENCY-1)*2*BEAT-1:0], column};
      read_valid_q <= {read_valid_q[READ_LATENCY-1:0], column_valid_i && !column_write_i};
      // One write at a time is on its way (WR_WR of rtl/dram/bundle_controller.v).
      write_valid_q <= {write_valid_q[WRITE_LATENCY:0], column_valid_i && column_write_i};
      if (write_valid_q[WRITE_LATENCY-1]) columns[write_at_q][BEAT-1:0] <= write_data_i;
      if (write_valid_q[WRITE_LATENCY]) columns[write_at_q][2*BEAT-1:BEAT] <= write_data_i;
      if (|write_valid_q[WRITE_LATENCY:WRITE_LATENCY-1] && ^write_data_i === 1'bx) failed_o <= 1'b1;
    end
  end

  // The second beat of a column comes one clock after the first.
  reg [BEAT-1:0] second_q;
  always @(posedge clk_i) second_q <= read_q[READ_LATENCY*2*BEAT-1 -: BEAT];
  assign read_data_o = read_valid_q[READ_LATENCY-1] ? read_q[(READ_LATENCY-1)*2*BEAT +: BEAT]
      : read_valid_q[READ_LATENCY] ? second_q
      : {BEAT{1'bx}};
endmodule
`default_nettype wire
