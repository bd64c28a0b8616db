// SPDX-License-Identifier: Apache-2.0
// Attention by N5 (docs/numerics.md) with GMP integers and rationals, for tests. Shares nothing with the
// model but the table of the exponential as a function of the quantised difference, which tests/softmax
// checks over all of its inputs.
#ifndef DUPLEX_TEST_ORACLE_ATTENTION_H
#define DUPLEX_TEST_ORACLE_ATTENTION_H

#include <math.h>
#include <mpfr.h>
#include <string.h>

#include "duplex/softmax.h"
#include "tests/numerics/f32_bits.h"
#include "tests/numerics/oracle.h"

// RN32(scale * log2 e); scale 0: 1 / sqrt(d), first rounded to binary64.
static inline float oracle_scale(double scale, unsigned d) {
  mpfr_t value, log2_e;
  mpfr_inits2(300, value, log2_e, (mpfr_ptr)0);
  if (scale == 0) {
    mpfr_t root;
    mpfr_init2(root, 53);
    mpfr_set_ui(value, d, MPFR_RNDN);
    mpfr_rec_sqrt(root, value, MPFR_RNDN);
    scale = mpfr_get_d(root, MPFR_RNDN);
    mpfr_clear(root);
  }
  mpfr_set_ui(log2_e, 1, MPFR_RNDN);
  mpfr_exp(log2_e, log2_e, MPFR_RNDN);
  mpfr_log2(log2_e, log2_e, MPFR_RNDN);
  mpfr_set_d(value, scale, MPFR_RNDN);
  mpfr_mul(value, value, log2_e, MPFR_RNDN);
  const float result = mpfr_get_flt(value, MPFR_RNDN);
  mpfr_clears(value, log2_e, (mpfr_ptr)0);
  return result;
}

// floor((m - t) * 2^23), at most 2^29.
static inline uint32_t oracle_difference(float t, float m) {
  mpq_t difference, other;
  mpz_t whole;
  mpq_inits(difference, other, NULL);
  mpz_init(whole);
  mpq_set_d(difference, m);
  mpq_set_d(other, t);
  mpq_sub(difference, difference, other);
  mpq_mul_2exp(difference, difference, 23);
  mpz_fdiv_q(whole, mpq_numref(difference), mpq_denref(difference));
  const uint32_t units = mpz_cmp_ui(whole, 1u << 29) > 0 ? 1u << 29 : (uint32_t)mpz_get_ui(whole);
  mpq_clears(difference, other, NULL);
  mpz_clear(whole);
  return units;
}

// RN16(sum / l), l in units of 2^-24: sum / l in units of 2^-24 is a ratio of integers. Compared with every
// binary16 number by halving the range.
static inline uint16_t oracle_quotient(const struct oracle_sum *sum, const mpz_t l) {
  if (sum->nan || (sum->plus_infinity && sum->minus_infinity)) return 0x7e00;
  if (sum->plus_infinity || sum->minus_infinity) return sum->minus_infinity ? 0xfc00 : 0x7c00;
  if (mpz_sgn(sum->units) == 0) return 0;
  mpz_t size, place;
  mpz_inits(size, place, NULL);
  mpz_abs(size, sum->units);
  uint32_t below = 0;
  uint32_t above = 31744;
  while (above - below > 1) {
    const uint32_t middle = (below + above) / 2;
    mpz_mul_si(place, l, oracle_units((uint16_t)middle));
    *(mpz_cmp(place, size) <= 0 ? &below : &above) = middle;
  }
  mpz_mul_ui(size, size, 2);
  mpz_mul_si(place, l,
             oracle_units((uint16_t)below) + (above == 31744 ? 65536L << 24 : oracle_units((uint16_t)above)));
  const int order = mpz_cmp(size, place);
  const uint32_t bits = order > 0 || (order == 0 && below % 2) ? above : below;
  const bool negative = mpz_sgn(sum->units) < 0;
  mpz_clears(size, place, NULL);
  return (uint16_t)(bits | (negative ? 0x8000 : 0));
}

static inline float oracle_score(const uint16_t *q, const uint16_t *k, unsigned d, float c) {
  struct oracle_sum sum;
  mpz_init(sum.units);
  oracle_clear(&sum);
  for (unsigned i = 0; i < d; i++) oracle_add(&sum, q[i], k[i]);
  const float s = float_of(oracle_round(&sum, 0, 24, 8));
  mpz_clear(sum.units);
  return s * c;
}

// o[d] of one query: k and v[positions][d]. `wide`: weights with a high and a low part; the high part alone
// decides what becomes of infinities and NaN of v.
static inline void oracle_attention_of(const uint16_t *q, const uint16_t *k, const uint16_t *v,
                                       size_t positions, unsigned d, float c, bool wide, uint16_t *o) {
  float *t = malloc(positions * sizeof *t);
  float m = -INFINITY;
  bool nan = false;
  for (size_t i = 0; i < positions; i++) {
    t[i] = oracle_score(q, k + i * d, d, c);
    nan |= isnan(t[i]);
    if (t[i] > m) m = t[i];
  }
  nan |= isinf(m);
  struct oracle_sum sum;
  mpz_t l;
  mpz_inits(sum.units, l, NULL);
  uint16_t *high = calloc(positions, sizeof *high);
  uint16_t *low = calloc(positions, sizeof *low);
  for (size_t i = 0; i < positions && !nan; i++) {
    if (isinf(t[i])) continue;
    const uint32_t difference = oracle_difference(t[i], m);
    high[i] = duplex_exponential_of(difference, wide ? DUPLEX_P32_HIGH : DUPLEX_P16);
    low[i] = wide ? duplex_exponential_of(difference, DUPLEX_P32_LOW) : 0;
    const long units = oracle_weight_units(high[i]) + oracle_weight_units(low[i]);
    mpz_add_ui(l, l, (unsigned long)units);
  }
  for (unsigned column = 0; column < d; column++) {
    oracle_clear(&sum);
    for (size_t i = 0; i < positions && !nan; i++) {
      const uint16_t value = v[i * d + column];
      oracle_add_weighted(&sum, high[i], value);
      if (value % 32768u < 31744) oracle_add_weighted(&sum, low[i], value);
    }
    o[column] = nan ? 0x7e00 : oracle_quotient(&sum, l);
  }
  mpz_clears(sum.units, l, NULL);
  free(t);
  free(high);
  free(low);
}

static inline void oracle_attention(const uint16_t *q, const uint16_t *k, const uint16_t *v, size_t positions,
                                    unsigned d, float c, uint16_t *o) {
  oracle_attention_of(q, k, v, positions, d, c, false, o);
}

#endif
