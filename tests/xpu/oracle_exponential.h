// SPDX-License-Identifier: Apache-2.0
// RN32(e^x) by MPFR, for tests.
#ifndef DUPLEX_TEST_ORACLE_EXPONENTIAL_H
#define DUPLEX_TEST_ORACLE_EXPONENTIAL_H

#include <math.h>
#include <mpfr.h>

#include "tests/numerics/f32_bits.h"

// Once in each thread: the exponents of binary32.
static inline void oracle_exponential_begin(void) {
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

#endif
