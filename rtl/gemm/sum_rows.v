// One word of the sums of all accumulator rows: a RAM for the rows of the GEMM module, and the rows of attention's context behind them.
// One read and one write port; a read of the row that is being written returns the old word. Latency: 1 clock.
`default_nettype none
`include "duplex_params.vh"
module sum_rows #(
    parameter WIDTH = 48,
    parameter ROW_BITS = $clog2(`DUPLEX_ROWS + `DUPLEX_CONTEXT_ROWS)
) (
    input  wire                clk_i,
    input  wire                write_i,
    input  wire [ROW_BITS-1:0] write_row_i,
    input  wire [   WIDTH-1:0] write_data_i,
    input  wire [ROW_BITS-1:0] read_row_i,
    output wire [   WIDTH-1:0] read_data_o
);
  localparam BITS = $clog2(`DUPLEX_ROWS);
  wire write_context = |write_row_i[ROW_BITS-1:BITS];
  wire [WIDTH-1:0] row_data, context_data;
  reg context_q;
  always @(posedge clk_i) context_q <= |read_row_i[ROW_BITS-1:BITS];

  ram_1r1w #(
      .WIDTH(WIDTH),
      .DEPTH(`DUPLEX_ROWS)
  ) rows (
      .clk_i          (clk_i),
      .write_i        (write_i && !write_context),
      .write_address_i(write_row_i[BITS-1:0]),
      .write_data_i   (write_data_i),
      .read_address_i (read_row_i[BITS-1:0]),
      .read_data_o    (row_data)
  );

  context_rows #(
      .WIDTH(WIDTH)
  ) context_rows (
      .clk_i      (clk_i),
      .write_i    (write_i && write_context),
      .write_row_i(write_row_i[BITS-1:0]),
      .data_i     (write_data_i),
      .read_row_i (read_row_i[BITS-1:0]),
      .data_o     (context_data)
  );
  assign read_data_o = context_q ? context_data : row_data;
endmodule
`default_nettype wire
