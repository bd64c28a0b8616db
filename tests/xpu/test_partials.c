// SPDX-License-Identifier: Apache-2.0
// Joined partial sums against GMP: every flag, sign and exponent, both formats, any number of threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>

#include "duplex/error.h"
#include "tests/common/environment.h"
#include "tests/numerics/oracle.h"
#include "tests/xpu/oracle_binary32.h"
#include "xpu/partials.h"

#define SOURCES_MOST 9u
#define TOKENS 3u
#define STRIDE 140u

static uint64_t seed, scale;
static uint8_t values[SOURCES_MOST][TOKENS * STRIDE * 16];

// A sum as a stack may give it: a number of up to 96 bits, or a few near zero and near the ends, and flags.
static void draw_sum(struct duplex_random *random, uint8_t *bytes) {
  const unsigned kind = (unsigned)duplex_random_below(random, 8);
  const uint64_t low = duplex_random_u64(random);
  struct duplex_sum sum = {low, (int64_t)duplex_random_u64(random) >> 32, 0};
  if (kind == 0) sum = (struct duplex_sum){duplex_random_below(random, 3), 0, 0};
  if (kind == 1) sum = (struct duplex_sum){UINT64_MAX - duplex_random_below(random, 3), -1, 0};
  if (kind == 2) sum.high = low & 1 ? INT32_MAX : INT32_MIN;
  if (kind < 6 && kind > 2) sum.high = (int64_t)(low << 17) >> (20 + duplex_random_below(random, 44));
  if (duplex_random_below(random, 40) == 0) sum.flags = 1u << duplex_random_below(random, 3);
  duplex_sum_pack(&sum, bytes);
}

// The fields of the 16 bytes, read in another way than by the library.
static void oracle_add_packed(struct oracle_sum *sum, const uint8_t *bytes) {
  mpz_t units, most;
  mpz_inits(units, most, NULL);
  mpz_import(units, 16, -1, 1, 0, 0, bytes);
  sum->nan |= mpz_tstbit(units, 125);
  sum->plus_infinity |= mpz_tstbit(units, 126);
  sum->minus_infinity |= mpz_tstbit(units, 127);
  mpz_fdiv_r_2exp(units, units, 125);
  mpz_setbit(most, 124);
  if (mpz_cmp(units, most) >= 0) mpz_submul_ui(units, most, 2);
  mpz_add(sum->units, sum->units, units);
  mpz_clears(units, most, NULL);
}

static uint32_t expected_exact(const struct xpu_partials *partials, size_t at, unsigned column) {
  struct oracle_sum sum;
  mpz_init(sum.units);
  oracle_clear(&sum);
  for (unsigned source = 0; source < partials->count; source++)
    oracle_add_packed(&sum, values[source] + 16 * at);
  const uint32_t bits = oracle_round(&sum, partials->exponents ? partials->exponents[column] : 0, 24, 8);
  mpz_clear(sum.units);
  return bits;
}

static uint32_t expected_rounded(const struct xpu_partials *partials, size_t at) {
  float sum = 0;
  for (unsigned source = 0; source < partials->count; source++) {
    float part;
    memcpy(&part, values[source] + 4 * at, sizeof part);
    sum = oracle_apply(mpfr_add, sum, part);
  }
  return isnan(sum) ? 0x7fc00000u : bits_of(sum);
}

static void draw_values(struct duplex_random *random, enum duplex_result_format format) {
  for (unsigned source = 0; source < SOURCES_MOST; source++)
    for (size_t i = 0; i < TOKENS * STRIDE; i++) {
      uint32_t bits = (uint32_t)duplex_random_u64(random);
      if (i % 3) bits = (bits & 0x80ffffffu) | 0x3f000000u;
      if (format == DUPLEX_RESULT_FORMAT_ACC) {
        draw_sum(random, values[source] + 16 * i);
      } else {
        memcpy(values[source] + 4 * i, &bits, sizeof bits);
      }
    }
}

