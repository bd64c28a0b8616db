// SPDX-License-Identifier: Apache-2.0
// Clocks of 650 MHz and the time of the simulation: always from the count, so that nothing adds up.
#include "duplex/systemc.h"

namespace duplex {
namespace {

// A clock takes CLOCK_PS / CLOCKS ps: 10^6 / 650, in lowest terms.
constexpr uint64_t CLOCK_PS = 20000;
constexpr uint64_t CLOCKS = 13;

uint64_t picoseconds_of_clock(uint64_t n) {
  return n / CLOCKS * CLOCK_PS + (n % CLOCKS * CLOCK_PS + CLOCKS / 2) / CLOCKS;
}

// Of a resolution of 1 ps, or of one that divides it.
uint64_t picoseconds(const sc_core::sc_time &time) {
  static const sc_core::sc_time one(1, sc_core::SC_PS);
  return time.value() / one.value();
}

}  // namespace

sc_core::sc_time time_of_clock(uint64_t n) {
  static const sc_core::sc_time one(1, sc_core::SC_PS);
  return sc_core::sc_time::from_value(picoseconds_of_clock(n) * one.value());
}

uint64_t clock_at(const sc_core::sc_time &time) {
  const uint64_t ps = picoseconds(time);
  uint64_t n = ps / CLOCK_PS * CLOCKS + ps % CLOCK_PS * CLOCKS / CLOCK_PS;  // the right one, or one short
  while (picoseconds_of_clock(n + 1) <= ps) n++;
  while (picoseconds_of_clock(n) > ps) n--;
  return n;
}

uint64_t clock_from(const sc_core::sc_time &time) {
  const uint64_t n = clock_at(time);
  return time_of_clock(n) < time ? n + 1 : n;
}

}  // namespace duplex
