// The sum of one lane's weights: l = sum p in units of 2^-24, exact, docs/numerics.md N5.
//
// clear_i forgets what came before; valid_i says that p_i counts; both may come in one clock. p_i: what `exponential` gives, so never
// Inf or NaN (exponent field 31 is one more than 30). Sums of low parts may be negative, in two's complement. Free-flowing. Latency: 2 clocks.
`default_nettype none
module softmax_sum (
    input  wire        clk_i,
    input  wire        clear_i,
    input  wire        valid_i,
    input  wire [15:0] p_i,
    output wire [56:0] l_o
);
  // Stage 1: the integer.
  wire [4:0] field = p_i[14:10];
  wire hidden = field != 5'd0;
  reg [40:0] units_q;
  reg clear_q, minus_q;
  always @(posedge clk_i) begin
    units_q <= valid_i ? {30'd0, hidden, p_i[9:0]} << (hidden ? field - 5'd1 : 5'd0) : 41'd0;
    clear_q <= clear_i;
    minus_q <= valid_i && p_i[15];
  end

  // Stage 2: the sum.
  reg [56:0] l_q;
  always @(posedge clk_i) l_q <= (clear_q ? 57'd0 : l_q) + ({16'd0, units_q} ^ {57{minus_q}}) + {56'd0, minus_q};
  assign l_o = l_q;
endmodule
`default_nettype wire
