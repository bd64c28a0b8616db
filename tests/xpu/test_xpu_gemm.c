// SPDX-License-Identifier: Apache-2.0
// GEMM on the xPU against GMP: every kernel, tier, format and edge of a shape, any number of threads.
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
#include "xpu/gemm.h"

#define PADDING 3u  // values between rows, which nobody may touch or use

static uint64_t seed, scale;

struct matrix {
  unsigned rows, columns;
  size_t stride;
  uint16_t *values;
};

static struct matrix make_matrix(unsigned rows, unsigned columns) {
  struct matrix m = {rows, columns, columns + PADDING, NULL};
  m.values = malloc(rows * m.stride * sizeof *m.values);
  assert_non_null(m.values);
  for (size_t i = 0; i < rows * m.stride; i++) m.values[i] = 0x7e00;  // a NaN, where nobody looks
  return m;
}

// Numbers of one class, and one in `other_every` of another.
static void fill(struct matrix *m, struct duplex_random *random, enum operand_class class,
                 enum operand_class other, unsigned other_every) {
  for (unsigned row = 0; row < m->rows; row++)
    for (unsigned k = 0; k < m->columns; k++)
      m->values[row * m->stride + k] =
          draw_operand(random, duplex_random_below(random, other_every) ? class : other);
}

// Small weights and activations as of a model, which stay in the first tier.
static void fill_normal(struct matrix *m, struct duplex_random *random, double deviation) {
  for (unsigned row = 0; row < m->rows; row++)
    for (unsigned k = 0; k < m->columns; k++)
      m->values[row * m->stride + k] = duplex_f16_from_double(deviation * duplex_random_normal(random));
}

struct job {
  struct matrix x, w;
  int8_t *exponents;
  enum duplex_result_format format;
  bool add;
  unsigned threads;
};

static size_t element_bytes(enum duplex_result_format format) {
  return format == DUPLEX_RESULT_FORMAT_F16 ? 2 : format == DUPLEX_RESULT_FORMAT_F32 ? 4 : 16;
}

static void oracle_sum_of(const struct job *job, unsigned token, unsigned row, struct oracle_sum *sum) {
  oracle_clear(sum);
  for (unsigned k = 0; k < job->x.columns; k++)
    oracle_add(sum, job->x.values[token * job->x.stride + k], job->w.values[row * job->w.stride + k]);
}

static void check_element(const struct job *job, const uint8_t *bytes, const struct duplex_sum *before,
                          unsigned row, struct oracle_sum *sum) {
  const int exponent = job->exponents ? job->exponents[row] : 0;
  if (job->format == DUPLEX_RESULT_FORMAT_F16) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    assert_int_equal(value, oracle_round(sum, exponent, 11, 5));
  } else if (job->format == DUPLEX_RESULT_FORMAT_F32) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    assert_int_equal(value, oracle_round(sum, exponent, 24, 8));
  } else {
    struct duplex_sum model;
    mpz_t low;
    duplex_sum_unpack(bytes, &model);
    if (job->add) {
      mpz_init_set_ui(low, before->low);
      mpz_add(sum->units, sum->units, low);
      mpz_clear(low);
    }
    assert_true(oracle_equal(sum, &model));
  }
}

