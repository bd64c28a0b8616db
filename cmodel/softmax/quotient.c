// SPDX-License-Identifier: Apache-2.0
// Stages, as in rtl/softmax/quotient.v: magnitude, normalise, divide, round and pack (which is that of
// duplex_round_f16).
#include "cmodel/gemm/normalise.h"
#include "duplex/softmax.h"

#define TOP (DUPLEX_SUM_BITS - 1)  // place of the leading one of a normalised magnitude
#define L_FRACTION_BITS 24         // l counts units of 2^-24

typedef unsigned __int128 wide;

duplex_f16 duplex_quotient(const struct duplex_sum *sum, uint64_t l, bool row_nan) {
  if (row_nan || l == 0) return DUPLEX_F16_NAN;
  const struct magnitude magnitude = stage_magnitude(sum);
  if (sum->flags || magnitude.value == 0) return duplex_round_f16(sum, 0);
  const int left = TOP - top_bit(magnitude.value);
  const wide dividend = magnitude.value << left;
  // 40 bits of quotient and more; one below them says that the division left a rest.
  const wide quotient = (dividend / l) << 1 | (dividend % l != 0);
  const wide value = magnitude.negative ? -quotient : quotient;
  const struct duplex_sum result = {(uint64_t)value, (int64_t)(uint64_t)(value >> 64), 0};
  return duplex_round_f16(&result, L_FRACTION_BITS - 1 - left);
}
