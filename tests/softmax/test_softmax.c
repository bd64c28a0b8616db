// SPDX-License-Identifier: Apache-2.0
// Softmax units (C model) against MPFR and GMP: scale, maximum, exponential, sum, quotient (docs/numerics.md,
// N5).
//
// The exponential is tried at every quantised difference; the other units by classes of operands and at
// random: DUPLEX_CASES million (default 1). DUPLEX_SEED repeats a run; a failure prints the operands.
#include <math.h>
#include <mpfr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/random.h"
#include "duplex/softmax.h"
#include "tests/common/environment.h"
#include "tests/numerics/f32_bits.h"
#include "tests/numerics/oracle.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define INF 0x7f800000u
#define MINUS_INF 0xff800000u
#define MINUS_ZERO 0x80000000u
#define ONE 0x3f800000u
#define PARTS 3  // of enum duplex_weight_part

// A share of them is enough where only the tools that watch the program look at it (DUPLEX_SHARE=20: one in
// 20).
static uint64_t cases(void) {
  return environment_count("DUPLEX_CASES") * 1000000 / environment_count("DUPLEX_SHARE");
}

static struct duplex_random seeded(uint64_t stream) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), stream);
  return random;
}

// Edges of the format, both signs of each are tried.
static const uint32_t edges[] = {
    0,          1,          2,          0x007fffff, 0x00800000, 0x00800001, 0x00ffffff, 0x01000000,
    0x1f800000, 0x20000001, 0x2fffffff, 0x37000000, 0x387fffff, 0x3f7fffff, ONE,        0x3f800001,
    0x40490fdb, 0x42280000, 0x427fffff, 0x42800000, 0x4b000000, 0x4b7fffff, 0x5f3504f3, 0x5f800000,
    0x7effffff, 0x7f000000, 0x7f7ffffe, 0x7f7fffff, INF,        0x7f800001, 0x7fc00000, 0x7fffffff};

static uint32_t edge(unsigned i) { return edges[i / 2] | (i % 2 ? MINUS_ZERO : 0); }

// --- score_scale ---

// RN32(s * c) by MPFR with the exponents and the subnormals of binary32.
static uint32_t oracle_product(uint32_t s, uint32_t c) {
  static mpfr_t a, b, product;
  static bool ready;
  if (!ready) mpfr_inits2(24, a, b, product, (mpfr_ptr)0);
  ready = true;
  mpfr_set_flt(a, float_of(s), MPFR_RNDN);
  mpfr_set_flt(b, float_of(c), MPFR_RNDN);
  const mpfr_exp_t smallest = mpfr_get_emin();
  const mpfr_exp_t largest = mpfr_get_emax();
  mpfr_set_emin(-148);
  mpfr_set_emax(128);
  const int direction = mpfr_mul(product, a, b, MPFR_RNDN);
  mpfr_subnormalize(product, direction, MPFR_RNDN);
  mpfr_set_emin(smallest);
  mpfr_set_emax(largest);
  return mpfr_nan_p(product) ? DUPLEX_F32_NAN : bits_of(mpfr_get_flt(product, MPFR_RNDN));
}

static void compare_scale(uint32_t s, uint32_t c) {
  const uint32_t model = duplex_score_scale(s, c);
  const uint32_t want = oracle_product(s, c);
  if (model != want) fail_msg("score_scale(%08x, %08x): %08x, expected %08x", s, c, model, want);
}

static void test_score_scale(void **state) {
  (void)state;
  for (unsigned i = 0; i < 2 * LENGTH(edges); i++) {
    for (unsigned k = 0; k < 2 * LENGTH(edges); k++) compare_scale(edge(i), edge(k));
  }
  struct duplex_random random = seeded(1);
  for (uint64_t i = 0; i < cases(); i++) {
    const uint32_t s = (uint32_t)duplex_random_u64(&random);
    uint32_t c = (uint32_t)duplex_random_u64(&random);
    // Half of the products are near the smallest normal number, or near overflow.
    const int sum = duplex_random_below(&random, 4) ? 127 : 381;
    const int field = sum - (int)(s >> 23 & 255) - 26 + (int)(c >> 8 & 31);
    if (duplex_random_below(&random, 2))
      c = (c & 0x807fffffu) | (uint32_t)(field < 0 ? 0 : field > 254 ? 254 : field) << 23;
    compare_scale(s, c);
  }
  printf("score_scale: %llu random products\n", (unsigned long long)cases());
}

