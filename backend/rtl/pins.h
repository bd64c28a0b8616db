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

// A whole port from and to 32-bit words, the least significant first; words beyond the port stay as they are.
template <class Port>
inline void set_words(Port &port, const uint32_t *words) {
  if constexpr (std::is_integral<Port>::value) {
    uint64_t value = words[0];
    if constexpr (sizeof port > 4) value |= uint64_t(words[1]) << 32;
    port = (Port)value;
  } else {
    for (unsigned i = 0; i < sizeof port / 4; i++) port[i] = words[i];
  }
}
template <class Port>
inline void get_words(const Port &port, uint32_t *words) {
  if constexpr (std::is_integral<Port>::value) {
    words[0] = (uint32_t)port;
    if constexpr (sizeof port > 4) words[1] = (uint32_t)(uint64_t(port) >> 32);
  } else {
    for (unsigned i = 0; i < sizeof port / 4; i++) words[i] = port[i];
  }
}

}  // namespace rtl
#endif
