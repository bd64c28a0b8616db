// SPDX-License-Identifier: Apache-2.0
// Asks the bundle controller for the data of one job: for a GEMM the columns of block 0, 1, ..., each from
// its own row set on; for a LOAD all of this channel's tiles at once. Blocks without rows in this channel are
// not asked for.
// Columns of a block = ceil(k_tiles * rows / 2) and one of the header; the product is made in 7 clocks while
// the stream before is running. Where rows of each k-tile are passed over, all rows are even, and the columns
// of a k-tile are a run. Two streams: whole row sets, one for two k-tiles of each.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_records.vh"
module stream_request (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,             // one clock; the job's fields stay as they are until it is done
  input wire load_i,              // 0 GEMM, 1 LOAD
  input wire [23:0] count_i,      // rows (GEMM) or tiles (LOAD) of this channel
  input wire [15:0] base_i,       // first row set
  input wire [15:0] stride_i,     // row sets from block to block
  input wire [10:0] k_tiles_i,
  input wire [`DUPLEX_ROW_BITS:0] block_rows_i,
  input wire [`DUPLEX_ROW_BITS:0] skip_rows_i,  // behind those of each k-tile
  input wire exponents_i,
  input wire two_streams_i,
  // Bundle controller
  output wire read_valid_o,
  input wire read_ready_i,
  output wire [15:0] read_base_o,
  output wire [16:0] read_columns_o,
  output wire read_runs_t read_runs_o,
  // State
  output wire busy_o
);
  localparam TILE_BEATS_BITS = $clog2(`DUPLEX_LANES);  // LOAD: a tile has as many beats as there are lanes
  localparam ROWS_BITS = `DUPLEX_ROW_BITS + 1;  // of the rows of a block
  localparam [31:0] ROWS_BITS_32 = ROWS_BITS;
  localparam [1:0] IDLE = 2'd0, ROWS = 2'd1, MULTIPLY = 2'd2, ASK = 2'd3;

  reg [1:0] state_q;
  reg [23:0] left_q;     // rows not yet asked for
  reg [15:0] base_q;
  reg [`DUPLEX_ROW_BITS:0] rows_q;      // rows of a k-tile in the block, shifted out from the top
  reg [`DUPLEX_COLUMN_BITS-1:0] run_q;  // columns of a k-tile that are read, less one
  reg [$clog2(ROWS_BITS+1)-1:0] step_q;
  reg [17:0] beats_q;
  wire full_block = left_q >= {{(24 - ROWS_BITS) {1'b0}}, block_rows_i};
  wire [`DUPLEX_ROW_BITS:0] rows = full_block ? block_rows_i : left_q[ROWS_BITS-1:0];

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
    end else begin
      case (state_q)
        IDLE: if (start_i && count_i != 24'd0) state_q <= load_i ? ASK : ROWS;
        ROWS: state_q <= MULTIPLY;
        MULTIPLY: if (step_q == 0) state_q <= ASK;
        default: if (read_ready_i) state_q <= (load_i || left_q == 24'd0) ? IDLE : ROWS;
      endcase
    end
  end

  always @(posedge clk_i) begin
    case (state_q)
      IDLE: begin
        left_q <= count_i;
        base_q <= base_i;
        beats_q <= {{(7 - TILE_BEATS_BITS){1'b0}}, count_i[10:0], {TILE_BEATS_BITS{1'b0}}};
      end
      ROWS: begin
        rows_q <= rows + skip_rows_i;
        run_q <= rows[`DUPLEX_COLUMN_BITS:1] - 1'b1;
        left_q <= full_block ? left_q - {{(24 - ROWS_BITS) {1'b0}}, block_rows_i} : 24'd0;
        step_q <= ROWS_BITS_32[$clog2(ROWS_BITS+1)-1:0];
        beats_q <= 18'd0;
      end
      MULTIPLY: begin
        step_q <= step_q - 1'b1;
        rows_q <= {rows_q[ROWS_BITS-2:0], 1'b0};
        if (step_q == 0) beats_q <= two_streams_i ? {1'b0, k_tiles_i + {10'd0, k_tiles_i[0]}, 6'd0}
            : beats_q + {16'd0, exponents_i, 1'b0} - {{(18 - ROWS_BITS) {1'b0}}, skip_rows_i};
        else beats_q <= {beats_q[16:0], 1'b0} + (rows_q[ROWS_BITS-1] ? {7'd0, k_tiles_i} : 18'd0);
      end
      default: if (read_ready_i) base_q <= base_q + stride_i;
    endcase
  end

  assign read_valid_o = state_q == ASK;
  assign read_base_o = base_q;
  assign read_columns_o = beats_q[17:1] + {16'd0, beats_q[0]};
  assign read_runs_o.header = exponents_i;
  assign read_runs_o.length = run_q;
  assign read_runs_o.skip = skip_rows_i[`DUPLEX_COLUMN_BITS:1];
  assign busy_o = state_q != IDLE;
endmodule
`default_nettype wire
