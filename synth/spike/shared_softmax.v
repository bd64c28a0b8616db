// SPDX-License-Identifier: Apache-2.0
// One softmax unit for several channels, to be compared with slices in each of them (docs/decisions.md): the area is measured by
// measure.sh, the clocks that the streams lose on its buses by shared_softmax.py. It has what the slices have (scaling, maxima,
// weights, their sums, the division), a result bus of 64 bytes a clock on which the scores and the sums of the context come, and a bus
// of 64 bytes a clock on which the weights and the rows of o go back. CHANNELS = 32: one unit with the buses that there are; 8: one of
// four units, which together give what the streams ask for.
//
//   synth/spike/measure.sh shared_softmax -p CHANNELS=8 rtl/common/{fifo,delay_line}.v rtl/gemm/normalise.v
//   rtl/softmax/{score_scale,exponential,quotient}.v synth/spike/shared_softmax.v
//
// A word of scores: 16, lane by lane; a score of lane l stands at l, l + 2^lanes, ... Maxima and sums are kept for 8 columns (a score's
// place modulo 8) and joined when they are read. A word of sums: 4 lanes of 97 bits and 3 flags, lanes 0 to 3 or 4 to 7.
`default_nettype none
`include "duplex_params.vh"

// The larger key of columns that belong to one lane: all lanes at once.
module column_maxima (
    input  wire [  1:0] lanes_i,
    input  wire [255:0] keys_i,
    output wire [255:0] keys_o
);
  function [31:0] larger(input [31:0] a, input [31:0] b);
    larger = a > b ? a : b;
  endfunction
  reg [255:0] four, two, one;
  integer i;
  always @* begin
    for (i = 0; i < 8; i = i + 1) begin
      four[32*i+:32] = lanes_i == 2'd3 ? keys_i[32*i+:32] : larger(keys_i[32*i+:32], keys_i[32*(i^4)+:32]);
    end
    for (i = 0; i < 8; i = i + 1) begin
      two[32*i+:32] = lanes_i[1] ? four[32*i+:32] : larger(four[32*i+:32], four[32*(i^2)+:32]);
    end
    for (i = 0; i < 8; i = i + 1) begin
      one[32*i+:32] = lanes_i != 2'd0 ? two[32*i+:32] : larger(two[32*i+:32], two[32*(i^1)+:32]);
    end
  end
  assign keys_o = one;
endmodule