// --- running_maximum ---

static void test_running_maximum(void **state) {
  (void)state;
  for (unsigned i = 0; i < 2 * LENGTH(edges); i++) {
    for (unsigned k = 0; k < 2 * LENGTH(edges); k++) {
      const float m = float_of(edge(i));
      const float t = float_of(edge(k));
      const uint32_t want =
          isnan(m) || isnan(t) ? DUPLEX_F32_NAN : bits_of((m > t ? m : t) + 0.0f);  // -0 + 0 = +0
      assert_int_equal(duplex_running_maximum(edge(i), edge(k)), want);
    }
  }
  struct duplex_random random = seeded(2);
  for (uint64_t i = 0; i < cases(); i++) {
    const uint32_t m = (uint32_t)duplex_random_u64(&random);
    const uint32_t t = duplex_random_below(&random, 2) ? m + (uint32_t)duplex_random_below(&random, 3) - 1
                                                       : (uint32_t)duplex_random_u64(&random);
    const float a = float_of(m);
    const float b = float_of(t);
    const uint32_t want = isnan(a) || isnan(b) ? DUPLEX_F32_NAN : bits_of((a > b ? a : b) + 0.0f);
    if (duplex_running_maximum(m, t) != want)
      fail_msg("running_maximum(%08x, %08x), expected %08x", m, t, want);
  }
  // A row: the order does not matter, and a NaN stays.
  assert_int_equal(duplex_running_maximum(duplex_running_maximum(DUPLEX_MAXIMUM_START, 0x7f812345), INF),
                   DUPLEX_F32_NAN);
  assert_int_equal(duplex_running_maximum(DUPLEX_MAXIMUM_START, MINUS_INF), MINUS_INF);
}

// --- the quantised difference ---

// A finite number in units of 2^-149.
static void set_units(mpz_t units, uint32_t bits) {
  const unsigned field = bits >> 23 & 255;
  mpz_set_ui(units, bits % 0x800000u + (field ? 0x800000u : 0));
  if (field > 1) mpz_mul_2exp(units, units, field - 1);
  if (bits >> 31) mpz_neg(units, units);
}

// floor((m - t) * 2^23), between 0 and 2^29.
static uint32_t oracle_difference(uint32_t t, uint32_t m) {
  static mpz_t difference, score;
  static bool ready;
  if (!ready) mpz_inits(difference, score, NULL);
  ready = true;
  set_units(difference, m);
  set_units(score, t);
  mpz_sub(difference, difference, score);
  if (mpz_sgn(difference) < 0) return 0;
  mpz_mul_2exp(difference, difference, 23);
  mpz_fdiv_q_2exp(difference, difference, 149);
  return mpz_cmp_ui(difference, 1u << 29) > 0 ? 1u << 29 : (uint32_t)mpz_get_ui(difference);
}

static bool is_finite(uint32_t bits) { return (bits & 0x7fffffffu) < INF; }

// What the page says of t and m, with the exponential of a difference, which has its own test.
static uint16_t oracle_weight(uint32_t t, uint32_t m, enum duplex_weight_part part) {
  if (isnan(float_of(t)) || !is_finite(m) || t == MINUS_INF) return 0;
  return duplex_exponential_of(t == INF ? 0 : oracle_difference(t, m), part);
}

// Of differences of 41 and more only that they are.
static uint32_t near(uint32_t d) { return d < 41u << 23 ? d : 41u << 23; }

static void compare_difference(uint32_t t, uint32_t m) {
  if (is_finite(t) && is_finite(m)) {
    const uint32_t model = duplex_softmax_difference(t, m);
    const uint32_t want = oracle_difference(t, m);
    if (near(model) != near(want))
      fail_msg("difference of t %08x and m %08x: %u, expected %u", t, m, model, want);
  }
  for (int i = 0; i < PARTS; i++) {
    const enum duplex_weight_part part = (enum duplex_weight_part)i;
    const uint16_t model = duplex_exponential(t, m, part);
    const uint16_t want = oracle_weight(t, m, part);
    if (model != want)
      fail_msg("exponential(%08x, %08x), part %d: %04x, expected %04x", t, m, i, model, want);
  }
}

