# SPDX-License-Identifier: Apache-2.0
# Constraints of the stack or of a channel: one clock of 650 MHz with 10% in hand, synchronous reset. The DRAM pins start and end in
# registers or a few gates from them. Times in ns: scale them if your library counts in ps.
create_clock -name clk -period 1.38 [get_ports clk_i]
set_input_delay 0.2 -clock clk [all_inputs]
set_output_delay 0.2 -clock clk [all_outputs]