// 16 scores a clock to weights, for half of the channels: the exact sums of their columns, and words of 32 weights.
module weight_engine #(
    parameter CHANNELS = 16,
    parameter BITS = $clog2(CHANNELS)
) (
    input wire clk_i,
    input wire rst_ni,
    input wire valid_i,
    input wire last_i,               // of the tile
    input wire clear_i,              // the sums begin
    input wire sum_i,                // the weights count: row block 0
    input wire [1:0] lanes_i,
    input wire [BITS-1:0] channel_i,
    input wire [15:0] exists_i,
    input wire [511:0] word_i,
    input wire [255:0] keys_i,       // of the maxima of that channel's columns
    output wire word_valid_o,
    output wire [BITS-1:0] word_channel_o,
    output wire [511:0] word_o,
    input wire [BITS-1:0] l_channel_i,
    output wire [57*8-1:0] l_o
);
  localparam CLOCKS = `DUPLEX_EXPONENTIAL_CLOCKS;
  wire [255:0] joined;
  column_maxima column_maxima (
      .lanes_i(lanes_i),
      .keys_i (keys_i),
      .keys_o (joined)
  );
  reg [255:0] m_q;
  reg [511:0] word_q;
  reg [15:0] exists_q;
  always @(posedge clk_i) begin
    m_q <= joined;
    word_q <= word_i;
    exists_q <= exists_i;
  end
  reg [CLOCKS:0] valid_q;
  always @(posedge clk_i) valid_q <= rst_ni ? {valid_q[CLOCKS-1:0], valid_i} : 0;
  wire done = valid_q[CLOCKS];
  wire last, clear, sum;
  wire [BITS-1:0] channel;
  delay_line #(
      .WIDTH (BITS + 3),
      .CLOCKS(CLOCKS + 1)
  ) beside (
      .clk_i (clk_i),
      .data_i({last_i, clear_i, sum_i, channel_i}),
      .data_o({last, clear, sum, channel})
  );

  wire [15:0] exists;
  delay_line #(
      .WIDTH (16),
      .CLOCKS(CLOCKS)
  ) existing (
      .clk_i (clk_i),
      .data_i(exists_q),
      .data_o(exists)
  );
  wire [255:0] weights;
  reg [39:0] units_q[0:15];  // p is at most 2^15
  genvar i;
  generate
    for (i = 0; i < 16; i = i + 1) begin : g_score
      wire [15:0] p;
      wire [31:0] key = m_q[32*(i%8)+:32];
      exponential exponential (
          .clk_i(clk_i),
          .t_i(word_q[32*i+:32]),
          .m_i(key[31] ? {1'b0, key[30:0]} : ~key),
          .wide_i(1'b0),
          .low_i(1'b0),
          .p_o(p)
      );
      assign weights[16*i+:16] = exists[i] ? p : 16'd0;
      wire hidden = p[15:11] != 5'd0;
      always @(posedge clk_i)
        units_q[i] <= exists[i] ? {28'd0, hidden, p[10:0]} << (hidden ? p[15:11] - 5'd1 : 5'd0) : 40'd0;
    end
  endgenerate

  // The sums of each channel's columns: units in one clock, pairs in the next, then the table.
  reg add1_q, add2_q, clear1_q, clear2_q;
  reg [BITS-1:0] channel1_q, channel2_q;
  reg [40:0] pair_q[0:7];
  reg [57*8-1:0] table_q[0:CHANNELS-1];
  wire [57*8-1:0] old = table_q[channel2_q];
  integer c;
  always @(posedge clk_i) begin
    {add2_q, add1_q} <= rst_ni ? {add1_q, done && sum} : 2'd0;
    {clear2_q, clear1_q} <= {clear1_q, clear};
    channel1_q <= channel;
    channel2_q <= channel1_q;
    for (c = 0; c < 8; c = c + 1) begin
      pair_q[c] <= {1'b0, units_q[c]} + {1'b0, units_q[c+8]};
      if (add2_q) table_q[channel2_q][57*c+:57] <= (clear2_q ? 57'd0 : old[57*c+:57]) + {16'd0, pair_q[c]};
    end
  end
  assign l_o = table_q[l_channel_i];

  // Two half words are one of the bus.
  reg half_q, word_valid_q;
  reg [511:0] out_q;
  reg [BITS-1:0] out_channel_q;
  always @(posedge clk_i) begin
    if (!rst_ni) half_q <= 1'b0;
    else if (done) half_q <= !half_q && !last;
    word_valid_q <= rst_ni && done && (half_q || last);
    if (done) out_q <= {weights, out_q[511:256]};
    out_channel_q <= channel;
  end
  assign word_valid_o = word_valid_q;
  assign word_channel_o = out_channel_q;
  assign word_o = out_q;
endmodule

module shared_softmax #(
    parameter CHANNELS = 32,
    parameter BITS = $clog2(CHANNELS)
) (
    input wire clk_i,
    input wire rst_ni,
    // The result bus: the channels' words
    input wire [CHANNELS-1:0] valid_i,
    output wire [CHANNELS-1:0] ready_o,
    input wire [CHANNELS-1:0] sums_i,    // sums of the context; else scores
    input wire [CHANNELS-1:0] first_i,   // of a pair
    input wire [CHANNELS-1:0] last_i,
    input wire [CHANNELS-1:0] upper_i,   // lanes 4 to 7 of sums
    input wire [CHANNELS*2-1:0] lanes_i,
    input wire [CHANNELS*32-1:0] scale_i,
    input wire [CHANNELS*512-1:0] data_i,
    // Scaled scores to the slice of the shared buffer
    output wire score_valid_o,
    output wire [BITS-1:0] score_channel_o,
    output wire [511:0] score_o,
    // Two engines: words of scores from the slices of even and odd channels
    input wire [1:0] tile_valid_i,
    input wire [1:0] tile_last_i,
    input wire [1:0] tile_clear_i,
    input wire [1:0] tile_sum_i,
    input wire [2*2-1:0] tile_lanes_i,
    input wire [2*(BITS-1)-1:0] tile_channel_i,
    input wire [2*16-1:0] tile_exists_i,
    input wire [2*512-1:0] tile_word_i,
    output wire [1:0] tile_room_o,
    // The bus back: weights, or rows of o
    output wire back_valid_o,
    output wire back_o_o,
    output wire [BITS-1:0] back_channel_o,
    output wire [511:0] back_o
);
  localparam LANES = `DUPLEX_LANES, SUM = `DUPLEX_SUM_BITS, QUOTIENT = `DUPLEX_QUOTIENT_CLOCKS - 1;
  localparam SCALE = `DUPLEX_SCORE_SCALE_CLOCKS;

  // ---- the result bus: round robin; a channel's sums hold the divisors until its last row, and 14 clocks more
  reg [CHANNELS-1:0] turn_q;        // those behind the last one that was served
  reg holding_q;
  reg [BITS-1:0] holder_q;
  reg [3:0] pause_q;
  reg [CHANNELS-1:0] from, grant;
  integer c;
  always @* begin
    for (c = 0; c < CHANNELS; c = c + 1) begin
      from[c] = valid_i[c] && (!sums_i[c] || (holding_q ? holder_q == c : pause_q == 4'd0));
    end
    grant = (from & turn_q) != 0 ? from & turn_q & (~(from & turn_q) + 1'b1) : from & (~from + 1'b1);
  end
  assign ready_o = grant;
  reg [CHANNELS-1:0] grant_q;
  reg any_q;
  reg [511:0] data;
  reg [31:0] scale;
  reg [1:0] lanes;
  reg sums, first, last, upper;
  reg [BITS-1:0] channel, next;
  always @* begin
    data = 512'd0;
    scale = 32'd0;
    {sums, first, last, upper, lanes} = 0;
    channel = 0;
    next = 0;
    for (c = 0; c < CHANNELS; c = c + 1) begin
      if (grant[c]) next = next | c[BITS-1:0];
      data = data | (data_i[512*c+:512] & {512{grant_q[c]}});
      scale = scale | (scale_i[32*c+:32] & {32{grant_q[c]}});
      lanes = lanes | (lanes_i[2*c+:2] & {2{grant_q[c]}});
      {sums, first, last, upper} = {sums, first, last, upper} | ({sums_i[c], first_i[c], last_i[c], upper_i[c]} & {4{grant_q[c]}});
      channel = channel | (c[BITS-1:0] & {BITS{grant_q[c]}});
    end
  end
  wire grant_sums = (grant & sums_i) != 0;
  wire grant_last = (grant & last_i) != 0;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      turn_q <= 0;
      holding_q <= 1'b0;
      pause_q <= 4'd0;
      any_q <= 1'b0;
    end else begin
      if (grant != 0) turn_q <= ~(grant | (grant - 1'b1));
      if (grant_sums) holding_q <= !grant_last;
      pause_q <= grant_sums && grant_last ? 4'd14 : pause_q - (pause_q != 4'd0);
      any_q <= grant != 0;
    end
    if (grant_sums) holder_q <= next;
    grant_q <= grant;
  end

  // The word on the bus.
  reg word_valid_q, word_sums_q, word_first_q, word_last_q, word_upper_q;
  reg [1:0] word_lanes_q;
  reg [BITS-1:0] word_channel_q;
  reg [511:0] word_q;
  reg [31:0] scale_q;
  always @(posedge clk_i) begin
    word_valid_q <= rst_ni && any_q;
    {word_sums_q, word_first_q, word_last_q, word_upper_q, word_lanes_q} <= {sums, first, last, upper, lanes};
    word_channel_q <= channel;
    word_q <= data;
    scale_q <= scale;
  end

  // ---- scores: 16 multipliers; the larger of a column's two, then the table of maxima
  reg [SCALE-1:0] scaling_q;
  always @(posedge clk_i) scaling_q <= rst_ni ? {scaling_q[SCALE-2:0], word_valid_q && !word_sums_q} : 0;
  wire scaled = scaling_q[SCALE-1];
  wire scaled_first;
  wire [BITS-1:0] scaled_channel;
  delay_line #(
      .WIDTH (BITS + 1),
      .CLOCKS(SCALE)
  ) scores_beside (
      .clk_i (clk_i),
      .data_i({word_first_q, word_channel_q}),
      .data_o({scaled_first, scaled_channel})
  );
  wire [511:0] t;
  reg [32*16-1:0] keys_q;
  reg keys_valid_q, keys_first_q, columns_valid_q, columns_first_q;
  reg [BITS-1:0] keys_channel_q, columns_channel_q;
  reg [255:0] columns_q;
  reg [255:0] maxima_q[0:CHANNELS-1];
  genvar i;
  generate
    for (i = 0; i < 16; i = i + 1) begin : g_score
      wire [31:0] s = t[32*i+:32];
      wire nan = &s[30:23] && s[22:0] != 23'd0;
      score_scale score_scale (
          .clk_i(clk_i),
          .s_i(word_q[32*i+:32]),
          .c_i(scale_q),
          .t_o(t[32*i+:32])
      );
      always @(posedge clk_i)
        keys_q[32*i+:32] <= nan ? 32'hffc00000 : s[30:0] == 31'd0 ? 32'h80000000 : s[31] ? ~s : {1'b1, s[30:0]};
    end
  endgenerate
  wire [255:0] maxima = maxima_q[columns_channel_q];
  always @(posedge clk_i) begin
    {keys_valid_q, keys_first_q, keys_channel_q} <= {rst_ni && scaled, scaled_first, scaled_channel};
    {columns_valid_q, columns_first_q, columns_channel_q} <= {rst_ni && keys_valid_q, keys_first_q, keys_channel_q};
    for (c = 0; c < 8; c = c + 1) begin
      columns_q[32*c+:32] <= keys_q[32*c+:32] > keys_q[32*(c+8)+:32] ? keys_q[32*c+:32] : keys_q[32*(c+8)+:32];
      if (columns_valid_q && (columns_first_q || columns_q[32*c+:32] > maxima[32*c+:32]))
        maxima_q[columns_channel_q][32*c+:32] <= columns_q[32*c+:32];
    end
  end
  assign score_valid_o = scaled;
  assign score_channel_o = scaled_channel;
  assign score_o = t;

  // ---- weights, for even and odd channels; what they make waits for the bus
  wire [1:0] weights_valid, weights_ready, queue_valid, queue_ready;
  wire [2*(BITS-1)-1:0] weights_channel;
  wire [2*512-1:0] weights_word, queue_word;
  wire [2*(BITS-1)-1:0] queue_channel;
  wire [2*57*8-1:0] l;
  reg [2:0] room_q[0:1];
  genvar e;
  generate
    for (e = 0; e < 2; e = e + 1) begin : g_engine
      wire [BITS-1:0] channel_e = {tile_channel_i[e*(BITS-1)+:BITS-1], e[0]};
      reg [255:0] tile_keys_q;  // of the tile that begins next
      always @(posedge clk_i) tile_keys_q <= maxima_q[channel_e];
      weight_engine #(
          .CHANNELS(CHANNELS / 2)
      ) weight_engine (
          .clk_i(clk_i),
          .rst_ni(rst_ni),
          .valid_i(tile_valid_i[e]),
          .last_i(tile_last_i[e]),
          .clear_i(tile_clear_i[e]),
          .sum_i(tile_sum_i[e]),
          .lanes_i(tile_lanes_i[2*e+:2]),
          .channel_i(tile_channel_i[e*(BITS-1)+:BITS-1]),
          .exists_i(tile_exists_i[16*e+:16]),
          .word_i(tile_word_i[512*e+:512]),
          .keys_i(tile_keys_q),
          .word_valid_o(weights_valid[e]),
          .word_channel_o(weights_channel[e*(BITS-1)+:BITS-1]),
          .word_o(weights_word[512*e+:512]),
          .l_channel_i(word_channel_q[BITS-1:1]),
          .l_o(l[57*8*e+:57*8])
      );
      fifo #(
          .WIDTH(512 + BITS - 1),
          .DEPTH(4)
      ) queue (
          .clk_i(clk_i),
          .rst_ni(rst_ni),
          .valid_i(weights_valid[e]),
          .ready_o(weights_ready[e]),
          .data_i({weights_channel[e*(BITS-1)+:BITS-1], weights_word[512*e+:512]}),
          .valid_o(queue_valid[e]),
          .ready_i(queue_ready[e]),
          .data_o({queue_channel[e*(BITS-1)+:BITS-1], queue_word[512*e+:512]})
      );
      // Words that are promised: a new pair of half words may come if the queue will have room for them.
      always @(posedge clk_i) begin
        if (!rst_ni) room_q[e] <= 3'd4;
        else room_q[e] <= room_q[e] + (queue_valid[e] && queue_ready[e]) - (tile_valid_i[e] && tile_last_i[e]);
      end
      assign tile_room_o[e] = room_q[e] != 3'd0 && weights_ready[e];
    end
  endgenerate

  // ---- the division: the divisors of the channel whose sums come, joined from its columns
  reg [57*8-1:0] l_q, l4, l2, l1;
  reg sum_valid_q, sum_first_q, sum_upper_q, sum_last_q;
  reg [BITS-1:0] sum_channel_q;
  reg [511:0] sum_q;
  reg [255:0] row_keys_q;
  reg [1:0] sum_lanes_q;
  always @* begin
    for (c = 0; c < 8; c = c + 1)
      l4[57*c+:57] = sum_lanes_q == 2'd3 ? l_q[57*c+:57] : l_q[57*c+:57] + l_q[57*(c^4)+:57];
    for (c = 0; c < 8; c = c + 1) l2[57*c+:57] = sum_lanes_q[1] ? l4[57*c+:57] : l4[57*c+:57] + l4[57*(c^2)+:57];
    for (c = 0; c < 8; c = c + 1) l1[57*c+:57] = sum_lanes_q != 2'd0 ? l2[57*c+:57] : l2[57*c+:57] + l2[57*(c^1)+:57];
  end
  wire [255:0] row_keys;
  column_maxima row_maxima (
      .lanes_i(sum_lanes_q),
      .keys_i (row_keys_q),
      .keys_o (row_keys)
  );
  always @(posedge clk_i) begin
    l_q <= word_channel_q[0] ? l[57*8+:57*8] : l[0+:57*8];
    row_keys_q <= maxima_q[word_channel_q];
    sum_valid_q <= rst_ni && word_valid_q && word_sums_q;
    {sum_first_q, sum_upper_q, sum_last_q, sum_lanes_q, sum_channel_q} <=
        {word_first_q, word_upper_q, word_last_q, word_lanes_q, word_channel_q};
    sum_q <= word_q;
  end
  // The joined divisors, one clock behind.
  reg [57*8-1:0] divisor_q;
  reg [7:0] row_nan_q;
  reg divide_q, load_q, upper_q, last_q;
  reg [BITS-1:0] divide_channel_q;
  reg [511:0] divide_word_q;
  always @(posedge clk_i) begin
    divisor_q <= l1;
    for (c = 0; c < 8; c = c + 1) row_nan_q[c] <= row_keys[32*c+:32] >= 32'hff800000;
    divide_q <= rst_ni && sum_valid_q;
    {load_q, upper_q, last_q, divide_channel_q} <= {sum_first_q, sum_upper_q, sum_last_q, sum_channel_q};
    divide_word_q <= sum_q;
  end
  wire [16*LANES-1:0] o;
  genvar q;
  generate
    for (q = 0; q < LANES; q = q + 1) begin : g_quotient
      localparam PLACE = (q % 4) * (SUM + 3);
      quotient quotient (
          .clk_i(clk_i),
          .load_i(divide_q && load_q && upper_q == q / 4),
          .l_i(divisor_q[57*q+:57]),
          .row_nan_i(row_nan_q[q]),
          .sum_i(divide_word_q[PLACE+:SUM]),
          .flags_i(divide_word_q[PLACE+SUM+:3]),
          .o_o(o[16*q+:16])
      );
    end
  endgenerate
  reg [QUOTIENT-1:0] dividing_q;
  wire o_upper, o_last;
  wire [BITS-1:0] o_channel;
  delay_line #(
      .WIDTH (BITS + 2),
      .CLOCKS(QUOTIENT)
  ) division_beside (
      .clk_i (clk_i),
      .data_i({upper_q, last_q, divide_channel_q}),
      .data_o({o_upper, o_last, o_channel})
  );
  always @(posedge clk_i) dividing_q <= rst_ni ? {dividing_q[QUOTIENT-2:0], divide_q} : 0;
  // Eight half rows of o are a word.
  reg [2:0] place_q;
  reg row_valid_q;
  reg [511:0] row_q;
  reg [BITS-1:0] row_channel_q;
  always @(posedge clk_i) begin
    if (!rst_ni) place_q <= 3'd0;
    else if (dividing_q[QUOTIENT-1]) place_q <= o_last ? 3'd0 : place_q + 3'd1;
    row_valid_q <= rst_ni && dividing_q[QUOTIENT-1] && (o_last || &place_q);
    if (dividing_q[QUOTIENT-1]) row_q <= {o_upper ? o[64+:64] : o[0+:64], row_q[511:64]};
    row_channel_q <= o_channel;
  end

  // ---- the bus back: rows of o first, they cannot wait; the engines in turn
  reg even_q;
  assign queue_ready[0] = !row_valid_q && !(queue_valid[1] && even_q);
  assign queue_ready[1] = !row_valid_q && (!queue_valid[0] || even_q);
  reg back_valid_q, back_row_q;
  reg [BITS-1:0] back_channel_q;
  reg [511:0] back_q;
  always @(posedge clk_i) begin
    even_q <= rst_ni && queue_valid[0] && queue_ready[0];
    back_valid_q <= rst_ni && (row_valid_q || queue_valid != 2'd0);
    back_row_q <= row_valid_q;
    back_channel_q <= row_valid_q ? row_channel_q
                    : queue_ready[0] && queue_valid[0] ? {queue_channel[0+:BITS-1], 1'b0} : {queue_channel[BITS-1+:BITS-1], 1'b1};
    back_q <= row_valid_q ? row_q : queue_ready[0] && queue_valid[0] ? queue_word[511:0] : queue_word[1023:512];
  end
  assign back_valid_o = back_valid_q;
  assign back_o_o = back_row_q;
  assign back_channel_o = back_channel_q;
  assign back_o = back_q;
endmodule
`default_nettype wire