static void test_difference(void **state) {
  (void)state;
  for (unsigned i = 0; i < 2 * LENGTH(edges); i++) {
    for (unsigned k = 0; k < 2 * LENGTH(edges); k++) compare_difference(edge(i), edge(k));
  }
  struct duplex_random random = seeded(3);
  for (uint64_t i = 0; i < cases(); i++) {
    uint32_t m = (uint32_t)duplex_random_u64(&random);
    uint32_t t = (uint32_t)duplex_random_u64(&random);
    switch (duplex_random_below(&random, 4)) {
      case 0:  // any two
        break;
      case 1:  // neighbours of any size: 0 to 2^25 steps apart
        t = m + ((m >> 31 ? 1u : -1u) *
                 (uint32_t)duplex_random_below(&random, UINT64_C(1) << duplex_random_below(&random, 26)));
        break;
      case 2:  // m - t is on a coarse grid or one place beside it
        m = bits_of((float)(int)duplex_random_below(&random, 1 << 21) * 0x1p-15f);
        t = bits_of((float)(int)duplex_random_below(&random, 1 << 21) * -0x1p-15f) +
            (uint32_t)duplex_random_below(&random, 3) - 1;
        break;
      default:  // scores of common size
        m = (m & 0x807fffffu) | (110 + (uint32_t)duplex_random_below(&random, 25)) << 23;
        t = (t & 0x807fffffu) | (110 + (uint32_t)duplex_random_below(&random, 25)) << 23;
    }
    compare_difference(t, m);
    compare_difference(m, t);
  }
  printf("difference: %llu random pairs\n", 2 * (unsigned long long)cases());
}

// --- exponential ---

enum { FRACTION_BITS = DUPLEX_DIFFERENCE_FRACTION_BITS, COARSE = 12, WHOLES = 64 };

// 2^-(i * 2^-bits), i below 2^count, with the 64 bits of a long double.
static long double *powers(unsigned bits, unsigned count) {
  long double *list = malloc(sizeof *list << count);
  mpfr_t power;
  mpfr_init2(power, 100);
  for (long i = 0; i < 1L << count; i++) {
    mpfr_set_si_2exp(power, -i, -(long)bits, MPFR_RNDN);
    mpfr_exp2(power, power, MPFR_RNDN);
    list[i] = mpfr_get_ld(power, MPFR_RNDN);
  }
  mpfr_clear(power);
  return list;
}

struct worst {
  double p16, binary16, p32;
  uint32_t p16_at, binary16_at, p32_at;
};

static void keep_worst(double *worst, uint32_t *at, double error, uint32_t d) {
  if (error > *worst) *worst = error, *at = d;
}

// 2^(1 - bits): the distance of neighbours with so many significant bits, for a power of two of 1.
#define NEIGHBOURS_11 0x1p-10
#define NEIGHBOURS_12 0x1p-11

// The distance of neighbours at a value in units of 2^-24: the value's power of two, which its exponent field
// alone holds, times that for 1. Half a thousand million calls, so without the mathematical library.
static double place_of(double value, double neighbours) {
  union {
    double number;
    uint64_t bits;
  } power = {value};
  power.bits &= UINT64_C(0x7ff) << 52;
  const double place = power.number * neighbours;
  return place > 1 ? place : 1;
}

