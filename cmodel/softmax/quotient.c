// Stages, as in rtl/softmax/quotient.v: magnitude, normalise, divide, round and pack (which is that of duplex_round_f16).
#include "duplex/softmax.h"

#define TOP (DUPLEX_SUM_BITS - 1)  // place of the leading one of a normalised magnitude
#define L_FRACTION_BITS 24         // l counts units of 2^-24

typedef unsigned __int128 wide;

static int top_bit(wide value) {
  const uint64_t high = (uint64_t)(value >> 64);
  return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)value);
}

duplex_f16 duplex_quotient(const struct duplex_sum *sum, uint64_t l, bool row_nan) {
  if (row_nan || l == 0) return DUPLEX_F16_NAN;
  const wide bits = (wide)(uint64_t)sum->high << 64 | sum->low;
  const bool negative = sum->high < 0;
  const wide magnitude = negative ? -bits : bits;
  if (sum->flags || magnitude == 0) return duplex_round_f16(sum, 0);
  const int left = TOP - top_bit(magnitude);
  const wide dividend = magnitude << left;
  // 40 bits of quotient and more; one below them says that the division left a rest.
  const wide quotient = (dividend / l) << 1 | (dividend % l != 0);
  const wide value = negative ? -quotient : quotient;
  const struct duplex_sum result = {(uint64_t)value, (int64_t)(uint64_t)(value >> 64), 0};
  return duplex_round_f16(&result, L_FRACTION_BITS - 1 - left);
}
