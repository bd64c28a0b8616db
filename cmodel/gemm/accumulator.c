// SPDX-License-Identifier: Apache-2.0
// The accumulator of one row and lane, as rtl/gemm/accumulator.v.
#include "duplex/gemm_units.h"

// The high word is kept modulo 2^49, as a signed number.
static int64_t wrap_high(int64_t value) {
  const unsigned spare = 64 - (DUPLEX_SUM_BITS - DUPLEX_LOW_BITS);
  return (int64_t)((uint64_t)value << spare) >> spare;
}

void duplex_accumulator_add(struct duplex_accumulator *accumulator, unsigned row, bool first,
                            const struct duplex_dot64_stages *dot, struct duplex_accumulator_stages *stages) {
  const uint64_t old_low = first ? 0 : accumulator->low[row];
  const int64_t old_high = first ? 0 : accumulator->high[row];
  const uint32_t old_flags = first ? 0 : accumulator->flags[row];

  // Stage low word.
  const uint64_t low_sum = old_low + dot->low;
  stages->low = low_sum & ((UINT64_C(1) << DUPLEX_LOW_BITS) - 1);
  stages->carry = low_sum >> DUPLEX_LOW_BITS;

  // Stage high word, and the flags.
  stages->high = wrap_high(old_high + dot->high + (int64_t)stages->carry);
  accumulator->low[row] = stages->low;
  accumulator->high[row] = stages->high;
  accumulator->flags[row] = old_flags | dot->flags;

  stages->sum.low = stages->low | (uint64_t)stages->high << DUPLEX_LOW_BITS;
  stages->sum.high = stages->high >> (64 - DUPLEX_LOW_BITS);
  stages->sum.flags = accumulator->flags[row];
}
