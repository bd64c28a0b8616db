// SPDX-License-Identifier: Apache-2.0
// Fields of ports that are wider than 64 bits, as Verilator gives them: 32-bit words, or one word.
#ifndef DUPLEX_WIDE_PORT_H
#define DUPLEX_WIDE_PORT_H

#include <cstdint>

#include "duplex/numerics.h"
#include "duplex/params.h"

namespace wide_port {

using u128 = unsigned __int128;

template <class Words>
void put(Words &words, unsigned at, unsigned bits, u128 value) {
  for (unsigned bit = 0; bit < bits; bit++) {
    const uint32_t mask = 1u << (at + bit) % 32;
    words[(at + bit) / 32] = (words[(at + bit) / 32] & ~mask) | ((value >> bit & 1) ? mask : 0);
  }
}

inline void put(uint32_t &word, unsigned at, unsigned bits, u128 value) {
  put(*(uint32_t(*)[1]) & word, at, bits, value);
}

template <class Words>
u128 get(const Words &words, unsigned at, unsigned bits) {
  u128 value = 0;
  for (unsigned bit = 0; bit < bits; bit++)
    value |= (u128)(words[(at + bit) / 32] >> (at + bit) % 32 & 1) << bit;
  return value;
}

inline u128 get(const uint32_t &word, unsigned at, unsigned bits) { return word >> at & ((1u << bits) - 1); }

// The exact sum of a lane.
template <class Words>
void put_sum(Words &words, unsigned lane, const duplex_sum &sum) {
  put(words, lane * DUPLEX_SUM_BITS, DUPLEX_SUM_BITS, (u128)(uint64_t)sum.high << 64 | sum.low);
}

template <class Words>
duplex_sum get_sum(const Words &words, unsigned lane) {
  const u128 value = get(words, lane * DUPLEX_SUM_BITS, DUPLEX_SUM_BITS);
  constexpr unsigned spare = 128 - DUPLEX_SUM_BITS;
  return {(uint64_t)value, (int64_t)((uint64_t)(value >> 64) << spare) >> spare, 0};
}

}  // namespace wide_port
#endif