// One difference against its value, 2^(15 - d) in units of 2^-24. p16: the nearest weight but for a hair.
// p32: the high part is the nearest or one below it, the low one less than a place of it (a place where it is
// rounded), and both together within 2^-22 of the power, or where they are rounded to multiples of 2^-24
// within half of that more. Returns weights in units of 2^-24, by part, the low one with the high one.
static void compare_power(uint32_t d, double value, struct worst *worst, int64_t units[PARTS]) {
  const uint16_t nearest = duplex_exponential_of(d, DUPLEX_P16);
  const uint16_t high = duplex_exponential_of(d, DUPLEX_P32_HIGH);
  const uint16_t low = duplex_exponential_of(d, DUPLEX_P32_LOW);
  units[DUPLEX_P16] = oracle_weight_units(nearest);
  units[DUPLEX_P32_HIGH] = oracle_weight_units(high);
  units[DUPLEX_P32_LOW] = units[DUPLEX_P32_HIGH] + oracle_weight_units(low);
  const uint32_t whole = d >> FRACTION_BITS;
  const double error = fabs(value - (double)units[DUPLEX_P16]);
  const double both = fabs(value - (double)units[DUPLEX_P32_LOW]);
  if (!(error / place_of(value, NEIGHBOURS_12) <= 0.501))
    fail_msg("d %u: %04x is %.4f ulp away", d, nearest, error / place_of(value, NEIGHBOURS_12));
  if (!(both <= value * 0x1p-22 + (whole > 16 ? 0.501 : 0)))
    fail_msg("d %u: %04x and %04x are %.3g of it away", d, high, low, both / value);
  if (nearest != high && nearest != high + 1) fail_msg("d %u: high part %04x of %04x", d, high, nearest);
  const double below = (double)oracle_weight_units(low);
  const double place = place_of((double)units[DUPLEX_P32_HIGH] + 0.5, NEIGHBOURS_12);
  if (whole <= 16 ? below >= place : below > place) fail_msg("d %u: low part %04x of %04x", d, low, high);
  keep_worst(&worst->p16, &worst->p16_at, error / place_of(value, NEIGHBOURS_12), d);
  keep_worst(&worst->binary16, &worst->binary16_at, error / place_of(value, NEIGHBOURS_11), d);
  if (whole <= 16) keep_worst(&worst->p32, &worst->p32_at, both / value, d);
}

static void test_exponential(void **state) {
  (void)state;
  long double *coarse = powers(COARSE, COARSE), *fine = powers(FRACTION_BITS, FRACTION_BITS - COARSE);
  struct worst worst = {0};
  int64_t before[WHOLES][PARTS],
      first[WHOLES][PARTS];      // by the whole part of d: at the last and at the first fraction
  double powers_of_two[WHOLES];  // 2^15 / 2^whole in units of 2^-24
  for (int whole = 0; whole < WHOLES; whole++) powers_of_two[whole] = ldexp(1, 39 - whole);
  const uint32_t step = (uint32_t)environment_count("DUPLEX_SHARE");
  for (uint32_t f = 0; f < 1u << FRACTION_BITS; f += step) {
    const double real =
        (double)(coarse[f >> (FRACTION_BITS - COARSE)] * fine[f % (1u << (FRACTION_BITS - COARSE))]);
    for (uint32_t whole = 0; whole < WHOLES; whole++) {
      const uint32_t d = whole << FRACTION_BITS | f;
      int64_t units[PARTS];
      compare_power(d, real * powers_of_two[whole], &worst, units);
      for (int part = 0; part < PARTS; part++) {
        if (f == 0) first[whole][part] = units[part];
        if (f > 0 && units[part] > before[whole][part])
          fail_msg("d %u: part %d above the weight before it", d, part);
        before[whole][part] = units[part];
      }
    }
  }
  for (unsigned whole = 1; whole < WHOLES; whole++)
    for (int part = 0; part < PARTS; part++)
      if (first[whole][part] > before[whole - 1][part])
        fail_msg("d %u.0: part %d above the weight before it", whole, part);
  free(coarse);
  free(fine);
  printf(
      "exponential: %llu differences, falling at each; p16 worst %.4f ulp at d %u, %.4f ulp of binary16 at d "
      "%u; p32 worst "
      "2^%.2f of it at d %u\n",
      ((unsigned long long)WHOLES << FRACTION_BITS) / step, worst.p16, worst.p16_at, worst.binary16,
      worst.binary16_at, log2(worst.p32), worst.p32_at);
  static const uint32_t beyond[] = {DUPLEX_DIFFERENCE_FAR, DUPLEX_DIFFERENCE_FAR + 1, 0x7fffffffu,
                                    0xffffffffu};
  for (int part = 0; part < PARTS; part++) {
    assert_int_equal(duplex_exponential_of(0, (enum duplex_weight_part)part),
                     part == DUPLEX_P32_LOW ? 0 : DUPLEX_P16_MOST);
    for (unsigned i = 0; i < LENGTH(beyond); i++)
      assert_int_equal(duplex_exponential_of(beyond[i], (enum duplex_weight_part)part), 0);
  }
}

