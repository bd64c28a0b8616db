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
  static const uint64_t last = clock_at(sc_core::sc_max_time());
  if (n > last) return sc_core::sc_max_time();
  return sc_core::sc_time::from_value(picoseconds_of_clock(n) * one.value());
}

// The last n whose time, rounded, is not later: (20000 n + 6) / 13 <= ps in whole numbers.
uint64_t clock_at(const sc_core::sc_time &time) {
  const uint64_t ps = picoseconds(time);
  return ps / CLOCK_PS * CLOCKS + (ps % CLOCK_PS * CLOCKS + CLOCKS / 2) / CLOCK_PS;
}

uint64_t clock_from(const sc_core::sc_time &time) {
  const uint64_t n = clock_at(time);
  return time_of_clock(n) < time ? n + 1 : n;
}

}  // namespace duplex
