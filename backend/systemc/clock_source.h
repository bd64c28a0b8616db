// SPDX-License-Identifier: Apache-2.0
// The clock of 650 MHz of a pin-level stack: edge n at time_of_clock(n), from the count.
#ifndef DUPLEX_SYSTEMC_CLOCK_SOURCE_H
#define DUPLEX_SYSTEMC_CLOCK_SOURCE_H

#include "duplex/systemc.h"

namespace duplex {

// Clock n lies between the edges n and n + 1; edge 0 is the start of the simulation and cannot be seen.
class clock_source : public sc_core::sc_module {
 public:
  sc_core::sc_signal<bool> clk;

  explicit clock_source(const sc_core::sc_module_name &name);

  // Edges that have passed: the number of the clock that has begun.
  uint64_t edges() const { return edges_; }
  // Comes behind each edge, when all that it has changed can be seen.
  const sc_core::sc_event &passed() const { return passed_; }
  // Returns in this clock, or in a later one if it is past.
  void wait_for(uint64_t clock);

 private:
  static sc_core::sc_time middle(uint64_t clock);
  void toggle();
  void count();

  uint64_t edges_ = 0;
  sc_core::sc_event passed_;
};

}  // namespace duplex
#endif