// --- softmax_sum ---

static void test_softmax_sum(void **state) {
  (void)state;
  struct duplex_random random = seeded(4);
  mpz_t want;
  mpz_init(want);
  uint64_t l = 0;
  for (uint64_t i = 0; i < cases(); i++) {
    const uint16_t p =
        (uint16_t)(i <= DUPLEX_P16_MOST ? i : duplex_random_below(&random, DUPLEX_P16_MOST + 1));
    l = duplex_softmax_sum(l, p);
    mpz_add_ui(want, want, (unsigned long)oracle_weight_units(p));
    mpz_fdiv_r_2exp(want, want, DUPLEX_SOFTMAX_SUM_BITS);
    if (mpz_cmp_ui(want, l) != 0)
      fail_msg("after weight %llu, %04x: %llx", (unsigned long long)i, p, (unsigned long long)l);
  }
  mpz_clear(want);
  l = 0;
  for (unsigned i = 0; i < 131072; i++) l = duplex_softmax_sum(l, DUPLEX_P16_MOST);
  assert_true(l == UINT64_C(1) << 56);  // the longest row of equal scores
}

// --- quotient ---

static mpz_t numerator, divisor, scaled, rest;

// RN16(|units| * 2^-48 / (l * 2^-24)) by comparison with the middle between neighbours.
static uint16_t oracle_ratio(const mpz_t units, uint64_t l) {
  mpz_abs(numerator, units);
  mpz_set_ui(divisor, l);
  mpz_mul_2exp(divisor, divisor, 24);
  int exponent = -14;
  mpz_mul_2exp(scaled, numerator, 13);
  for (; exponent <= 15 && mpz_cmp(scaled, divisor) >= 0; exponent++) mpz_mul_2exp(divisor, divisor, 1);
  // The ratio is below 2^(exponent + 1) and its last place 2^(exponent - 10): divisor * 2^-24, since the
  // divisor has grown.
  if (exponent > 15) return 0x7c00;
  mpz_mul_2exp(numerator, numerator, 24);
  mpz_fdiv_qr(scaled, rest, numerator, divisor);
  mpz_mul_2exp(rest, rest, 1);
  const int order = mpz_cmp(rest, divisor);
  if (order > 0 || (order == 0 && mpz_odd_p(scaled))) mpz_add_ui(scaled, scaled, 1);
  const unsigned bits = (unsigned)(exponent + 14) * 1024 + (unsigned)mpz_get_ui(scaled);
  return (uint16_t)(bits > 0x7c00 ? 0x7c00 : bits);
}

static uint16_t oracle_quotient(const mpz_t units, uint32_t flags, uint64_t l, bool row_nan) {
  if (row_nan || l == 0 || (flags & 1) || flags == 6) return 0x7e00;
  if (flags) return flags == 4 ? 0xfc00 : 0x7c00;
  if (mpz_sgn(units) == 0) return 0;
  return (uint16_t)(oracle_ratio(units, l) | (mpz_sgn(units) < 0 ? 0x8000 : 0));
}

static struct duplex_sum sum_of(const mpz_t units, uint32_t flags) {
  static mpz_t part;
  static bool ready;
  if (!ready) mpz_init(part);
  ready = true;
  mpz_fdiv_r_2exp(part, units, 64);
  const uint64_t low = mpz_get_ui(part);
  mpz_fdiv_q_2exp(part, units, 64);
  return (struct duplex_sum){low, mpz_get_si(part), flags};
}

static uint64_t compare_quotient(const mpz_t units, uint32_t flags, uint64_t l, bool row_nan) {
  const struct duplex_sum sum = sum_of(units, flags);
  const uint16_t model = duplex_quotient(&sum, l, row_nan);
  const uint16_t want = oracle_quotient(units, flags, l, row_nan);
  if (model != want) {
    gmp_printf("sum %Zd * 2^-48, flags %u, l %llu * 2^-24, row NaN %d\n", units, flags, (unsigned long long)l,
               row_nan);
    fail_msg("quotient: %04x, expected %04x", model, want);
  }
  return 1;
}

