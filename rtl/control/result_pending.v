// SPDX-License-Identifier: Apache-2.0
// What a job has still to write into the shared buffer: 16-byte units from `low_q` on to the end of its
// results (of each group of tokens; the first group's addresses stand for both). The next job's broadcast
// waits for words in that range. LOAD: words come in order of address, so the range shrinks word by word.
// So do the words of interleaved results, of which the last group of tokens counts. Of others channels finish
// in any order; the range shrinks by the rows of a channel when it and all channels before it have written
// their last result.
`default_nettype none
module result_pending #(
  parameter CHANNELS = 32
) (
  input wire clk_i,
  input wire rst_ni,
  // Job
  input wire start_i,               // a job begins whose results go to the shared buffer
  input wire stop_i,                // it is complete
  input wire load_i,
  input wire interleaved_i,
  input wire [16:0] address_i,      // of the first result, units
  input wire [16:0] units_i,        // of all results of a group
  input wire [16:0] step_units_i,   // of a channel; interleaved: of a word
  input wire [CHANNELS-1:0] none_i, // at the start: channels without results
  // Result bus
  input wire load_word_i,           // a word of the LOAD was written
  input wire in_turn_i,             // a word of interleaved results
  input wire done_i,                // a channel's last result was written
  input wire [4:0] done_channel_i,
  // Broadcast
  input wire [14:0] word_i,         // a word that is wanted,
  input wire [14:0] first_group_i,  // and the one of the first group in its place
  output wire waits_o               // it is not complete
);
  reg active_q, load_q, interleaved_q;
  reg [17:0] low_q, high_q;
  reg [17:0] step_q;
  reg [CHANNELS-1:0] done_q;  // shifted down as the range shrinks
  reg [4:0] first_q;          // channel of done_q[0]
  localparam [CHANNELS-1:0] ONE = 1;
  wire shift = active_q && !load_q && !interleaved_q && done_q[0];
  wire [4:0] done_place = done_channel_i - first_q;
  wire [CHANNELS-1:0] done = done_q | (done_i ? ONE << done_place : {CHANNELS{1'b0}});
  always @(posedge clk_i) begin
    if (!rst_ni || stop_i) active_q <= 1'b0;
    else if (start_i) active_q <= 1'b1;
    if (start_i) begin
      load_q <= load_i;
      interleaved_q <= interleaved_i;
      low_q <= {1'b0, address_i};
      high_q <= {1'b0, address_i} + {1'b0, units_i};
      step_q <= {1'b0, step_units_i};
      done_q <= none_i;
      first_q <= 5'd0;
    end else begin
      done_q <= shift ? done >> 1 : done;
      if (shift) first_q <= first_q + 5'd1;
      if (shift || (interleaved_q && in_turn_i)) low_q <= low_q + step_q;
      else if (load_q && load_word_i) low_q <= low_q + 18'd4;
    end
  end

  wire [17:0] unit = {1'b0, load_q ? word_i : first_group_i, 2'd0};
  assign waits_o = active_q && unit + 18'd3 >= low_q && unit < high_q;
endmodule
`default_nettype wire
