// SPDX-License-Identifier: Apache-2.0
// The weighted sum of expert outputs against MPFR: order, ties, special values, any number of threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>
#include <stdlib.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/xpu/oracle_binary32.h"
#include "xpu/combine.h"

#define TOKENS 7u
#define COLUMNS_MOST 150u
#define STRIDE (COLUMNS_MOST + 2)
#define EXPERTS 9u
#define UNTOUCHED 0xa5a5a5a5u

static uint64_t seed, scale;

static uint32_t draw(struct duplex_random *random, unsigned kind) {
  static const uint32_t few[] = {0,          0x80000000, 0x7fc00000, 0xff800000, 0x7f800000, 0x00000001,
                                 0x80000001, 0x7f7fffff, 0x3f800000, 0xbf800000, 0x33000000, 0x477ff000};
  const uint32_t bits = (uint32_t)duplex_random_u64(random);
  if (kind == 0) return few[duplex_random_below(random, 12)];
  if (kind == 1) return bits;
  return (bits & 0x807fffffu) | (uint32_t)(115 + duplex_random_below(random, 20)) << 23;
}

// A run and what the oracle makes of the same experts.
struct run {
  struct xpu_combine combine;
  uint32_t sums[TOKENS * STRIDE];
  float expected[TOKENS][COLUMNS_MOST];
};

static void oracle_add_expert(struct run *run, unsigned token, float weight, const uint32_t *y) {
  for (unsigned i = 0; i < run->combine.columns; i++)
    run->expected[token][i] =
        oracle_apply(mpfr_add, run->expected[token][i], oracle_apply(mpfr_mul, weight, float_of(y[i])));
}

// An expert with some of the tokens, in any order.
static void add_expert(struct run *run, struct duplex_random *random, unsigned kind) {
  uint32_t tokens[TOKENS], weights[TOKENS], y[TOKENS * STRIDE];
  unsigned count = 0;
  for (unsigned token = TOKENS; token-- > 0;)
    if (duplex_random_below(random, 2)) tokens[count++] = token;
  for (unsigned row = 0; row < count; row++) {
    weights[row] = draw(random, kind);
    for (unsigned i = 0; i < STRIDE; i++)
      y[row * STRIDE + i] = i < run->combine.columns ? draw(random, kind) : 0x7fc00000u;
    oracle_add_expert(run, tokens[row], float_of(weights[row]), y + row * STRIDE);
  }
  xpu_combine_add(&run->combine, tokens, weights, count, y, STRIDE);
}

static void check(const struct run *run, const uint16_t *y) {
  for (unsigned token = 0; token < TOKENS; token++) {
    for (unsigned i = 0; i < run->combine.columns; i++)
      assert_int_equal(y[token * STRIDE + i], oracle_binary16(run->expected[token][i]));
    for (unsigned i = run->combine.columns; i < STRIDE; i++) {
      assert_int_equal(y[token * STRIDE + i], (uint16_t)UNTOUCHED);
      assert_int_equal(run->sums[token * STRIDE + i], UNTOUCHED);
    }
  }
}

static void test_random(void **state) {
  (void)state;
  static const int directions[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  static struct run run;
  uint16_t y[TOKENS * STRIDE];
  for (uint64_t i = 0; i < 30 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, i);
    memset(&run, 0, sizeof run);
    for (unsigned j = 0; j < TOKENS * STRIDE; j++) run.sums[j] = UNTOUCHED, y[j] = (uint16_t)UNTOUCHED;
    run.combine = (struct xpu_combine){.sums = run.sums,
                                       .stride = STRIDE,
                                       .tokens = TOKENS,
                                       .columns = 1 + (unsigned)duplex_random_below(&random, COLUMNS_MOST),
                                       .threads = (unsigned)duplex_random_below(&random, 4)};
    fesetround(directions[i % 4]);
    feclearexcept(FE_ALL_EXCEPT);
    xpu_combine_begin(&run.combine);
    for (unsigned expert = 0; expert < EXPERTS; expert++) {
      add_expert(&run, &random, i % 3);
      assert_int_equal(fegetround(), directions[i % 4]);
    }
    xpu_combine_finish(&run.combine, y, STRIDE);
    fesetround(FE_TONEAREST);
    check(&run, y);
  }
}

// Sums that depend on the order, and on the rounding of each product.
static void test_examples(void **state) {
  (void)state;
  uint32_t sums[1];
  uint16_t y[1];
  const uint32_t tokens[] = {0};
  const uint32_t one[] = {0x3f800000};
  const uint32_t large[] = {bits_of(0x1p24f)};
  const struct xpu_combine combine = {.sums = sums, .stride = 1, .tokens = 1, .columns = 1};
  xpu_combine_begin(&combine);
  xpu_combine_add(&combine, tokens, one, 1, large, 1);
  xpu_combine_add(&combine, tokens, one, 1, one, 1);
  xpu_combine_add(&combine, tokens, one, 1, one, 1);
  assert_int_equal(sums[0], bits_of(0x1p24f));
  xpu_combine_finish(&combine, y, 1);
  assert_int_equal(y[0], 0x7c00);
  // (1 + 2^-23)^2 loses 2^-46 before it is added to -1.
  const uint32_t above[] = {0x3f800001};
  const uint32_t minus_one[] = {0xbf800000};
  xpu_combine_begin(&combine);
  xpu_combine_add(&combine, tokens, one, 1, minus_one, 1);
  xpu_combine_add(&combine, tokens, above, 1, above, 1);
  assert_int_equal(sums[0], bits_of(0x1p-22f));
  // docs/xpu_numerics.md
  const uint32_t first[] = {0x3ec14d03};
  const uint32_t second[] = {0x3f1f597f};
  const uint32_t three[] = {0x40400000};
  xpu_combine_begin(&combine);
  xpu_combine_add(&combine, tokens, first, 1, three, 1);
  assert_int_equal(sums[0], 0x3f90f9c2);
  xpu_combine_add(&combine, tokens, second, 1, minus_one, 1);
  assert_int_equal(sums[0], 0x3f029a05);
  xpu_combine_finish(&combine, y, 1);
  assert_int_equal(y[0], 0x3815);
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_combine: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  oracle_binary32_begin();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_examples)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  mpfr_free_cache();
  return failed;
}
