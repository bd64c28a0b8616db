// SPDX-License-Identifier: Apache-2.0
// Operations of binary32, rounded once, by MPFR, for tests.
#ifndef DUPLEX_TEST_ORACLE_BINARY32_H
#define DUPLEX_TEST_ORACLE_BINARY32_H

#include <math.h>
#include <mpfr.h>

#include "tests/numerics/f32_bits.h"

// Once in each thread: the exponents of binary32.
static inline void oracle_binary32_begin(void) {
  mpfr_set_emin(-148);
  mpfr_set_emax(128);
}

static inline uint32_t oracle_exponential(uint32_t x) {
  if (isnan(float_of(x))) return 0x7fc00000u;
  mpfr_t value;
  mpfr_init2(value, 24);
  mpfr_set_flt(value, float_of(x), MPFR_RNDN);
  const int direction = mpfr_exp(value, value, MPFR_RNDN);
  mpfr_subnormalize(value, direction, MPFR_RNDN);
  const uint32_t bits = bits_of(mpfr_get_flt(value, MPFR_RNDN));
  mpfr_clear(value);
  return bits;
}

// One operation of binary32, rounded once, by MPFR.
typedef int oracle_operation(mpfr_t result, const mpfr_t a, const mpfr_t b, mpfr_rnd_t direction);

static inline float oracle_apply(oracle_operation *operate, float a, float b) {
  mpfr_t x, y;
  mpfr_inits2(24, x, y, (mpfr_ptr)0);
  mpfr_set_flt(x, a, MPFR_RNDN);
  mpfr_set_flt(y, b, MPFR_RNDN);
  const int direction = operate(x, x, y, MPFR_RNDN);
  mpfr_subnormalize(x, direction, MPFR_RNDN);
  const float result = mpfr_get_flt(x, MPFR_RNDN);
  mpfr_clears(x, y, (mpfr_ptr)0);
  return result;
}

// RN16 of a binary32 number, as bits; the canonical NaN for NaN.
static inline uint16_t oracle_binary16(float x) {
  if (isnan(x)) return 0x7e00;
  mpfr_t value;
  mpfr_init2(value, 11);
  mpfr_set_emin(-23);
  mpfr_set_emax(16);
  const int direction = mpfr_set_flt(value, x, MPFR_RNDN);
  mpfr_subnormalize(value, mpfr_check_range(value, direction, MPFR_RNDN), MPFR_RNDN);
  const double result = fabs(mpfr_get_d(value, MPFR_RNDN));
  mpfr_clear(value);
  oracle_binary32_begin();
  uint16_t bits = 0x7c00;
  if (result < 0x1p-14)
    bits = (uint16_t)(result * 0x1p24);
  else if (isfinite(result)) {
    const int exponent = ilogb(result);
    bits = (uint16_t)((exponent + 14) * 1024 + (int)ldexp(result, 10 - exponent));
  }
  return (uint16_t)(bits | (signbit(x) ? 0x8000 : 0));
}

#endif
