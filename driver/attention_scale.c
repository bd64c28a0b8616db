// SPDX-License-Identifier: Apache-2.0
// The constant c of attention, correctly rounded, in integers only.
#include <math.h>
#include <string.h>

#include "duplex/kv_cache.h"

typedef unsigned __int128 wide;

// log2 e = 1.4426950408889634... in units of 2^-63, rounded down
#define LOG2_E UINT64_C(0xb8aa3b295c17f0bb)
#define LOG2_E_BEHIND UINT64_C(0xbe87fed0691d3e88)  // the 64 bits behind them

// floor(sqrt(value)) of a value below 2^128.
static wide square_root(wide value) {
  wide root = 0;
  for (int bit = 63; bit >= 0; bit--) {
    const wide more = root | (wide)1 << bit;
    if (more <= value / more) root = more;
  }
  return root;
}

// 1 / sqrt(n), n from 2, to nearest: 53 bits of significand, value = significand * 2^*exponent.
static uint64_t inverse_root(unsigned n, int *exponent) {
  const wide root = square_root(((wide)1 << 126) / n);  // 2^63 / sqrt(n)
  int drop = 0;
  while (root >> drop >> 53) drop++;
  const wide half = (wide)1 << (drop - 1);
  const wide below = root & (((wide)1 << drop) - 1);
  const bool exact = root * root * n == (wide)1 << 126;
  const uint64_t kept = (uint64_t)(root >> drop);
  *exponent = drop - 63;
  return kept + (below > half || (below == half && (!exact || (kept & 1))));
}

// RN32(significand * 2^exponent * log2 e): the product's 117 bits, and a last one for what is behind them.
static duplex_f32 times_log2_e(uint64_t significand, int exponent) {
  const wide behind = (wide)significand * LOG2_E_BEHIND;
  const wide product = (wide)significand * LOG2_E + (behind >> 64);
  const struct duplex_sum sum = {(uint64_t)product | 1, (int64_t)(uint64_t)(product >> 64), 0};
  return duplex_round_f32(&sum, exponent - 63 + DUPLEX_SUM_FRACTION_BITS);
}

duplex_f32 duplex_attention_scale(double scale, unsigned head_size) {
  int exponent;
  if (!(scale >= 0) || isinf(scale) || (scale == 0 && head_size < 2)) return DUPLEX_F32_NAN;
  if (scale == 0) {
    const uint64_t significand = inverse_root(head_size, &exponent);
    return times_log2_e(significand, exponent);
  }
  uint64_t bits;
  memcpy(&bits, &scale, sizeof bits);
  exponent = (int)(bits >> 52 & 2047);
  const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
  return times_log2_e(exponent ? fraction | UINT64_C(1) << 52 : fraction, (exponent ? exponent : 1) - 1075);
}
