// SPDX-License-Identifier: Apache-2.0
// The clock of 650 MHz of a pin-level stack.
#include "backend/systemc/clock_source.h"

namespace duplex {

clock_source::clock_source(const sc_core::sc_module_name &name) : sc_module(name), clk("clk", true) {
  SC_HAS_PROCESS(clock_source);
  SC_METHOD(toggle);
  SC_METHOD(count);
  dont_initialize();
  sensitive << clk.posedge_event();
}

sc_core::sc_time clock_source::middle(uint64_t clock) {
  return sc_core::sc_time::from_value((time_of_clock(clock).value() + time_of_clock(clock + 1).value()) / 2);
}

// Starts high, as behind an edge, and falls in the middle of each clock.
void clock_source::toggle() {
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  if (now == sc_core::SC_ZERO_TIME) {
    next_trigger(middle(0));
    return;
  }
  const bool rises = !clk.read();
  clk.write(rises);
  next_trigger((rises ? middle(edges_ + 1) : time_of_clock(edges_ + 1)) - now);
}

void clock_source::count() {
  edges_++;
  passed_.notify(sc_core::SC_ZERO_TIME);
}

void clock_source::wait_for(uint64_t clock) {
  while (edges_ < clock) sc_core::wait(passed_);
}

}  // namespace duplex