static void run_and_check(const struct job *job, struct xpu_gemm_tiers *tiers) {
  const unsigned tokens = job->x.rows;
  const unsigned rows = job->w.rows;
  const size_t out_stride = rows + PADDING;
  const size_t bytes = element_bytes(job->format);
  uint8_t *out = malloc(tokens * out_stride * bytes);
  assert_non_null(out);
  memset(out, 0xa5, tokens * out_stride * bytes);
  const struct duplex_sum before = {77, 0, 0};
  for (size_t i = 0; job->add && i < tokens * out_stride; i++) duplex_sum_pack(&before, out + 16 * i);
  const struct xpu_dense dense = {job->w.values, job->w.stride};
  const struct xpu_gemm gemm = {.x = job->x.values,
                                .x_stride = job->x.stride,
                                .tokens = tokens,
                                .columns = job->x.columns,
                                .rows = rows,
                                .weights = xpu_dense_weights(&dense),
                                .exponents = job->exponents,
                                .format = job->format,
                                .out = out,
                                .out_stride = out_stride,
                                .add = job->add,
                                .threads = job->threads};
  assert_int_equal(xpu_gemm_run(&gemm, tiers), DUPLEX_OK);
  struct oracle_sum sum;
  mpz_init(sum.units);
  for (unsigned token = 0; token < tokens; token++) {
    for (unsigned row = 0; row < rows; row++) {
      oracle_sum_of(job, token, row, &sum);
      check_element(job, out + (token * out_stride + row) * bytes, &before, row, &sum);
    }
    for (size_t i = rows * bytes; !job->add && token + 1 < tokens && i < out_stride * bytes; i++)
      assert_int_equal(out[token * out_stride * bytes + i], 0xa5);
  }
  mpz_clear(sum.units);
  free(out);
}

static const char *const kernels[] = {"portable", "avx2", "avx512"};

static struct job draw_job(struct duplex_random *random) {
  static const unsigned columns[] = {1, 7, 8, 9, 64, 255, 256, 257, 513};
  struct job job = {0};
  const unsigned k = columns[duplex_random_below(random, sizeof columns / sizeof *columns)];
  job.x = make_matrix(1 + (unsigned)duplex_random_below(random, 20), k);
  job.w = make_matrix(1 + (unsigned)duplex_random_below(random, 60), k);
  job.format = (enum duplex_result_format)duplex_random_below(random, 3);
  job.add = job.format == DUPLEX_RESULT_FORMAT_ACC && duplex_random_below(random, 2);
  job.threads = (unsigned)duplex_random_below(random, 4);
  if (duplex_random_below(random, 2)) {
    job.exponents = malloc(job.w.rows);
    assert_non_null(job.exponents);
    const int width = duplex_random_below(random, 2) ? 8 : 256;
    for (unsigned i = 0; i < job.w.rows; i++)
      job.exponents[i] = (int8_t)((int)duplex_random_below(random, (uint64_t)width) - width / 2);
  }
  return job;
}

static void free_job(struct job *job) {
  free(job->x.values);
  free(job->w.values);
  free(job->exponents);
}

static void test_random(void **state) {
  (void)state;
  struct xpu_gemm_tiers tiers = {0};
  for (uint64_t i = 0; i < 60 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, i);
    setenv("DUPLEX_KERNEL", kernels[i % 3], 1);
    struct job job = draw_job(&random);
    const enum operand_class x = (enum operand_class)duplex_random_below(&random, SPECIAL);
    const enum operand_class w = (enum operand_class)duplex_random_below(&random, SPECIAL);
    const unsigned every = i % 4 == 0 ? 40 : 1000000;
    fill(&job.x, &random, x, SPECIAL, every);
    fill(&job.w, &random, w, SPECIAL, every);
    run_and_check(&job, &tiers);
    free_job(&job);
  }
  unsetenv("DUPLEX_KERNEL");
  assert_true(tiers.direct && tiers.split && tiers.halved && tiers.plain);
}

// Activations and weights as models have them: all blocks in the first tier, and with outliers in the second.
static void test_tiers(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 1000);
  struct job job = {
      .x = make_matrix(16, 1000), .w = make_matrix(48, 1000), .format = DUPLEX_RESULT_FORMAT_F16};
  fill_normal(&job.x, &random, 1.0);
  fill_normal(&job.w, &random, 0.02);
  struct xpu_gemm_tiers tiers = {0};
  run_and_check(&job, &tiers);
  assert_int_equal(tiers.direct, 4);
  assert_int_equal(tiers.split, 0);
  // One token's sums leave 32 before its smallest product comes.
  job.x.values[9 * job.x.stride + 500] = duplex_f16_from_double(3000);
  job.x.values[9 * job.x.stride + 501] = 1;
  for (unsigned row = 0; row < 48; row++) {
    job.w.values[row * job.w.stride + 500] = duplex_f16_from_double(0.03);
    job.w.values[row * job.w.stride + 501] = 1;
  }
  memset(&tiers, 0, sizeof tiers);
  run_and_check(&job, &tiers);
  assert_int_equal(tiers.direct, 2);
  assert_int_equal(tiers.split, 2);
  assert_int_equal(tiers.halved, 0);
  free_job(&job);
}

