// SPDX-License-Identifier: Apache-2.0
// e^x = 2^k * e^r with r = x - k ln 2 in [0, ln 2), and a power series for e^r, in integers.
//
// The series' sum comes less than 5 units of 2^-63 too low, or one too high. No binary32 argument has an
// exponential that close to a tie of binary32, which tests/xpu/exponential_all.c tries out, so the sum's
// rounding is that of e^x.
#include "xpu/exponential.h"

#include <math.h>

#include "cmodel/common/f32_fields.h"

#define ONE (UINT64_C(1) << 63)                        // the series counts units of 2^-63
#define SERIES_TERMS 20                                // (ln 2)^21 / 21! is below 2^-76
#define X_FRACTION_BITS XPU_EXPONENTIAL_FRACTION_BITS  // of arguments from 2^-26 on: exact
#define R_FRACTION_BITS 100
#define LOG2_E_FRACTION_BITS 55

#define TINY 0x32800000u            // 2^-26: e^x rounds to 1 below it
#define OVERFLOW_FROM 0x42b20000u   // 89
#define UNDERFLOW_FROM 0x42d00000u  // of -x: 104

static const int64_t log2_e = 0xb8aa3b295c17f0;  // rounded down

// ln 2, rounded down; its error times the largest k is below 2^-92.
static const __int128 ln_2 = (__int128)0xb17217f7d << 64 | 0x1cf79abc9e3b3980;

// e^r for r in units of 2^-63 below ln 2.
static uint64_t series(uint64_t r) {
  uint64_t sum = ONE;
#pragma GCC unroll 20  // divisions by constants are products
  for (unsigned n = SERIES_TERMS; n > 0; n--) sum = ONE + (uint64_t)((unsigned __int128)r * sum >> 63) / n;
  return sum;
}

// e^x = result * 2^(k - 63), x in units of 2^-49.
static uint64_t reduced(int64_t x, int *k) {
  *k = (int)((__int128)x * log2_e >> (X_FRACTION_BITS + LOG2_E_FRACTION_BITS));
  __int128 r = (__int128)x * (INT64_C(1) << (R_FRACTION_BITS - X_FRACTION_BITS)) - *k * ln_2;
  if (r < 0) {
    --*k;
    r += ln_2;
  } else if (r >= ln_2) {
    ++*k;
    r -= ln_2;
  }
  return series((uint64_t)(r >> (R_FRACTION_BITS - 63)));
}

// RN32(e^x) of x in units of 2^-49, not 0.
static duplex_f32 exponential_of(int64_t x) {
  int k;
  // The last bit stands for what is behind it: e^x is no binary fraction.
  const struct duplex_sum sum = {reduced(x, &k) | 1, 0, 0};
  return duplex_round_f32(&sum, k - 63 + DUPLEX_SUM_FRACTION_BITS);
}

double xpu_exponential_units(int64_t x) {
  int k;
  const uint64_t sum = reduced(x, &k);
  return ldexp((double)(sum >> 11), k - 52);
}

duplex_f32 xpu_exponential(duplex_f32 x) {
  const duplex_f32 size = x & 0x7fffffffu;
  if (f32_is_nan(x)) return DUPLEX_F32_NAN;
  if (size < TINY) return 0x3f800000u;
  if (size >= OVERFLOW_FROM && !f32_is_negative(x)) return 0x7f800000u;
  if (size >= UNDERFLOW_FROM) return 0;
  const int64_t units = (int64_t)f32_significand(x) << (f32_exponent(x) - 150 + X_FRACTION_BITS);
  return exponential_of(f32_is_negative(x) ? -units : units);
}
