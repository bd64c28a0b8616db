// SPDX-License-Identifier: Apache-2.0
// The DRAM at the pins of a stack.
#include "backend/systemc/dram_device.h"

namespace duplex {

dram_device::dram_device(const sc_core::sc_module_name &name, const duplex_backend_options &options)
    : sc_module(name), clk_i("clk_i"), rst_ni("rst_ni"), stack_o("stack_o"), stack_i("stack_i") {
  std::string failure;
  if (pins_.open(options, failure)) fail(failure);
  SC_HAS_PROCESS(dram_device);
  SC_METHOD(clock);
  sensitive << clk_i.pos();
}

void dram_device::fail(const std::string &why) const {
  SC_REPORT_ERROR("/duplex/dram", (std::string(name()) + ": " + why).c_str());
}

// Read data of the clock that begins.
void dram_device::drive() {
  pins_.drive(driven_, clock_);
  stack_i.write(driven_);
}

// An edge: the commands of the clock that ends are taken, and the data of the next one put on the pins. At
// the start of the simulation no clock has ended yet.
void dram_device::clock() {
  if (!clk_i.posedge()) return drive();
  if (!rst_ni && !in_reset_) pins_.reset();
  in_reset_ = !rst_ni;
  std::string why;
  const unsigned before = pins_.owner();
  if (!in_reset_ && !failed_ && pins_.sample(stack_o.read(), clock_, why)) {
    failed_ = true;
    fail(why);
  }
  const unsigned taken = pins_.owner() & ~before;
  if (taken && taken_) taken_(taken);
  clock_++;
  drive();
}

// Refreshes that should have come by now.
void dram_device::end_of_simulation() {
  std::string why;
  if (!in_reset_ && !failed_ && pins_.finish(clock_, why)) fail(why);
}

}  // namespace duplex