// More tokens than one pass over the weights takes.
static void test_passes(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 2000);
  struct job job = {.x = make_matrix(521, 5), .w = make_matrix(197, 5), .format = DUPLEX_RESULT_FORMAT_F32};
  job.threads = 2;
  fill(&job.x, &random, MODERATE, MODERATE, 1);
  fill(&job.w, &random, MODERATE, MODERATE, 1);
  run_and_check(&job, NULL);
  free_job(&job);
}

// The caller's rounding direction and its flags neither matter nor change.
static void test_environment(void **state) {
  (void)state;
  static const int directions[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  struct duplex_random random;
  duplex_random_seed(&random, seed, 3000);
  for (int i = 0; i < 9; i++) {
    setenv("DUPLEX_KERNEL", kernels[i % 3], 1);
    struct job job = draw_job(&random);
    fill(&job.x, &random, MODERATE, MODERATE, 1);
    fill(&job.w, &random, SUBNORMAL, MODERATE, 3);
    job.threads = 1;
    fesetround(directions[i / 3]);
    feclearexcept(FE_ALL_EXCEPT);
    run_and_check(&job, NULL);
    assert_int_equal(fegetround(), directions[i / 3]);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    fesetround(FE_TONEAREST);
    free_job(&job);
  }
  unsetenv("DUPLEX_KERNEL");
}

static const duplex_f16 *no_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  (void)context, (void)count, (void)room;
  return first < 200 ? room : NULL;
}

static void test_refusals(void **state) {
  (void)state;
  duplex_f16 x[4] = {0};
  duplex_f32 out[400];
  const struct xpu_dense dense = {x, 1};
  const struct xpu_gemm good = {.x = x,
                                .x_stride = 1,
                                .tokens = 1,
                                .columns = 1,
                                .rows = 1,
                                .weights = xpu_dense_weights(&dense),
                                .format = DUPLEX_RESULT_FORMAT_F32,
                                .out = out,
                                .out_stride = 1};
  assert_int_equal(xpu_gemm_run(&good, NULL), DUPLEX_OK);
  assert_int_equal(xpu_gemm_run(NULL, NULL), DUPLEX_ERROR_ARGUMENT);
  enum { BAD = 14 };
  struct xpu_gemm bad[BAD];
  for (int i = 0; i < BAD; i++) bad[i] = good;
  bad[0].x = NULL;
  bad[1].out = NULL;
  bad[2].tokens = 0;
  bad[3].columns = 0;
  bad[4].columns = 65537;
  bad[5].rows = 0;
  bad[6].weights.rows = NULL;
  bad[7].format = (enum duplex_result_format)3;
  bad[8].add = true;  // of binary32
  bad[9].rows = UINT32_MAX;
  bad[9].out_stride = UINT32_MAX;  // rounded up to whole pieces they would be none
  bad[10].tokens = UINT32_MAX;
  bad[11].out_stride = 0;
  bad[12].x_stride = 0;
  bad[13].weights.stride = 0;
  for (int i = 0; i < BAD; i++) assert_int_equal(xpu_gemm_run(&bad[i], NULL), DUPLEX_ERROR_ARGUMENT);
  struct xpu_gemm broken = good;
  broken.rows = 400;
  broken.out_stride = 400;
  broken.weights = (struct duplex_xpu_weights){.rows = no_rows, .stride = 1};
  assert_int_equal(xpu_gemm_run(&broken, NULL), DUPLEX_ERROR_IO);
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_xpu_gemm: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_tiers),
                                     cmocka_unit_test(test_passes), cmocka_unit_test(test_environment),
                                     cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
