// SPDX-License-Identifier: Apache-2.0
// Sign and magnitude of an exact sum, and its leading one: what rounding and division begin with
// (rtl/gemm/normalise.v).
#ifndef DUPLEX_CMODEL_NORMALISE_H
#define DUPLEX_CMODEL_NORMALISE_H

#include "duplex/numerics.h"

struct magnitude {
  bool negative;
  unsigned __int128 value;
};

// Sign and magnitude of a sum without flags; 0 is not negative.
static inline struct magnitude stage_magnitude(const struct duplex_sum *sum) {
  const unsigned __int128 bits = (unsigned __int128)(uint64_t)sum->high << 64 | sum->low;
  const bool negative = sum->high < 0;
  return (struct magnitude){negative, negative ? -bits : bits};
}

// Position of the highest one; the value must not be 0.
static inline int top_bit(unsigned __int128 value) {
  const uint64_t high = (uint64_t)(value >> 64);
  return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)value);
}

#endif
