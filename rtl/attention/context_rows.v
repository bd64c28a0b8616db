// One word of the context sums of attention: CONTEXT_ROWS (64) rows that score passes in between leave alone. Latency: 1 clock.
`default_nettype none
`include "duplex_params.vh"
module context_rows #(
    parameter WIDTH = 48,
    parameter ROW_BITS = $clog2(`DUPLEX_CONTEXT_ROWS)
) (
    input  wire                clk_i,
    input  wire                write_i,
    input  wire [ROW_BITS-1:0] write_row_i,
    input  wire [   WIDTH-1:0] data_i,
    input  wire [ROW_BITS-1:0] read_row_i,
    output wire [   WIDTH-1:0] data_o
);
  ram_1r1w #(
      .WIDTH(WIDTH),
      .DEPTH(`DUPLEX_CONTEXT_ROWS)
  ) rows (
      .clk_i          (clk_i),
      .write_i        (write_i),
      .write_address_i(write_row_i),
      .write_data_i   (data_i),
      .read_address_i (read_row_i),
      .read_data_o    (data_o)
  );
endmodule
`default_nettype wire
