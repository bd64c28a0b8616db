// SPDX-License-Identifier: Apache-2.0
// Binary32 numbers for the benches of rtl/softmax.
#ifndef DUPLEX_SOFTMAX_STIMULUS_H
#define DUPLEX_SOFTMAX_STIMULUS_H

#include "duplex/softmax.h"
#include "testbench/common/bench.h"

namespace softmax {

// Any pattern; zeros, subnormals, infinities and NaN often.
inline duplex_f32 draw_f32(bench::Case &c) {
  const duplex_f32 bits = (duplex_f32)c.bits();
  const duplex_f32 sign = bits & 0x80000000u;
  switch (c.below(16)) {
    case 0:
      return sign;
    case 1:
      return sign | (bits & 0x7fffffu) >> c.below(23);
    case 2:
      return sign | 0x7f800000u;
    case 3:
      return 0x7f800000u | bits;
    case 4:
      return sign | 0x3f800000u + (duplex_f32)c.below(32) * 0x800000u;
    default:
      return bits;
  }
}

// A finite score of a size that softmax meets: up to 2^12, mostly small.
inline duplex_f32 draw_score(bench::Case &c) {
  const duplex_f32 exponent = 127 - 16 + (duplex_f32)c.below(28);
  return (duplex_f32)c.below(2) << 31 | exponent << 23 | (duplex_f32)c.below(1u << 23);
}

}  // namespace softmax
#endif
