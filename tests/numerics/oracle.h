// SPDX-License-Identifier: Apache-2.0
// Exact sums and rounding by GMP, for tests: shares nothing with the C model. A value is an integer of units
// of 2^-48.
#ifndef DUPLEX_TEST_ORACLE_H
#define DUPLEX_TEST_ORACLE_H

#include <gmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "duplex/numerics.h"
#include "duplex/random.h"

struct oracle_sum {
  mpz_t units;
  bool nan, plus_infinity, minus_infinity;
};

static inline void oracle_clear(struct oracle_sum *sum) {
  mpz_set_ui(sum->units, 0);
  sum->nan = sum->plus_infinity = sum->minus_infinity = false;
}

// The value of a finite binary16 in units of 2^-24, by division of its fields.
static inline long oracle_units(uint16_t bits) {
  const long fraction = bits % 1024;
  const long exponent = bits / 1024 % 32;
  long value = exponent == 0 ? fraction : fraction + 1024;
  for (long i = 1; i < exponent; i++) value *= 2;
  return bits >= 32768 ? -value : value;
}

// The same of a weight of softmax.
static inline long oracle_weight_units(uint16_t bits) {
  const long fraction = bits % 2048;
  const long exponent = bits / 2048;
  return exponent == 0 ? fraction : (fraction + 2048) << (exponent - 1);
}

// A product of two numbers in units of 2^-24.
static inline void oracle_add_units(struct oracle_sum *sum, long a, long b) {
  mpz_t product;
  mpz_init_set_si(product, a);
  mpz_mul_si(product, product, b);
  mpz_add(sum->units, sum->units, product);
  mpz_clear(product);
}

static inline void oracle_add_weighted(struct oracle_sum *sum, uint16_t p, uint16_t v) {
  const unsigned size = v % 32768u;
  const unsigned infinity = 31744;
  if (size < infinity) {
    oracle_add_units(sum, oracle_weight_units(p), oracle_units(v));
  } else if (size > infinity || p == 0) {
    sum->nan = true;
  } else if (v >= 32768) {
    sum->minus_infinity = true;
  } else {
    sum->plus_infinity = true;
  }
}

static inline void oracle_add(struct oracle_sum *sum, uint16_t a, uint16_t b) {
  const unsigned size_a = a % 32768u;
  const unsigned size_b = b % 32768u;
  const unsigned infinity = 31744;
  if (size_a < infinity && size_b < infinity) {
    oracle_add_units(sum, oracle_units(a), oracle_units(b));
  } else if (size_a > infinity || size_b > infinity || size_a == 0 || size_b == 0) {
    sum->nan = true;
  } else if ((a >= 32768) != (b >= 32768)) {
    sum->minus_infinity = true;
  } else {
    sum->plus_infinity = true;
  }
}

// RN(2^exponent * sum) for a format of `precision` significand bits and `exponent_bits`, as bits. Rounding
// compares twice the exact value with the two neighbours on the format's grid.
static inline uint32_t oracle_round(const struct oracle_sum *sum, int exponent, int precision,
                                    int exponent_bits) {
  const uint32_t infinity = ((1u << exponent_bits) - 1) << (precision - 1);
  const uint32_t sign = 1u << (precision - 1 + exponent_bits);
  if (sum->nan || (sum->plus_infinity && sum->minus_infinity)) return infinity | 1u << (precision - 2);
  if (sum->plus_infinity || sum->minus_infinity) return sum->minus_infinity ? sign | infinity : infinity;
  if (mpz_sgn(sum->units) == 0) return 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int smallest = 1 - bias - (precision - 1);
  mpz_t value, below, twice, middle;
  mpz_inits(value, below, twice, middle, NULL);
  mpz_abs(value, sum->units);
  const int lsb = exponent - 48;  // the value is `value` * 2^lsb
  int grid = lsb + (int)mpz_sizeinbase(value, 2) - precision;
  if (grid < smallest) grid = smallest;
  if (grid > lsb) {
    mpz_fdiv_q_2exp(below, value, (unsigned)(grid - lsb));
    mpz_mul_2exp(middle, below, (unsigned)(grid - lsb + 1));
    mpz_t step;
    mpz_init_set_ui(step, 1);
    mpz_mul_2exp(step, step, (unsigned)(grid - lsb));
    mpz_add(middle, middle, step);
    mpz_clear(step);
    mpz_mul_ui(twice, value, 2);
    const int order = mpz_cmp(twice, middle);
    if (order > 0 || (order == 0 && mpz_odd_p(below))) mpz_add_ui(below, below, 1);
  } else {
    mpz_mul_2exp(below, value, (unsigned)(lsb - grid));
  }
  // below * 2^grid; a carry to one bit more is the next binade's first number.
  if (mpz_sizeinbase(below, 2) > (size_t)precision) {
    mpz_fdiv_q_2exp(below, below, 1);
    grid++;
  }
  const long top_exponent = grid + precision - 1;
  uint32_t bits = (uint32_t)mpz_get_ui(below);
  if (mpz_sizeinbase(below, 2) == (size_t)precision) {
    bits = top_exponent > bias
               ? infinity
               : (bits - (1u << (precision - 1))) | (uint32_t)(top_exponent + bias) << (precision - 1);
  }
  mpz_clears(value, below, twice, middle, NULL);
  return mpz_sgn(sum->units) < 0 ? bits | sign : bits;
}

// True if the model's sum is the oracle's on every bit.
static inline bool oracle_equal(const struct oracle_sum *sum, const struct duplex_sum *model) {
  mpz_t value, low;
  mpz_init_set_si(value, (long)model->high);
  mpz_init_set_ui(low, (unsigned long)model->low);
  mpz_mul_2exp(value, value, 64);
  mpz_add(value, value, low);
  const uint32_t flags =
      (sum->nan ? 1u : 0u) | (sum->plus_infinity ? 2u : 0u) | (sum->minus_infinity ? 4u : 0u);
  const bool equal = mpz_cmp(value, sum->units) == 0 && flags == model->flags;
  mpz_clears(value, low, NULL);
  return equal;
}

// Classes of binary16 operands.
enum operand_class { ANY_BITS, MODERATE, SUBNORMAL, EXTREME, ZEROS, SPECIAL, OPERAND_CLASSES };

static inline uint16_t draw_operand(struct duplex_random *random, enum operand_class class) {
  const uint16_t bits = (uint16_t)duplex_random_u64(random);
  switch (class) {
    case MODERATE:
      return (uint16_t)((bits & 0x83ff) | (12 + duplex_random_below(random, 6)) << 10);
    case SUBNORMAL:
      return bits & 0x83ff;
    case EXTREME:
      return (uint16_t)((bits & 0x8000) | (bits & 1 ? 0x7bff : bits & 2 ? 0x0001 : 0x0400));
    case ZEROS:
      return bits & 0x8000;
    case SPECIAL:
      return (uint16_t)((bits & 0x8000) | 0x7c00 | (bits & 7 ? 0 : 1));
    default:
      return bits;
  }
}

static inline uint16_t draw_weight(struct duplex_random *random, enum operand_class class) {
  const uint16_t bits = (uint16_t)duplex_random_below(random, DUPLEX_P16_MOST + 1);
  switch (class) {
    case MODERATE:
      return (uint16_t)(DUPLEX_P16_MOST - bits % 0x3000);
    case SUBNORMAL:
      return bits % 2048;
    case EXTREME:
      return bits & 1 ? DUPLEX_P16_MOST : bits & 2 ? 1 : 2048;
    case ZEROS:
      return 0;
    default:
      return bits;
  }
}

#endif
