// SPDX-License-Identifier: Apache-2.0
// A row of binary32 as binary16 with one exponent, exactly if it can be.
#include <limits.h>

#include "model/weights.h"

enum {
  FRACTION_BITS = 10,
  LEAST_BIT = -24,      // exponent of the last bit of a binary16 number
  LARGEST = 15,         // exponent of the largest one
  ROUNDED_LARGEST = -4  // of the largest weight of a row that cannot be exact
};

// Exponents of the first and the last bit that is set in a row, and the longest number of bits between them.
struct span {
  int highest, lowest, length;
  bool zero;
};

// The highest and the lowest bit of all values, and the longest value, in powers of two.
static struct span span_of(const duplex_f32 *values, size_t count) {
  struct span span = {.highest = INT_MIN, .lowest = INT_MAX, .zero = true};
  for (size_t i = 0; i < count; i++) {
    const uint32_t magnitude = values[i] & 0x7fffffff;
    if (!magnitude) continue;
    const int field = (int)(magnitude >> 23);
    const uint32_t bits = (magnitude & 0x7fffff) | (field ? 0x800000u : 0);
    const int unit = (field ? field : 1) - 150;
    const int high = unit + 31 - __builtin_clz(bits);
    const int low = unit + __builtin_ctz(bits);
    if (high > span.highest) span.highest = high;
    if (low < span.lowest) span.lowest = low;
    if (high - low > span.length) span.length = high - low;
    span.zero = false;
  }
  return span;
}

static int clamp(int exponent) {
  if (exponent > INT8_MAX) return INT8_MAX;
  return exponent < INT8_MIN ? INT8_MIN : exponent;
}

// Exact from highest - LARGEST to lowest - LEAST_BIT, if no weight has more bits than binary16.
static int choose(const struct span *span) {
  if (span->zero) return 0;
  const int most = clamp(span->lowest - LEAST_BIT);
  const bool exact =
      span->length <= FRACTION_BITS && span->highest - most <= LARGEST && most <= span->lowest - LEAST_BIT;
  return exact ? most : clamp(span->highest - ROUNDED_LARGEST);
}

// RN16 of value * 2^-exponent; *rounded grows by one if that is not exact. The value is finite.
static duplex_f16 scale(duplex_f32 value, int exponent, size_t *rounded) {
  const duplex_f16 sign = value >> 16 & 0x8000;
  const int field = (int)(value >> 23 & 255);
  const uint32_t bits = (value & 0x7fffff) | (field ? 0x800000u : 0);
  if (!bits) return sign;
  // The value is bits * 2^unit.
  const int unit = (field ? field : 1) - 150 - exponent;
  const int highest = unit + 31 - __builtin_clz(bits);
  const int least = highest < -14 ? LEAST_BIT : highest - FRACTION_BITS;
  const int shift = least - unit;
  uint32_t kept = 0;
  if (shift <= 0) {
    kept = bits << -shift;
  } else if (shift < 32) {
    const uint32_t rest = bits & ((UINT32_C(1) << shift) - 1);
    const uint32_t half = UINT32_C(1) << (shift - 1);
    kept = bits >> shift;
    kept += rest > half || (rest == half && (kept & 1));
    *rounded += rest != 0;
  } else {
    ++*rounded;
  }
  // The field of the exponent counts from the subnormal ones; a carry out of the fraction raises it.
  return sign | (duplex_f16)(((uint32_t)(least - LEAST_BIT) << FRACTION_BITS) + kept);
}

size_t model_row_convert(const duplex_f32 *from, size_t columns, duplex_f16 *to, int8_t *exponent) {
  const struct span span = span_of(from, columns);
  size_t rounded = 0;
  *exponent = (int8_t)choose(&span);
  for (size_t i = 0; i < columns; i++) to[i] = scale(from[i], *exponent, &rounded);
  return rounded;
}
