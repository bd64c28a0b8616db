// SPDX-License-Identifier: Apache-2.0
// Finds the table entry of an argument and its place in the segment (SPEC N4, docs/activation.md).
//
// Holds one copy of the table: header word in registers, segments in RAM. The image is loaded word by word
// (layout in include/duplex/activation.h); load only while no value is in flight.
// Argument: binary32. place_o: signed, units of 2^-16 of a segment, -1/2 to 1/2; 0 in a tail.
// Latency 6 clocks: 1 shift count, 2 shift, 3 fixed point rounded down, 4 segment, 5 table, 6 choice of the
// entry.
`default_nettype none
`include "duplex_params.vh"
module activation_segment (
  input wire clk_i,
  // Table
  input wire table_valid_i,
  input wire [7:0] table_address_i,
  input wire [255:0] table_data_i,
  // Value
  input wire [31:0] argument_i,
  // Its segment
  output wire [5:0] limits_o,  // act(+Inf), act(-Inf)
  output reg [63:0] entry_o,
  output reg signed [15:0] place_o
);
  localparam WORDS = `DUPLEX_ACTIVATION_SEGMENTS / 4;

  // Header word: registers. Segments: RAM words of four entries.
  reg [21:0] header_q;
  reg [63:0] below_q, above_q;
  wire header_write = table_valid_i && table_address_i == 8'd0;
  wire [7:0] segment_word = table_address_i - 8'd1;
  wire segment_write = table_valid_i && {24'd0, segment_word} < WORDS;
  always @(posedge clk_i) begin
    if (header_write) begin
      header_q <= table_data_i[21:0];
      below_q <= table_data_i[127:64];
      above_q <= table_data_i[191:128];
    end
  end
  wire signed [11:0] first = header_q[11:0];
  wire [3:0] shift = header_q[15:12];
  assign limits_o = header_q[21:16];

  // 1: how far significand * 8 goes right for a unit of 2^-(shift + 16); negative: the argument is beyond any
  // range.
  wire [7:0] exponent = argument_i[30:23];
  wire [7:0] effective = exponent == 8'd0 ? 8'd1 : exponent;
  wire signed [9:0] right = 10'sd137 - $signed({6'd0, shift}) - $signed({2'd0, effective});
  reg sign1_q, outside1_q;
  reg [4:0] right1_q;
  reg [23:0] significand1_q;
  always @(posedge clk_i) begin
    sign1_q <= argument_i[31];
    outside1_q <= right < 10'sd0;
    right1_q <= right > 10'sd27 ? 5'd27 : right[4:0];
    significand1_q <= {exponent != 8'd0, argument_i[22:0]};
  end

  // 2: magnitude, and whether bits were lost.
  wire [53:0] shifted = {significand1_q, 30'd0} >> right1_q;
  reg sign2_q, outside2_q, inexact2_q;
  reg [26:0] magnitude2_q;
  always @(posedge clk_i) begin
    sign2_q <= sign1_q;
    outside2_q <= outside1_q;
    magnitude2_q <= shifted[53:27];
    inexact2_q <= shifted[26:0] != 27'd0;
  end

  // 3: rounded down, so that a tiny negative argument is below 0: -m - 1 = ~m.
  reg sign3_q, outside3_q;
  reg signed [27:0] fixed3_q;
  always @(posedge clk_i) begin
    sign3_q <= sign2_q;
    outside3_q <= outside2_q;
    fixed3_q <= sign2_q ? {1'b1, ~magnitude2_q} + {27'd0, ~inexact2_q} : {1'b0, magnitude2_q};
  end

  // 4: the segment, or a tail.
  wire signed [12:0] segment = $signed({fixed3_q[27], fixed3_q[27:16]}) - $signed({first[11], first});
  reg below4_q, above4_q;
  reg [8:0] segment4_q;
  reg [15:0] place4_q;
  always @(posedge clk_i) begin
    below4_q <= outside3_q ? sign3_q : segment[12];
    above4_q <= outside3_q ? !sign3_q : !segment[12] && segment[11:9] != 3'd0;
    segment4_q <= segment[8:0];
    place4_q <= {!fixed3_q[15], fixed3_q[14:0]};
  end

  // 5: the table.
  wire [255:0] read_word;
  ram_1r1w #(
    .WIDTH(256),
    .DEPTH(WORDS)
  ) segments (
    .clk_i(clk_i),
    .write_i(segment_write),
    .write_address_i(segment_word[6:0]),
    .write_data_i(table_data_i),
    .read_address_i(segment4_q[8:2]),
    .read_data_o(read_word)
  );
  reg below5_q, above5_q;
  reg [1:0] quarter5_q;
  reg [15:0] place5_q;
  always @(posedge clk_i) begin
    below5_q <= below4_q;
    above5_q <= above4_q;
    quarter5_q <= segment4_q[1:0];
    place5_q <= below4_q || above4_q ? 16'd0 : place4_q;
  end

  // 6: one of four entries, or a tail.
  always @(posedge clk_i) begin
    entry_o <= below5_q ? below_q : above5_q ? above_q : read_word[64*quarter5_q +: 64];
    place_o <= place5_q;
  end

  wire unused = &{1'b0, segment_word[7]};
endmodule
`default_nettype wire
