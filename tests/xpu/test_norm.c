// SPDX-License-Identifier: Apache-2.0
// RMS norm against MPFR, operation by operation.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>
#include <math.h>
#include <mpfr.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/numerics/f32_bits.h"
#include "xpu/norm.h"

#define COLUMNS_MOST 300u

static uint64_t seed;

// 1 / sqrt(mean + epsilon), each operation rounded to 53 bits.
static void oracle_factor(mpfr_t r, const uint32_t *x, double epsilon, unsigned columns) {
  mpfr_t square;
  mpfr_init2(square, 53);
  mpfr_set_zero(r, 1);
  for (unsigned i = 0; i < columns; i++) {
    mpfr_set_flt(square, float_of(x[i]), MPFR_RNDN);
    mpfr_sqr(square, square, MPFR_RNDN);
    mpfr_add(r, r, square, MPFR_RNDN);
  }
  mpfr_div_ui(r, r, columns, MPFR_RNDN);
  mpfr_add_d(r, r, epsilon, MPFR_RNDN);
  mpfr_sqrt(r, r, MPFR_RNDN);
  mpfr_ui_div(r, 1, r, MPFR_RNDN);
  mpfr_clear(square);
}

static uint32_t oracle_value(const mpfr_t r, uint32_t x, uint32_t weight) {
  mpfr_t value, narrow;
  mpfr_init2(value, 53);
  mpfr_init2(narrow, 24);
  mpfr_mul_d(value, r, float_of(x), MPFR_RNDN);
  mpfr_set(narrow, value, MPFR_RNDN);
  mpfr_set_flt(value, float_of(weight), MPFR_RNDN);
  mpfr_mul(narrow, narrow, value, MPFR_RNDN);
  const uint32_t bits = bits_of(mpfr_get_flt(narrow, MPFR_RNDN));
  mpfr_clears(value, narrow, (mpfr_ptr)0);
  return bits;
}

static void draw(struct duplex_random *random, uint32_t *values, unsigned columns, int exponent) {
  for (unsigned i = 0; i < columns; i++)
    values[i] = bits_of((float)ldexp(2 * duplex_random_unit(random) - 1, exponent));
}

static void check(struct duplex_random *random, unsigned columns, double epsilon) {
  uint32_t x[COLUMNS_MOST], weight[COLUMNS_MOST], out[COLUMNS_MOST];
  draw(random, x, columns, (int)duplex_random_below(random, 40) - 20);
  draw(random, weight, columns, 1);
  mpfr_t r;
  mpfr_init2(r, 53);
  oracle_factor(r, x, epsilon, columns);
  xpu_norm(x, weight, epsilon, columns, out);
  for (unsigned i = 0; i < columns; i++) {
    const uint32_t expected = oracle_value(r, x[i], weight[i]);
    if (out[i] != expected)
      fail_msg("column %u of %u: 0x%08x, expected 0x%08x", i, columns, out[i], expected);
  }
  xpu_norm(x, weight, epsilon, columns, x);
  assert_memory_equal(x, out, columns * sizeof *x);
  mpfr_clear(r);
}

static void test_random(void **state) {
  (void)state;
  static const double epsilons[] = {1e-5, 1e-6, 0, 1e-12};
  struct duplex_random random;
  duplex_random_seed(&random, seed, 0);
  const uint64_t count = 300 * environment_count("DUPLEX_CASES");
  for (uint64_t i = 0; i < count; i++)
    check(&random, 1 + (unsigned)duplex_random_below(&random, COLUMNS_MOST), epsilons[i % 4]);
}

// The host's direction of rounding and its flags neither matter nor change.
static void test_environment(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 1);
  fesetround(FE_UPWARD);
  feclearexcept(FE_ALL_EXCEPT);
  uint32_t x[COLUMNS_MOST], up[COLUMNS_MOST], nearest[COLUMNS_MOST];
  draw(&random, x, COLUMNS_MOST, 0);
  feclearexcept(FE_ALL_EXCEPT);
  xpu_norm(x, x, 1e-5, COLUMNS_MOST, up);
  assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
  fesetround(FE_TONEAREST);
  xpu_norm(x, x, 1e-5, COLUMNS_MOST, nearest);
  assert_memory_equal(up, nearest, sizeof up);
}

static void test_special(void **state) {
  (void)state;
  uint32_t x[3] = {0x7fa00001, 0x3f800000, 0};
  const uint32_t weight[3] = {0x3f800000, 0x3f800000, 0x3f800000};
  xpu_norm(x, weight, 1e-5, 3, x);
  for (unsigned i = 0; i < 3; i++) assert_int_equal(x[i], 0x7fc00000);
  uint32_t zeros[2] = {0, 0x80000000};
  xpu_norm(zeros, weight, 1e-5, 2, zeros);
  assert_int_equal(zeros[0], 0);
  assert_int_equal(zeros[1], 0x80000000);
}

int main(void) {
  seed = environment_seed();
  printf("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random),
      cmocka_unit_test(test_environment),
      cmocka_unit_test(test_special),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
