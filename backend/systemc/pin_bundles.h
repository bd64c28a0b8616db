// SPDX-License-Identifier: Apache-2.0
// The DRAM pins of a stack as the values of two signals, one in each direction.
#ifndef DUPLEX_SYSTEMC_PIN_BUNDLES_H
#define DUPLEX_SYSTEMC_PIN_BUNDLES_H

#include <cstring>
#include <ostream>
#include <systemc>

#include "backend/rtl/stack_pins.h"

namespace duplex {

// What a signal has to be able to do; a bundle has no place of its own in a waveform of the pins.
template <class Pins>
struct pin_bundle : Pins {
  pin_bundle() : Pins() {}
  bool operator==(const pin_bundle &other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
template <class Pins>
std::ostream &operator<<(std::ostream &stream, const pin_bundle<Pins> &) {
  return stream << "pins of the DRAM";
}
template <class Pins>
void sc_trace(sc_core::sc_trace_file *, const pin_bundle<Pins> &, const std::string &) {}

using dram_inputs = pin_bundle<rtl_dram_inputs>;  // of the stack
using dram_outputs = pin_bundle<rtl_dram_outputs>;

// Words only, so that equal pins are equal bytes.
static_assert(sizeof(rtl_dram_inputs) % 4 == 0 && alignof(rtl_dram_outputs) == 4, "no gaps");

}  // namespace duplex
#endif
