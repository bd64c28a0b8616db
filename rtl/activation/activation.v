// The stack's shared activation unit: rows of 8 binary32 values to rows of 8 binary16 values (SPEC N4, docs/activation.md).
//
// Gated: two words per row, g then u (in_second_i marks u), h = RN16(act(g) * u). Not gated: one word u, h = RN16(act(u)).
// Four lanes take a row in two clocks, so a row every two clocks, gated or not. gated_i holds with every word of a row. The tag
// that comes with the last word of a row leaves with its result. Rows leave in order; out_valid_o waits for out_ready_i.
// in_ready_o depends on gated_i and in_second_i: a word g is always taken, and must be followed by its u.
// From the edge that takes a row's last word to out_valid_o: 19 clocks. At most ROWS rows are inside, as many as the output FIFO can hold, so that
// the lanes never stop.
// Table port: word 0 to 128 of the image (cmodel/include/duplex/activation.h); load only while no row is inside.
`default_nettype none
`include "duplex_params.vh"
module activation (
  input wire clk_i,
  input wire rst_ni,
  input wire table_valid_i,
  input wire [7:0] table_address_i,
  input wire [255:0] table_data_i,
  input wire gated_i,
  input wire in_valid_i,
  output wire in_ready_o,
  input wire in_second_i,
  input wire [255:0] in_row_i,
  input wire [31:0] in_tag_i,
  output wire out_valid_o,
  input wire out_ready_i,
  output wire [127:0] out_data_o,
  output wire [31:0] out_tag_o
);
  localparam LANES = `DUPLEX_ACTIVATION_LANES;
  localparam LANE_CLOCKS = 17;
  localparam ROWS = 16;
  localparam [4:0] FULL = ROWS;

  // Rows inside: from the last word taken to the result taken.
  reg [4:0] rows_q;
  wire complete, leave;
  always @(posedge clk_i) begin
    if (!rst_ni) rows_q <= 5'd0;
    else if (complete != leave) rows_q <= complete ? rows_q + 5'd1 : rows_q - 5'd1;
  end

  // The row at work goes to the lanes in two halves, the lower one first.
  reg busy_q, upper_q, gated_q;
  reg [255:0] first_q, g_q, u_q;
  wire last_word = !gated_i || in_second_i;
  assign in_ready_o = !last_word || ((!busy_q || upper_q) && rows_q != FULL);
  assign complete = in_valid_i && in_ready_o && last_word;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      upper_q <= 1'b0;
    end else begin
      busy_q <= complete || (busy_q && !upper_q);
      upper_q <= busy_q && !upper_q;
    end
    if (in_valid_i && !last_word) first_q <= in_row_i;
    if (complete) begin
      gated_q <= gated_i;
      g_q <= first_q;
      u_q <= in_row_i;
    end else begin
      g_q[127:0] <= g_q[255:128];
      u_q[127:0] <= u_q[255:128];
    end
  end

  wire [16*LANES-1:0] results;
  genvar lane;
  generate
    for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lane
      activation_lane unit (
        .clk_i(clk_i),
        .table_valid_i(table_valid_i),
        .table_address_i(table_address_i),
        .table_data_i(table_data_i),
        .gated_i(gated_q),
        .g_i(g_q[32*lane +: 32]),
        .u_i(u_q[32*lane +: 32]),
        .result_o(results[16*lane +: 16])
      );
    end
  endgenerate

  // Which clock brings which half out of the lanes.
  reg [LANE_CLOCKS-1:0] lower_done_q, upper_done_q;
  reg [63:0] lower_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      lower_done_q <= 0;
      upper_done_q <= 0;
    end else begin
      lower_done_q <= {lower_done_q[LANE_CLOCKS-2:0], busy_q && !upper_q};
      upper_done_q <= {upper_done_q[LANE_CLOCKS-2:0], busy_q && upper_q};
    end
    if (lower_done_q[LANE_CLOCKS-1]) lower_q <= results;
  end

  wire result_ready, tag_ready, tag_valid;
  fifo #(.WIDTH(128), .DEPTH(ROWS)) result_fifo (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(upper_done_q[LANE_CLOCKS-1]),
    .ready_o(result_ready),
    .data_i({results, lower_q}),
    .valid_o(out_valid_o),
    .ready_i(out_ready_i),
    .data_o(out_data_o)
  );
  fifo #(.WIDTH(32), .DEPTH(ROWS)) tag_fifo (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(complete),
    .ready_o(tag_ready),
    .data_i(in_tag_i),
    .valid_o(tag_valid),
    .ready_i(leave),
    .data_o(out_tag_o)
  );
  assign leave = out_valid_o && out_ready_i;

  wire unused = &{1'b0, result_ready, tag_ready, tag_valid};
endmodule
`default_nettype wire
