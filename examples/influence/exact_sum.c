// SPDX-License-Identifier: Apache-2.0
// Exact sums in integers: 30 digits reach from 2^-448, below the least product, beyond 2^384 times any count.
#include "exact_sum.h"

#include <stdbool.h>

#define UNIT (-448)
#define MASK 0xffffffffu

// |value| = integer * 2^exponent.
struct parts {
  uint64_t integer;
  int exponent;
};

static struct parts parts_of(duplex_f32 value) {
  const unsigned field = value >> 23 & 0xff;
  const uint64_t fraction = value & 0x7fffff;
  return field ? (struct parts){fraction | 0x800000, (int)field - 150} : (struct parts){fraction, -149};
}

// Adds sign * part * 2^(32 * place), part below 2^63.
static void add_part(struct exact_sum *sum, unsigned place, uint64_t part, int sign) {
  sum->digit[place] += sign * (int64_t)(part & MASK);
  sum->digit[place + 1] += sign * (int64_t)(part >> 32);
}

static void add_product(struct exact_sum *sum, duplex_f32 a, duplex_f32 b, int exponent) {
  const struct parts left = parts_of(a);
  const struct parts right = parts_of(b);
  const uint64_t product = left.integer * right.integer;
  const unsigned shift = (unsigned)(left.exponent + right.exponent + exponent - UNIT);
  const int sign = (a ^ b) >> 31 ? -1 : 1;
  add_part(sum, shift / 32, (product & MASK) << shift % 32, sign);
  add_part(sum, shift / 32 + 1, (product >> 32) << shift % 32, sign);
}

// All digits but the last become 0 to 2^32 - 1; the last one has the sign.
static void carry(struct exact_sum *sum) {
  for (unsigned i = 0; i + 1 < SUM_DIGITS; i++) {
    const int64_t rest = sum->digit[i] & (int64_t)MASK;
    sum->digit[i + 1] += (sum->digit[i] - rest) / ((int64_t)1 << 32);
    sum->digit[i] = rest;
  }
}

void exact_sum_add(struct exact_sum *sum, const duplex_f32 *a, const duplex_f32 *b, size_t count,
                   int exponent) {
  for (size_t i = 0; i < count; i++) add_product(sum, a[i], b[i], exponent);
  carry(sum);
}

// The highest 53 bits of digits that are not negative, the last of them 1 if anything is below: rounding to
// fewer bits is that of the whole. *exponent is theirs.
static double leading_bits(const struct exact_sum *sum, unsigned top, int *exponent) {
  const uint64_t first = (uint64_t)sum->digit[top] << 32 | (uint64_t)sum->digit[top - 1];
  const unsigned zeros = (unsigned)__builtin_clzll(first);
  const uint64_t next = (uint64_t)sum->digit[top - 2] << zeros;
  const uint64_t leading = first << zeros | next >> 32;
  bool below = (next & MASK) || (leading & 0x7ff);
  for (unsigned i = 0; i + 2 < top; i++) below = below || sum->digit[i];
  *exponent = UNIT + 32 * ((int)top - 1) - (int)zeros + 11;
  return (double)(leading >> 11 | below);
}

duplex_f32 exact_sum_round(const struct exact_sum *sum) {
  struct exact_sum size = *sum;
  const bool negative = size.digit[SUM_DIGITS - 1] < 0;
  for (unsigned i = 0; negative && i < SUM_DIGITS; i++) size.digit[i] = -size.digit[i];
  carry(&size);
  unsigned top = SUM_DIGITS - 1;
  while (top > 2 && size.digit[top] == 0) top--;
  if (size.digit[top] == 0 && size.digit[top - 1] == 0) return 0;  // units below 2^-384 round to 0 as well
  int exponent;
  const double leading = leading_bits(&size, top, &exponent);
  return duplex_f32_from_scaled(negative ? -leading : leading, exponent);
}
