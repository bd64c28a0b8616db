// SPDX-License-Identifier: Apache-2.0
// Operands of the GEMM benches: binary16 numbers and weights of softmax by class.
#ifndef DUPLEX_GEMM_STIMULUS_H
#define DUPLEX_GEMM_STIMULUS_H

#include "duplex/numerics.h"
#include "testbench/common/bench.h"

namespace gemm_stimulus {

enum Kind { any_bits, moderate, subnormal, extreme, zeros, specials, kinds };

inline uint16_t value(bench::Case &c, int kind) {
  const uint16_t bits = (uint16_t)c.bits();
  switch (kind) {
    case any_bits:
      return bits;
    case moderate:
      return (uint16_t)((bits & 0x83ff) | (10 + c.below(8)) << 10);
    case subnormal:
      return bits & 0x83ff;
    case extreme:  // largest and smallest numbers, so that sums cancel over the whole width
      if (c.chance(50)) return (uint16_t)((bits & 0x8000) | 0x7bff);
      return (uint16_t)((bits & 0x8000) | (c.chance(50) ? 1 : 0x3ff));
    case zeros:  // of both signs
      return (uint16_t)(c.chance(80) ? bits & 0x8000 : bits & 0xbfff);
    default:  // Inf, NaN and zeros among numbers
      if (c.chance(97)) return bits & 0xbfff;
      if (c.chance(50)) return (uint16_t)((bits & 0x8000) | 0x7c00);
      return (uint16_t)(c.chance(50) ? bits & 0x8000 : bits | 0x7c00);
  }
}

inline uint16_t weight(bench::Case &c, int kind) {
  const uint16_t bits = (uint16_t)c.below(DUPLEX_P16_MOST + 1);
  switch (kind) {
    case subnormal:
      return bits & 0x7ff;
    case extreme:
      if (c.chance(50)) return (uint16_t)(DUPLEX_P16_MOST - c.below(2));
      return c.chance(50) ? 1 : 0x7ff;
    case zeros:
      return c.chance(80) ? 0 : bits;
    default:
      return bits;
  }
}

// Fills x and w; one time in four the second half cancels the first, but for one unit of the last place or
// nothing.
inline void pair(bench::Case &c, uint16_t *x, uint16_t *w, int count) {
  const int x_kind = (int)c.below(kinds);
  const int w_kind = c.chance(60) ? x_kind : (int)c.below(kinds);
  for (int i = 0; i < count; i++) {
    x[i] = value(c, x_kind);
    w[i] = value(c, w_kind);
  }
  if (!c.chance(25)) return;
  for (int i = 0; i < count / 2; i++) {
    x[count / 2 + i] = x[i] ^ 0x8000;
    w[count / 2 + i] = w[i];
  }
  if (c.chance(50)) w[c.below((uint64_t)count)] ^= 1;
}

}  // namespace gemm_stimulus
#endif