// Quotients at every place of binary16 and of the grid between neighbours, and one unit of the sum beside it,
// of both signs.
static uint64_t compare_ties(uint64_t l) {
  uint64_t compared = 0;
  mpz_t units;
  mpz_init(units);
  for (int place = -27; place <= 17; place++) {
    for (unsigned digits = 1; digits < 4096; digits += digits < 16 || digits > 4080 ? 1 : 37) {
      if (place > 4 && digits < 2000) continue;
      mpz_set_ui(units, l);
      mpz_mul_ui(units, units, digits);
      const int shift = place + 24;  // units of 2^-48 against l * 2^-24
      if (shift >= 0)
        mpz_mul_2exp(units, units, (unsigned)shift);
      else
        mpz_fdiv_q_2exp(units, units, (unsigned)-shift);
      mpz_sub_ui(units, units, 1);
      for (int beside = 0; beside < 3; beside++, mpz_add_ui(units, units, 1)) {
        if (mpz_sizeinbase(units, 2) > 96) continue;
        compared += compare_quotient(units, 0, l, false);
        mpz_neg(units, units);
        compared += compare_quotient(units, 0, l, false);
        mpz_neg(units, units);
      }
    }
  }
  mpz_clear(units);
  return compared;
}

static void test_quotient_classes(void **state) {
  (void)state;
  static const uint64_t divisors[] = {1,
                                      3,
                                      1023,
                                      UINT64_C(1) << 24,
                                      (UINT64_C(1) << 24) + 1,
                                      UINT64_C(1) << 39,
                                      0xffffffffff,
                                      UINT64_C(0x123456789abcd),
                                      (UINT64_C(1) << 56) - 1,
                                      UINT64_C(1) << 56,
                                      (UINT64_C(1) << 57) - 1};
  uint64_t compared = 0;
  for (unsigned i = 0; i < LENGTH(divisors); i++) compared += compare_ties(divisors[i]);
  mpz_t units;
  mpz_init(units);
  for (int sign = -1; sign <= 1; sign++) {  // flags come first, then NaN of the row, then a zero sum
    mpz_set_si(units, sign);
    mpz_mul_2exp(units, units, 50);
    for (uint32_t flags = 0; flags < 8; flags++) {
      for (unsigned i = 0; i < LENGTH(divisors); i++) {
        compared += compare_quotient(units, flags, divisors[i], false);
        compared += compare_quotient(units, flags, divisors[i], true);
      }
      compared += compare_quotient(units, flags, 0, false);
    }
  }
  mpz_set_si(units, -1);  // the smallest sum of 97 bits
  mpz_mul_2exp(units, units, 96);
  for (unsigned i = 0; i < LENGTH(divisors); i++) compared += compare_quotient(units, 0, divisors[i], false);
  mpz_clear(units);
  printf("quotient: %llu by classes\n", (unsigned long long)compared);
}

static void test_quotient_random(void **state) {
  (void)state;
  struct duplex_random random = seeded(5);
  uint64_t compared = 0;
  mpz_t units;
  mpz_init(units);
  for (uint64_t i = 0; i < cases(); i++) {
    const uint64_t l = duplex_random_u64(&random) >> (7 + duplex_random_below(&random, 57));
    // |o| from 2^-27 to 2^17, where the sum has such.
    mpz_set_ui(units, l);
    mpz_mul_ui(units, units, duplex_random_u64(&random) >> 1);
    mpz_mul_2exp(units, units, (unsigned)duplex_random_below(&random, 44));
    mpz_fdiv_q_2exp(units, units, 66);
    mpz_add_ui(units, units, duplex_random_below(&random, 4));
    if (duplex_random_below(&random, 2)) mpz_neg(units, units);
    if (mpz_sizeinbase(units, 2) <= 96) compared += compare_quotient(units, 0, l, false);
  }
  mpz_clear(units);
  printf("quotient: %llu at random\n", (unsigned long long)compared);
}

int main(void) {
  mpz_inits(numerator, divisor, scaled, rest, NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_score_scale),     cmocka_unit_test(test_running_maximum),
      cmocka_unit_test(test_difference),      cmocka_unit_test(test_exponential),
      cmocka_unit_test(test_softmax_sum),     cmocka_unit_test(test_quotient_classes),
      cmocka_unit_test(test_quotient_random),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  mpz_clears(numerator, divisor, scaled, rest, NULL);
  return failed;
}
