// SPDX-License-Identifier: Apache-2.0
// Slices of a Verilated port, whatever C++ type its width has: a byte to 64 bits, or an array of 32-bit
// words.
#ifndef DUPLEX_PINS_H
#define DUPLEX_PINS_H

#include <cstdint>
#include <type_traits>

namespace rtl {

// Bits lsb to lsb + width - 1, width at most 32.
template <class Port>
inline uint32_t bits(const Port &port, unsigned lsb, unsigned width) {
  const uint64_t mask = (uint64_t(1) << width) - 1;
  if constexpr (std::is_integral<Port>::value) {
    return (uint32_t)((uint64_t(port) >> lsb) & mask);
  } else {
    const unsigned word = lsb / 32;
    const unsigned shift = lsb % 32;
    uint64_t value = port[word];
    if (shift + width > 32) value |= uint64_t(port[word + 1]) << 32;
    return (uint32_t)((value >> shift) & mask);
  }
}

// Puts `value` there; a slice does not cross a 32-bit word.
template <class Port>
inline void set_bits(Port &port, unsigned lsb, unsigned width, uint32_t value) {
  if constexpr (std::is_integral<Port>::value) {
    const uint64_t mask = ((uint64_t(1) << width) - 1) << lsb;
    port = (Port)((uint64_t(port) & ~mask) | uint64_t(value) << lsb);
  } else {
    const uint32_t mask = ((1u << width) - 1) << lsb % 32;
    port[lsb / 32] = (port[lsb / 32] & ~mask) | value << lsb % 32;
  }
}

}  // namespace rtl
#endif
