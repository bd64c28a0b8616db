// SPDX-License-Identifier: Apache-2.0
// Sine and cosine in binary32 against MPFR.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>
#include <mpfr.h>
#include <stdlib.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/numerics/f32_bits.h"
#include "xpu/trigonometry.h"

typedef int function(mpfr_t result, const mpfr_t argument, mpfr_rnd_t direction);

// Fails unless `bits` is RN32 of a number within 2^-58 of the real value: RN32 is monotonic, so it lies
// between RN32 of both ends.
static void check_one(function *apply, const char *name, double angle, uint32_t bits) {
  mpfr_t real, low, high;
  mpfr_inits2(200, real, low, high, (mpfr_ptr)0);
  mpfr_set_d(real, angle, MPFR_RNDN);
  apply(real, real, MPFR_RNDN);
  mpfr_sub_d(low, real, 0x1p-58, MPFR_RNDN);
  mpfr_add_d(high, real, 0x1p-58, MPFR_RNDN);
  const float least = mpfr_get_flt(low, MPFR_RNDN);
  const float most = mpfr_get_flt(high, MPFR_RNDN);
  mpfr_clears(real, low, high, (mpfr_ptr)0);
  if (!(float_of(bits) >= least && float_of(bits) <= most))
    fail_msg("%s %a is %a, expected %a to %a", name, angle, float_of(bits), least, most);
}

static void check(double angle) {
  uint32_t sine, cosine;
  xpu_sine_cosine(angle, &sine, &cosine);
  check_one(mpfr_sin, "sin", angle, sine);
  check_one(mpfr_cos, "cos", angle, cosine);
}

static void test_zero(void **state) {
  (void)state;
  uint32_t sine, cosine;
  xpu_sine_cosine(0, &sine, &cosine);
  assert_int_equal(sine, 0);
  assert_int_equal(cosine, 0x3f800000);
}

// Multiples of pi / 4 and what is next to them.
static void test_edges(void **state) {
  (void)state;
  for (unsigned k = 1; k < 2000; k++) {
    double below = k * 0.785398163397448309616;
    double above = below;
    for (int step = 0; step < 8; step++) {
      check(below);
      check(above);
      below = nextafter(below, 0);
      above = nextafter(above, INFINITY);
    }
  }
  check(nextafter(XPU_ANGLE_LIMIT, 0));
  check(0x1p-80);
  check(0x1p-1074);
}

// Positions times binary32 frequencies, as rotations have them, and any angles.
static void test_random(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 0);
  const uint64_t count = 50000 * environment_count("DUPLEX_CASES");
  for (uint64_t i = 0; i < count; i++) {
    const float frequency =
        (float)ldexp(1 + duplex_random_unit(&random), -(int)duplex_random_below(&random, 25) - 1);
    check((double)duplex_random_below(&random, 1 << 24) * frequency);
    check(ldexp(1 + duplex_random_unit(&random), 23 - (int)duplex_random_below(&random, 80)));
  }
}

int main(void) {
  printf("seed %llu\n", (unsigned long long)environment_seed());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_zero),
      cmocka_unit_test(test_edges),
      cmocka_unit_test(test_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
