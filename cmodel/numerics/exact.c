// SPDX-License-Identifier: Apache-2.0
// Exact sums: addition, and their 16 bytes.
#include <string.h>

#include "duplex/numerics.h"

// A finite binary16 number is integer * 2^-24.
static int64_t f16_units(duplex_f16 value) {
  const int exponent = value >> 10 & 31;
  const int64_t fraction = value & 0x3ff;
  const int64_t magnitude = exponent ? (fraction | 0x400) << (exponent - 1) : fraction;
  return value & 0x8000 ? -magnitude : magnitude;
}

static bool f16_special(duplex_f16 value) { return (value & 0x7c00) == 0x7c00; }

// The flags of a product in which one factor or both are Inf or NaN: Inf times 0 is NaN.
static uint32_t special_product_flags(duplex_f16 a, duplex_f16 b) {
  const unsigned magnitude_a = a & 0x7fff;
  const unsigned magnitude_b = b & 0x7fff;
  if (magnitude_a > 0x7c00 || magnitude_b > 0x7c00 || magnitude_a == 0 || magnitude_b == 0)
    return DUPLEX_SUM_NAN;
  return (a ^ b) & 0x8000 ? DUPLEX_SUM_NEG_INF : DUPLEX_SUM_POS_INF;
}

// Adds high * 2^64 + low, with the carry from the low word.
static void add_parts(struct duplex_sum *sum, uint64_t low, int64_t high) {
  const uint64_t old = sum->low;
  sum->low += low;
  sum->high = (int64_t)((uint64_t)sum->high + (uint64_t)high + (sum->low < old));
}

void duplex_sum_add_product(struct duplex_sum *sum, duplex_f16 a, duplex_f16 b) {
  if (f16_special(a) || f16_special(b)) {
    sum->flags |= special_product_flags(a, b);
    return;
  }
  const __int128 product = (__int128)f16_units(a) * f16_units(b);
  add_parts(sum, (uint64_t)product, (int64_t)(product >> 64));
}

void duplex_sum_add_weighted(struct duplex_sum *sum, duplex_p16 p, duplex_f16 v) {
  if (f16_special(v)) {
    sum->flags |= special_product_flags(p != 0, v);
    return;
  }
  const __int128 product = (__int128)duplex_p16_units(p) * f16_units(v);
  add_parts(sum, (uint64_t)product, (int64_t)(product >> 64));
}

void duplex_sum_add(struct duplex_sum *sum, const struct duplex_sum *other) {
  add_parts(sum, other->low, other->high);
  sum->flags |= other->flags;
}

void duplex_sum_add_double(struct duplex_sum *sum, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  const int exponent = (int)(bits >> 52 & 2047);
  if (exponent == 0) return;  // zero: the smallest other value is 2^-48
  const __int128 significand = (__int128)((bits & 0xfffffffffffffu) | UINT64_C(1) << 52);
  const int shift = exponent - 1075 + DUPLEX_SUM_FRACTION_BITS;
  __int128 units = shift >= 0 ? significand << shift : significand >> -shift;
  if (bits >> 63) units = -units;
  add_parts(sum, (uint64_t)units, (int64_t)(units >> 64));
}
