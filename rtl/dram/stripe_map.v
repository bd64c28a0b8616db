// SPDX-License-Identifier: Apache-2.0
// Logical row set of a stripe set to bundle and row: row = L / n, bundle = the (L mod n)-th of the mask, n
// bundles in the mask (docs/architecture.md, "Memory of a channel"). Latency: 1 clock.
`default_nettype none
`include "duplex_params.vh"
module stripe_map (
  input wire clk_i,
  input wire [15:0] row_set_i,
  input wire [3:0] stripe_i,
  output reg [1:0] bundle_o,
  output reg [13:0] row_o
);
  wire [2:0] count = {2'd0, stripe_i[0]} + {2'd0, stripe_i[1]} + {2'd0, stripe_i[2]} + {2'd0, stripe_i[3]};
  // L / 3: 43691 / 2^17 exceeds 1/3 by less than 2^-18, so that no 16-bit L reaches the next quotient.
  // verilator lint_off UNUSED
  wire [31:0] third = ({16'd0, row_set_i} * 32'd43691) >> 17;
  // verilator lint_on UNUSED
  wire [1:0] rest = row_set_i[1:0] - {third[0], 1'b0} - third[1:0];
  wire [13:0] row = count == 3'd1 ? row_set_i[13:0]
      : count == 3'd2 ? row_set_i[14:1]
      : count == 3'd3 ? third[13:0]
      : row_set_i[15:2];
  wire [1:0] place = count == 3'd1 ? 2'd0
      : count == 3'd2 ? {1'b0, row_set_i[0]}
      : count == 3'd3 ? rest
      : row_set_i[1:0];

  // The place-th one of the mask.
  wire [1:0] bundle0 = stripe_i[0] ? 2'd0 : stripe_i[1] ? 2'd1 : stripe_i[2] ? 2'd2 : 2'd3;
  wire [1:0] bundle1 = &stripe_i[1:0] ? 2'd1 : stripe_i[2] && |stripe_i[1:0] ? 2'd2 : 2'd3;
  wire [1:0] bundle2 = &stripe_i[2:0] ? 2'd2 : 2'd3;
  wire [1:0] bundle = place == 2'd0 ? bundle0 : place == 2'd1 ? bundle1 : place == 2'd2 ? bundle2 : 2'd3;

  always @(posedge clk_i) begin
    bundle_o <= bundle;
    row_o    <= row;
  end
endmodule
`default_nettype wire
