// SPDX-License-Identifier: Apache-2.0
// ln x = e ln 2 + 2 atanh z with x = 2^e m, z = (m - 1) / (m + 1) and m in [1/sqrt 2, sqrt 2), in integers.
//
// z is below 0.1716 in magnitude, so that the series' terms fall by more than 2^5 each. Its roundings cost
// less than 2^-55 together, and ln 2 at the largest exponent less than 2^-52.
#include "xpu/logarithm.h"

#include <string.h>

#define FRACTION_BITS 62  // of m, z and the series
#define ONE (INT64_C(1) << FRACTION_BITS)
#define SQRT_2 INT64_C(0x5a827999fcef3242)  // in units of 2^-62, rounded down
#define LN_2 INT64_C(0x2c5c85fdf473de6a)    // in units of 2^-62, rounded down
#define SERIES_TERMS 13                     // 0.1716^27 / 27 is below 2^-73

static int64_t product(int64_t a, int64_t b) { return (int64_t)((__int128)a * b >> FRACTION_BITS); }

// atanh z = z (1 + z^2 / 3 + z^4 / 5 + ...)
static int64_t inverse_hyperbolic_tangent(int64_t z) {
  const int64_t square = product(z, z);
  int64_t sum = 0;
  for (int n = SERIES_TERMS; n > 0; n--) sum = product(square, sum + ONE / (2 * n + 1));
  return z + product(z, sum);
}

int64_t xpu_logarithm(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
  int64_t m = (int64_t)((bits & UINT64_C(0xfffffffffffff)) | UINT64_C(1) << 52) << (FRACTION_BITS - 52);
  if (m >= SQRT_2) {
    m >>= 1;
    exponent++;
  }
  const int64_t z = (int64_t)((__int128)(m - ONE) * ONE / ((__int128)m + ONE));
  const __int128 sum = (__int128)exponent * LN_2 + 2 * (__int128)inverse_hyperbolic_tangent(z);
  const int shift = FRACTION_BITS - XPU_LOGARITHM_FRACTION_BITS;
  return (int64_t)((sum + (INT64_C(1) << (shift - 1))) >> shift);
}
