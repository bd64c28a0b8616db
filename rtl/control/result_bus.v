// Result bus: takes one word of 32 bytes a clock from the channels, round robin, the two words of a gated pair together, and gives
// it to the activation unit, or (LOAD) straight to the shared buffer or the activation table.
// A channel that is granted in clock t has its word on the bus in t + 1; in t + 2 it is in the FIFO. There are never more
// words on the way than the FIFO has room for.
`default_nettype none
module result_bus #(
  parameter CHANNELS = 32
) (
  input wire clk_i,
  input wire rst_ni,
  input wire load_i,             // LOAD: past the activation unit
  input wire table_i,            // LOAD: to the activation table
  input wire gated_i,
  output wire busy_o,
  // Channels
  input wire [CHANNELS-1:0] valid_i,
  output wire [CHANNELS-1:0] ready_o,
  input wire [CHANNELS*256-1:0] data_i,
  input wire [CHANNELS*17-1:0] tag_i,
  // Activation unit
  output wire table_valid_o,
  output wire row_valid_o,
  input wire row_ready_i,
  output wire row_second_o,
  output wire [255:0] word_o,    // for all takers
  output wire [16:0] tag_o,
  input wire result_valid_i,
  input wire [127:0] result_data_i,
  input wire [16:0] result_tag_i,
  // Shared buffer; it takes a write every clock
  output wire write_valid_o,
  output wire [1:0] write_enable_o,
  output wire [15:0] write_address_o,
  output wire [255:0] write_data_o
);
  localparam ROOM = 4;
  localparam [CHANNELS-1:0] ONE = 1;

  // Round robin: first those behind the last one granted, then all; the second of a pair is the same channel again.
  reg [CHANNELS-1:0] behind_q, last_q, grant_q;
  reg second_q;
  reg [2:0] room_q;
  wire [CHANNELS-1:0] asked = valid_i & behind_q;
  wire [CHANNELS-1:0] from = asked != 0 ? asked : valid_i;
  wire [CHANNELS-1:0] first = from & (~from + ONE);
  wire [CHANNELS-1:0] grant = room_q == 3'd0 ? {CHANNELS{1'b0}} : second_q ? last_q & valid_i : first;
  wire any = grant != 0;
  wire pop;
  assign ready_o = grant;

  // One-hot selection of the channels' words.
  reg [255:0] data;
  reg [16:0] tag;
  integer c;
  always @* begin
    data = 256'd0;
    tag = 17'd0;
    for (c = 0; c < CHANNELS; c = c + 1) begin
      data = data | (data_i[c*256 +: 256] & {256{grant_q[c]}});
      tag = tag | (tag_i[c*17 +: 17] & {17{grant_q[c]}});
    end
  end

  reg on_bus_q, arrived_q, arrived_second_q, bus_second_q;
  reg [255:0] data_q;
  reg [16:0] tag_q;
  wire valid, unused_ready;

  fifo #(.WIDTH(256 + 17 + 1), .DEPTH(ROOM)) words (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .valid_i(arrived_q), .ready_o(unused_ready), .data_i({arrived_second_q, tag_q, data_q}),
    .valid_o(valid), .ready_i(load_i || row_ready_i), .data_o({row_second_o, tag_o, word_o})
  );
  assign pop = valid && (load_i || row_ready_i);

  // Rows inside the activation unit: in with the word (the second of a pair), out with the result.
  reg [7:0] inside_q;
  wire enters = row_valid_o && row_ready_i && (!gated_i || row_second_o);

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      behind_q <= 0;
      second_q <= 1'b0;
      room_q <= ROOM;
      on_bus_q <= 1'b0;
      arrived_q <= 1'b0;
      inside_q <= 8'd0;
    end else begin
      if (any) begin
        behind_q <= ~(grant | (grant - ONE));
        second_q <= gated_i && !second_q;
      end
      room_q <= room_q - {2'd0, any} + {2'd0, pop};
      on_bus_q <= any;
      arrived_q <= on_bus_q;
      inside_q <= inside_q + {7'd0, enters} - {7'd0, result_valid_i};
    end
    if (any) last_q <= grant;
    grant_q <= grant;
    bus_second_q <= second_q;
    arrived_second_q <= bus_second_q;
    data_q <= data;
    tag_q <= tag;
  end

  // One register before the shared buffer.
  reg write_valid_q;
  reg [1:0] write_enable_q;
  reg [15:0] write_address_q;
  reg [255:0] write_data_q;
  wire direct = valid && load_i && !table_i;
  always @(posedge clk_i) begin
    write_valid_q <= rst_ni && (direct || result_valid_i);
    write_enable_q <= direct ? 2'b11 : result_tag_i[0] ? 2'b10 : 2'b01;
    write_address_q <= direct ? tag_o[16:1] : result_tag_i[16:1];
    write_data_q <= direct ? word_o : {result_data_i, result_data_i};
  end

  assign row_valid_o = valid && !load_i;
  assign table_valid_o = valid && load_i && table_i;
  assign write_valid_o = write_valid_q;
  assign write_enable_o = write_enable_q;
  assign write_address_o = write_address_q;
  assign write_data_o = write_data_q;
  assign busy_o = room_q != ROOM || inside_q != 8'd0 || write_valid_q;
endmodule
`default_nettype wire
