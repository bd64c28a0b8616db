// SPDX-License-Identifier: Apache-2.0
// The maxima of a KV head that is spread over several channels, joined (docs/architecture.md, "A head in
// several channels").
//
// The channel's own maximum of a pair goes up the chain of the head's members: each takes the one from below,
// keeps the larger of the two and hands it above; the last one's is that of the pair and goes back down. A
// maximum of a head that lies in one channel passes in the same clock. Words are maxima of all lanes as
// `running_maximum` gives them (NaN is the largest; one zero). `back_i`: the joined maximum is wanted in the
// running maxima (MODE 1), not for a context.
`default_nettype none
`include "duplex_params.vh"
module maximum_join #(
  parameter WIDTH = 32 * `DUPLEX_LANES
) (
  input wire clk_i,
  input wire rst_ni,
  // This channel's maximum of the oldest pair
  input wire own_valid_i,
  output wire own_ready_o,
  input wire [WIDTH-1:0] own_i,
  input wire back_i,
  input wire below_i,               // there is a member below, and one above
  input wire above_i,
  // From the member below, and what goes to the one above
  input wire up_valid_i,
  output wire up_ready_o,
  input wire [WIDTH-1:0] up_i,
  output wire up_valid_o,
  input wire up_ready_i,
  // From the member above, and what goes to the one below
  input wire down_valid_i,
  output wire down_ready_o,
  input wire [WIDTH-1:0] down_i,
  output wire down_valid_o,
  input wire down_ready_i,
  output wire [WIDTH-1:0] link_o,   // up and down
  // The pair's maximum
  output wire maximum_valid_o,
  input wire maximum_ready_i,
  output wire [WIDTH-1:0] maximum_o,
  output wire back_o                // it goes to the running maxima in this clock
);
  localparam [2:0] IDLE = 3'd0, FROM_BELOW = 3'd1, TO_ABOVE = 3'd2, FROM_ABOVE = 3'd3, TO_BELOW = 3'd4,
      DONE = 3'd5;
  localparam LANES = WIDTH / 32;

  reg [2:0] state_q;
  reg [WIDTH-1:0] maximum_q;
  wire [WIDTH-1:0] larger;
  wire joins = own_valid_i && (below_i || above_i);

  // Keys whose order as unsigned numbers is that of the numbers, as in `running_maximum`.
  genvar l;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      wire [31:0] here = maximum_q[32*l +: 32], there = up_i[32*l +: 32];
      wire [31:0] here_key = here[31] ? ~here : {1'b1, here[30:0]};
      wire [31:0] there_key = there[31] ? ~there : {1'b1, there[30:0]};
      assign larger[32*l +: 32] = there_key > here_key ? there : here;
    end
  endgenerate

  always @(posedge clk_i) begin
    if (!rst_ni) state_q <= IDLE;
    else begin
      case (state_q)
        IDLE: if (joins) state_q <= below_i ? FROM_BELOW : TO_ABOVE;
        FROM_BELOW: if (up_valid_i) state_q <= above_i ? TO_ABOVE : TO_BELOW;
        TO_ABOVE: if (up_ready_i) state_q <= FROM_ABOVE;
        FROM_ABOVE: if (down_valid_i) state_q <= below_i ? TO_BELOW : DONE;
        TO_BELOW: if (down_ready_i) state_q <= DONE;
        default: if (back_i || maximum_ready_i) state_q <= IDLE;
      endcase
    end
    case (state_q)
      IDLE: maximum_q <= own_i;
      FROM_BELOW: if (up_valid_i) maximum_q <= larger;
      FROM_ABOVE: if (down_valid_i) maximum_q <= down_i;
      default: ;
    endcase
  end

  wire done = state_q == DONE;
  wire passes = own_valid_i && !joins;
  assign own_ready_o = done ? back_i || maximum_ready_i : !joins && maximum_ready_i;
  assign up_ready_o = state_q == FROM_BELOW;
  assign up_valid_o = state_q == TO_ABOVE;
  assign down_ready_o = state_q == FROM_ABOVE;
  assign down_valid_o = state_q == TO_BELOW;
  assign link_o = maximum_q;
  assign maximum_valid_o = done ? !back_i : passes;
  assign maximum_o = done ? maximum_q : own_i;
  assign back_o = done && back_i;
endmodule
`default_nettype wire
