// SPDX-License-Identifier: Apache-2.0
// The Verilated RTL of a stack as a module with its pins, from the library of the back end `rtl`.
//
// Inputs are taken in the middle of a clock, when all that its first edge has changed is there, and count at
// its last edge. Outputs that depend on inputs without a register between them follow in the middle, too.
#ifndef DUPLEX_SYSTEMC_VERILATED_STACK_H
#define DUPLEX_SYSTEMC_VERILATED_STACK_H

#include <memory>

#include "backend/rtl/stack_pins.h"
#include "backend/systemc/axi_lite_pins.h"
#include "backend/systemc/pin_bundles.h"
#include "duplex/systemc.h"

namespace duplex {

class verilated_stack : public sc_core::sc_module, public axi_lite_slave_ports {
 public:
  sc_core::sc_in<bool> clk_i, rst_ni;
  sc_core::sc_out<bool> interrupt_o;
  sc_core::sc_in<dram_inputs> dram_i;
  sc_core::sc_out<dram_outputs> dram_o;

  // `trace_file`: FST of all signals, or "". What went wrong: an elaboration error.
  verilated_stack(const sc_core::sc_module_name &name, const duplex_backend_options &options);
  ~verilated_stack() override;

  // A register as it is behind the last edge. 0, or DUPLEX_ERROR_BUS: there is none.
  int peek(uint32_t address, uint32_t *value) const { return ops_->peek(stack_, address, value); }

 private:
  void start_of_simulation() override;
  void end_of_simulation() override;
  void clock();
  void settle(bool reset_n);
  void show();
  void fail(const std::string &why) const;

  const rtl_stack_ops *ops_ = nullptr;
  rtl_stack *stack_ = nullptr;
  rtl_axi_outputs axi_out_ = {};
  dram_outputs dram_out_;
};

}  // namespace duplex
#endif
