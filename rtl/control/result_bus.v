// SPDX-License-Identifier: Apache-2.0
// Result bus: takes one word of 64 bytes a clock from the channels and gives it to the activation unit, or
// (LOAD) to the shared buffer or the activation table. The lowest channel that has a word goes first, so that
// the results of low channels are complete early; the words of a LOAD come tile by tile, those of interleaved
// results word by word, each channel in its turn, so that they are written in order of address. A word of two
// rows, or of the table, takes two clocks behind the FIFO; a gated pair and a LOAD one. A channel that is
// granted in clock t has its word on the bus in t + 1; in t + 2 it is in the FIFO. There are never more words
// on the way than the FIFO has room for. The activation unit never waits; a LOAD lets its results go first.
// Results that follow each other in one word of the shared buffer are written together.
`default_nettype none
`include "duplex_params.vh"
`include "duplex_enumerations.vh"
`include "duplex_records.vh"
module result_bus #(
  parameter CHANNELS = 32,
  parameter WORD = 8*`DUPLEX_WORD_BYTES
) (
  input wire clk_i,
  input wire rst_ni,
  // Operation controller
  input wire load_start_i,         // a LOAD begins: channel 0 has the first tile
  output wire [1:0] busy_o,        // words of a job of this parity are inside
  // Channels
  input wire [CHANNELS-1:0] valid_i,
  input wire [CHANNELS-1:0] load_i,
  input wire [CHANNELS-1:0] interleaved_i,
  output wire [CHANNELS-1:0] ready_o,
  input wire [CHANNELS*WORD-1:0] data_i,
  input wire [CHANNELS*BUS_TAG_BITS-1:0] tag_i,  // bus_tag_t
  // Activation unit; address of the table: words of 32 bytes
  output wire table_valid_o,
  output wire [7:0] table_address_o,
  output wire [255:0] table_data_o,
  output wire row_valid_o,
  output wire row_gated_o,
  output wire [WORD/2-1:0] row_first_o,  // g of a pair
  output wire [WORD/2-1:0] row_o,        // u, or the row
  output wire row_tag_t row_tag_o,
  input wire result_valid_i,
  input wire [WORD/4-1:0] result_data_i,
  input wire row_tag_t result_tag_i,
  // Shared buffer; it takes a write every clock
  output wire write_valid_o,
  output wire [3:0] write_enable_o,
  output wire [14:0] write_address_o,
  output wire [WORD-1:0] write_data_o,
  // One clock, together with the write or later
  output wire load_word_o,          // a word of a LOAD was written
  output wire [1:0] in_turn_o,      // by parity: a word in turn was written
  output wire done_o,               // the last result of a channel was written
  output wire done_parity_o,
  output wire [4:0] done_channel_o
);
  localparam ROOM = 4;
  localparam [CHANNELS-1:0] ONE = 1;
  localparam [1:0] ROWS = `DUPLEX_BUS_WORD_ROWS, GATED = `DUPLEX_BUS_WORD_GATED,
      LOAD = `DUPLEX_BUS_WORD_LOAD, TABLE = `DUPLEX_BUS_WORD_TABLE;
  localparam UNIT = WORD / 4;  // bits of a result
  localparam TABLE_BITS = `DUPLEX_LANE_BITS - 2;  // words of the table in a word: 2^TABLE_BITS
  localparam PART_BITS = TABLE_BITS > 1 ? TABLE_BITS : 1;
  localparam [31:0] TABLE_LAST = (1 << TABLE_BITS) - 1;
  localparam [31:0] LAST_WORD = `DUPLEX_TILE_WORDS - 1;

  // Whose turn it is in a LOAD.
  reg [CHANNELS-1:0] turn_q;
  reg [`DUPLEX_TILE_WORD_BITS-1:0] turn_word_q;
  reg [2:0] room_q;
  // And whose word of interleaved results comes next: channel 0 when a job's begin, as all channels have as
  // many.
  reg [CHANNELS-1:0] next_q;
  wire [CHANNELS-1:0] offered = valid_i & (~load_i | turn_q) & (~interleaved_i | next_q);
  wire [CHANNELS-1:0] grant = room_q == 3'd0 ? {CHANNELS{1'b0}} : offered & (~offered + ONE);
  wire any = grant != 0;
  wire any_load = (grant & load_i) != 0;
  wire any_interleaved = (grant & interleaved_i) != 0;
  wire turn_ends = any_load && turn_word_q == LAST_WORD[`DUPLEX_TILE_WORD_BITS-1:0];
  reg [CHANNELS-1:0] grant_q;
  wire pop;
  assign ready_o = grant;

  // One-hot selection of the channels' words.
  reg [WORD-1:0] data;
  reg [BUS_TAG_BITS-1:0] tag;
  reg [4:0] channel;
  integer c;
  always @* begin
    data = 0;
    tag = {BUS_TAG_BITS{1'b0}};
    channel = 5'd0;
    for (c = 0; c < CHANNELS; c = c + 1) begin
      data = data | (data_i[c*WORD +: WORD] & {WORD{grant_q[c]}});
      tag = tag | (tag_i[c*BUS_TAG_BITS +: BUS_TAG_BITS] & {BUS_TAG_BITS{grant_q[c]}});
      channel = channel | (c[4:0] & {5{grant_q[c]}});
    end
  end

  reg on_bus_q, arrived_q;
  wire bus_entry_t on_bus = {channel, tag, data};
  bus_entry_t entering_q;
  wire bus_entry_t head;
  wire valid, unused_ready;

  fifo #(
    .WIDTH(BUS_ENTRY_BITS),
    .DEPTH(ROOM)
  ) words (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(arrived_q),
    .ready_o(unused_ready),
    .data_i(entering_q),
    .valid_o(valid),
    .ready_i(pop),
    .data_o(head)
  );

  wire [WORD-1:0] word = head.data;

  // The word at the FIFO's output, in one clock or in two.
  reg [PART_BITS-1:0] part_q;
  wire load = head.kind == LOAD;
  wire [PART_BITS-1:0] last_part =
      head.kind == TABLE ? TABLE_LAST[PART_BITS-1:0] : head.kind == ROWS && !head.single ? 1 : 0;
  wire moves = valid && !(load && result_valid_i);
  wire ends = part_q == last_part;
  assign pop = moves && ends;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      turn_q <= ONE;
      next_q <= ONE;
      turn_word_q <= 0;
      room_q <= ROOM;
      on_bus_q <= 1'b0;
      arrived_q <= 1'b0;
      part_q <= 0;
    end else begin
      if (load_start_i) begin
        turn_q <= ONE;
        turn_word_q <= 0;
      end else if (any_load) begin
        turn_word_q <= turn_word_q + 1'b1;
        if (turn_ends) turn_q <= (turn_q << 1) | (turn_q >> (CHANNELS - 1));
      end
      if (any_interleaved) next_q <= (next_q << 1) | (next_q >> (CHANNELS - 1));
      room_q <= room_q - {2'd0, any} + {2'd0, pop};
      on_bus_q <= any;
      arrived_q <= on_bus_q;
      part_q <= moves && !ends ? part_q + 1'b1 : 0;
    end
    grant_q <= grant;
    entering_q <= on_bus;
  end

  assign row_valid_o = moves && !head.kind[1];
  assign row_gated_o = head.kind == GATED;
  assign row_first_o = word[WORD/2-1:0];
  assign row_o = part_q[0] || head.kind == GATED ? word[WORD/2 +: WORD/2] : word[WORD/2-1:0];
  assign row_tag_o.channel = head.channel;
  assign row_tag_o.last = head.last && ends;
  assign row_tag_o.in_turn = head.in_turn && ends;
  assign row_tag_o.ends = ends;
  assign row_tag_o.parity = head.parity;
  assign row_tag_o.unit = head.unit + {16'd0, part_q[0]};
  wire [16:0] table_word = ({2'd0, head.unit[16:2]} << TABLE_BITS) |
      (TABLE_BITS == 0 ? 17'd0 : {{(17 - PART_BITS) {1'b0}}, part_q});
  assign table_valid_o = moves && head.kind == TABLE && table_word[16:8] == 9'd0;
  assign table_address_o = table_word[7:0];
  assign table_data_o = word[256*part_q +: 256];

  // Words inside, by parity: from the grant to the last write.
  reg [2*6-1:0] inside_q;
  reg [1:0] inside_busy_q;
  // A word is counted when it stands on the bus; before that it keeps its channel's port busy.
  wire [1:0] enters = on_bus_q ? (on_bus.parity ? 2'b10 : 2'b01) : 2'b00;
  wire leaves_result = result_valid_i && result_tag_i.ends;
  wire leaves_load = pop && head.kind[1];
  wire [1:0] left_result = leaves_result ? (result_tag_i.parity ? 2'b10 : 2'b01) : 2'b00;
  wire [1:0] left_load = leaves_load ? (head.parity ? 2'b10 : 2'b01) : 2'b00;
  integer p;
  always @(posedge clk_i) begin
    for (p = 0; p < 2; p = p + 1) begin
      if (!rst_ni) inside_q[6*p +: 6] <= 6'd0;
      else inside_q[6*p +: 6] <= inside_q[6*p +: 6] + {5'd0, enters[p]} - {5'd0, left_result[p]} -
          {5'd0, left_load[p]};
      inside_busy_q[p] <= rst_ni && (inside_q[6*p +: 6] != 6'd0 || enters[p]);
    end
  end
  assign busy_o = inside_busy_q;

  // One register before the shared buffer; results of one word gather in it until another
  // word comes or none.
  wire direct = moves && load;
  reg write_valid_q, gather_q;
  reg [3:0] write_enable_q;
  reg [14:0] write_address_q;
  reg [WORD-1:0] write_data_q;
  wire joins = result_valid_i && write_valid_q && gather_q && write_address_q == result_tag_i.unit[16:2];
  wire [3:0] part = 4'd1 << result_tag_i.unit[1:0];
  integer l;
  always @(posedge clk_i) begin
    write_valid_q <= rst_ni && (direct || result_valid_i);
    gather_q <= result_valid_i;
    if (direct || result_valid_i) begin
      write_address_q <= direct ? head.unit[16:2] : result_tag_i.unit[16:2];
      write_enable_q <= direct ? 4'b1111 : joins ? write_enable_q | part : part;
    end
    for (l = 0; l < 4; l = l + 1)
      if (direct) write_data_q[l*UNIT +: UNIT] <= word[l*UNIT +: UNIT];
      else if (result_valid_i && part[l]) write_data_q[l*UNIT +: UNIT] <= result_data_i;
  end
  assign write_valid_o = write_valid_q && !joins;
  assign write_enable_o = write_enable_q;
  assign write_address_o = write_address_q;
  assign write_data_o = write_data_q;

  // Told two clocks later, when what gathers has been written too.
  reg load_word_q, done_q, done_late_q, done_parity_q, done_parity_late_q, in_turn_q, in_turn_late_q;
  reg [4:0] done_channel_q, done_channel_late_q;
  always @(posedge clk_i) begin
    load_word_q <= direct;
    done_q <= rst_ni && result_valid_i && result_tag_i.last;
    in_turn_q <= rst_ni && result_valid_i && result_tag_i.in_turn;
    in_turn_late_q <= rst_ni && in_turn_q;
    done_channel_q <= result_tag_i.channel;
    done_parity_q <= result_tag_i.parity;
    done_parity_late_q <= done_parity_q;
    done_late_q <= rst_ni && done_q;
    done_channel_late_q <= done_channel_q;
  end
  assign load_word_o = load_word_q;
  assign in_turn_o = {in_turn_late_q && done_parity_late_q, in_turn_late_q && !done_parity_late_q};
  assign done_o = done_late_q;
  assign done_parity_o = done_parity_late_q;
  assign done_channel_o = done_channel_late_q;
`ifdef DUPLEX_ASSERT
  always @(posedge clk_i) begin
    if (rst_ni) begin
      assert ($onehot0(grant));
      assert (!(arrived_q && !unused_ready));
    end
  end
`endif
endmodule
`default_nettype wire
