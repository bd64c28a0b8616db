// SPDX-License-Identifier: Apache-2.0
// Softmax of 8 rows side by side: each kernel against the units of the C model, which tests/softmax checks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>
#include <math.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/numerics/f32_bits.h"
#include "xpu/softmax.h"

#define ROWS XPU_SOFTMAX_ROWS
#define POSITIONS 37u

static uint64_t seed, scale;

static const char *const kernels[] = {"portable", "avx2", "avx512"};

static uint32_t draw(struct duplex_random *random, unsigned kind) {
  static const uint32_t few[] = {0,          0x80000000, 0xff800000, 0xff800000, 0x00000001, 0x80000001,
                                 0x3f800000, 0xbf800000, 0x33ffffff, 0xc2200000, 0x7f7fffff, 0xff7fffff};
  const uint32_t bits = (uint32_t)duplex_random_u64(random);
  const unsigned rare = (unsigned)duplex_random_below(random, 400);
  if (kind == 0) return few[duplex_random_below(random, 12)];
  if (kind == 1) return rare == 0 ? 0x7fc00000u : rare == 1 ? 0x7f800000u : bits;
  return (bits & 0x807fffffu) | (uint32_t)(120 + duplex_random_below(random, kind == 2 ? 6 : 13)) << 23;
}

static uint32_t canonical(uint32_t bits) { return isnan(float_of(bits)) ? 0x7fc00000u : bits; }

// Weights of t[positions][8], whose maxima are given, against the C model's.
static void check_weights(const uint32_t *t, const uint32_t *maximum, bool wide) {
  double coarse[POSITIONS * ROWS];
  double fine[POSITIONS * ROWS];
  uint64_t l[ROWS];
  uint64_t expected_l[ROWS];
  bool any_coarse = false;
  bool any_fine = false;
  for (unsigned row = 0; row < ROWS; row++) l[row] = expected_l[row] = 1000 * row;
  struct xpu_softmax_weights weights = {.coarse = coarse, .fine = fine};
  xpu_softmax_kernels()->weigh(t, POSITIONS, maximum, wide, &weights, l);
  for (unsigned i = 0; i < POSITIONS * ROWS; i++) {
    const duplex_p16 high = duplex_exponential(t[i], maximum[i % ROWS], wide ? DUPLEX_P32_HIGH : DUPLEX_P16);
    const duplex_p16 low = wide ? duplex_exponential(t[i], maximum[i % ROWS], DUPLEX_P32_LOW) : 0;
    assert_true(coarse[i] + fine[i] == duplex_p16_to_double(high) + duplex_p16_to_double(low));
    assert_true(coarse[i] == 0 || coarse[i] == duplex_p16_to_double(high));
    assert_true(fmod(coarse[i], 0x1p-12) == 0 && fine[i] <= 8);
    expected_l[i % ROWS] = duplex_softmax_sum(duplex_softmax_sum(expected_l[i % ROWS], high), low);
    any_coarse |= coarse[i] != 0;
    any_fine |= fine[i] != 0;
  }
  assert_memory_equal(l, expected_l, sizeof l);
  assert_int_equal(weights.any_coarse, any_coarse);
  assert_int_equal(weights.any_fine, any_fine);
}

static void check_random(struct duplex_random *random, unsigned kind) {
  static const int directions[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  uint32_t t[POSITIONS * ROWS];
  uint32_t scores[POSITIONS * ROWS];
  uint32_t maximum[ROWS];
  uint32_t expected[ROWS];
  const uint32_t c = duplex_random_below(random, 2) ? 0x3e0293ee : draw(random, 2) & 0x7fffffff;
  for (unsigned i = 0; i < POSITIONS * ROWS; i++) t[i] = scores[i] = draw(random, kind);
  for (unsigned i = 0; i < ROWS; i++) maximum[i] = expected[i] = DUPLEX_MAXIMUM_START;
  fesetround(directions[duplex_random_below(random, 4)]);
  feclearexcept(FE_ALL_EXCEPT);
  xpu_softmax_kernels()->scale(t, POSITIONS, c, maximum);
  assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
  for (unsigned i = 0; i < POSITIONS * ROWS; i++) {
    const uint32_t scaled = duplex_score_scale(scores[i], c);
    assert_int_equal(canonical(t[i]), scaled);
    expected[i % ROWS] = duplex_running_maximum(expected[i % ROWS], scaled);
  }
  assert_memory_equal(maximum, expected, sizeof maximum);
  check_weights(t, maximum, false);
  check_weights(t, maximum, true);
  fesetround(FE_TONEAREST);
}

static void test_random(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 1200 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, i);
    setenv("DUPLEX_KERNEL", kernels[i % 3], 1);
    check_random(&random, (unsigned)(i / 3 % 4));
  }
  unsetenv("DUPLEX_KERNEL");
}

// Differences all over their range, and at the ends of segments and of weights: of two operands whose exact
// difference is not a multiple of 2^-23, too.
static void test_differences(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 5000);
  for (uint64_t i = 0; i < 2000 * scale; i++) {
    uint32_t t[POSITIONS * ROWS];
    uint32_t maximum[ROWS];
    for (unsigned row = 0; row < ROWS; row++) maximum[row] = bits_of(row % 2 ? 0x1p-23f * (float)row : 0);
    for (unsigned j = 0; j < POSITIONS * ROWS; j++) {
      const uint64_t segment = duplex_random_below(&random, 42 * 64) << 17;
      const uint64_t d =
          i % 2 ? segment + duplex_random_below(&random, 5) : duplex_random_below(&random, 42u << 23);
      t[j] = bits_of((float)-ldexp((double)d, -23));
    }
    check_weights(t, maximum, false);
    check_weights(t, maximum, true);
  }
}

// Differences that are just below a multiple of 2^-23, too near for binary64.
static void test_just_below(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 6000);
  for (uint64_t i = 0; i < 200 * scale; i++) {
    uint32_t t[POSITIONS * ROWS];
    uint32_t maximum[ROWS];
    for (unsigned row = 0; row < ROWS; row++)
      maximum[row] = 0x3f000000 + (uint32_t)duplex_random_below(&random, 6 << 23);
    for (unsigned j = 0; j < POSITIONS * ROWS; j++)
      t[j] = 1 + (uint32_t)duplex_random_below(&random, 0x30000000);
    check_weights(t, maximum, false);
    check_weights(t, maximum, true);
  }
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_xpu_softmax: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_differences),
                                     cmocka_unit_test(test_just_below)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
