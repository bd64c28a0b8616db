// SPDX-License-Identifier: Apache-2.0
// The logarithm in fixed point against MPFR.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <mpfr.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "xpu/logarithm.h"

#define UNIT (1.0 / (double)(INT64_C(1) << XPU_LOGARITHM_FRACTION_BITS))

// How many units the result is away from the real logarithm.
static double error_of(double x) {
  mpfr_t real;
  mpfr_init2(real, 200);
  mpfr_set_d(real, x, MPFR_RNDN);
  mpfr_log(real, real, MPFR_RNDN);
  mpfr_mul_2si(real, real, XPU_LOGARITHM_FRACTION_BITS, MPFR_RNDN);
  mpfr_sub_si(real, real, xpu_logarithm(x), MPFR_RNDN);
  const double error = fabs(mpfr_get_d(real, MPFR_RNDN));
  mpfr_clear(real);
  return error;
}

static void check(double x) {
  const double error = error_of(x);
  if (error >= 1) fail_msg("ln %a is %.3f units of 2^-49 off", x, error);
}

static void test_exact(void **state) {
  (void)state;
  assert_int_equal(xpu_logarithm(1), 0);
  check(DBL_MIN);
  check(DBL_MAX);
  for (int e = -1022; e < 1024; e++) check(ldexp(1, e));
}

// Bases of rotations, and what is next to 1 and to the square root of 2.
static void test_edges(void **state) {
  (void)state;
  static const double edges[] = {1, 0x1.6a09e667f3bcdp+0, 2, 0.5, 10000, 100000, 500000, 1e6, 1e7, 150000};
  for (unsigned i = 0; i < sizeof edges / sizeof *edges; i++) {
    double below = edges[i];
    double above = edges[i];
    for (int step = 0; step < 100; step++) {
      check(below);
      check(above);
      below = nextafter(below, 0);
      above = nextafter(above, INFINITY);
    }
  }
}

static void test_random(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 0);
  const uint64_t count = 100000 * environment_count("DUPLEX_CASES");
  for (uint64_t i = 0; i < count; i++)
    check(ldexp(1 + duplex_random_unit(&random), (int)duplex_random_below(&random, 2046) - 1022));
}

int main(void) {
  printf("seed %llu\n", (unsigned long long)environment_seed());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_exact),
      cmocka_unit_test(test_edges),
      cmocka_unit_test(test_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