static void check(const struct xpu_partials *partials) {
  for (unsigned token = 0; token < TOKENS; token++) {
    for (unsigned column = 0; column < partials->columns; column++) {
      const size_t at = token * STRIDE + column;
      assert_int_equal(partials->y[token * partials->y_stride + column],
                       partials->format == DUPLEX_RESULT_FORMAT_ACC ? expected_exact(partials, at, column)
                                                                    : expected_rounded(partials, at));
    }
    for (size_t i = partials->columns; i < partials->y_stride; i++)
      assert_int_equal(partials->y[token * partials->y_stride + i], 0xa5a5a5a5);
  }
}

static void test_random(void **state) {
  (void)state;
  static const int directions[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  const void *sources[SOURCES_MOST];
  uint32_t y[TOKENS * (STRIDE + 5)];
  int8_t exponents[STRIDE];
  for (unsigned i = 0; i < SOURCES_MOST; i++) sources[i] = values[i];
  for (uint64_t i = 0; i < 120 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, i);
    struct xpu_partials partials = {.sources = sources, .stride = STRIDE, .tokens = TOKENS, .y = y};
    partials.count = (unsigned)duplex_random_below(&random, SOURCES_MOST + 1);
    partials.columns = 1 + (unsigned)duplex_random_below(&random, STRIDE);
    partials.y_stride = partials.columns + duplex_random_below(&random, 5);
    partials.format = i % 2 ? DUPLEX_RESULT_FORMAT_F32 : DUPLEX_RESULT_FORMAT_ACC;
    partials.exponents = i % 4 ? NULL : exponents;
    partials.threads = (unsigned)duplex_random_below(&random, 4);
    for (unsigned j = 0; j < STRIDE; j++) exponents[j] = (int8_t)duplex_random_u64(&random);
    draw_values(&random, partials.format);
    memset(y, 0xa5, sizeof y);
    fesetround(directions[i / 2 % 4]);
    feclearexcept(FE_ALL_EXCEPT);
    const int error = xpu_join_partials(&partials);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    fesetround(FE_TONEAREST);
    assert_int_equal(error, DUPLEX_OK);
    check(&partials);
  }
}

static void test_add(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 5000);
  for (uint64_t i = 0; i < 5000 * scale; i++) {
    uint8_t to[16], from[16];
    struct oracle_sum sum;
    struct duplex_sum result;
    mpz_init(sum.units);
    oracle_clear(&sum);
    draw_sum(&random, to);
    draw_sum(&random, from);
    oracle_add_packed(&sum, to);
    oracle_add_packed(&sum, from);
    xpu_add_sums(to, from, 1);
    duplex_sum_unpack(to, &result);
    assert_true(oracle_equal(&sum, &result));
    mpz_clear(sum.units);
  }
}

static void test_refusals(void **state) {
  (void)state;
  const void *sources[] = {values[0], NULL};
  const int8_t exponent = 1;
  duplex_f32 y[4];
  const struct xpu_partials good = {.sources = sources,
                                    .count = 1,
                                    .stride = 2,
                                    .tokens = 2,
                                    .columns = 2,
                                    .format = 2,
                                    .y = y,
                                    .y_stride = 2};
  assert_int_equal(xpu_join_partials(&good), DUPLEX_OK);
  assert_int_equal(xpu_join_partials(NULL), DUPLEX_ERROR_ARGUMENT);
  enum { BAD = 7 };
  struct xpu_partials bad[BAD];
  for (int i = 0; i < BAD; i++) bad[i] = good;
  bad[0].sources = NULL;
  bad[1].count = 2;
  bad[2].stride = 1;
  bad[3].y_stride = 1;
  bad[4].y = NULL;
  bad[5].format = DUPLEX_RESULT_FORMAT_F16;
  bad[6].format = DUPLEX_RESULT_FORMAT_F32;
  bad[6].exponents = &exponent;
  for (int i = 0; i < BAD; i++) assert_int_equal(xpu_join_partials(&bad[i]), DUPLEX_ERROR_ARGUMENT);
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_partials: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  oracle_binary32_begin();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_add),
                                     cmocka_unit_test(test_refusals)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  mpfr_free_cache();
  return failed;
}
