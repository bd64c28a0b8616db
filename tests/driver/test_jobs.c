// SPDX-License-Identifier: Apache-2.0
// Whole jobs on the C model against exact sums: gemm, pairs and experts in several passes, whose activations,
// weights and results take several row sets, with sizes on both sides of each multiple that they are divided
// by.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "duplex/duplex.h"
#include "duplex/random.h"

#define BLOCK_ROWS_MOST (DUPLEX_ROWS / DUPLEX_TOKEN_GROUPS)

// Integers up to `most`, so that binary64 holds every sum.
static duplex_f16 *integers(struct duplex_random *random, size_t count, unsigned most) {
  duplex_f16 *made = malloc(count * sizeof *made);
  assert_non_null(made);
  for (size_t i = 0; i < count; i++)
    made[i] = duplex_f16_from_double((double)duplex_random_below(random, 2 * most + 1) - most);
  return made;
}

static double dot(const duplex_f16 *a, const duplex_f16 *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += duplex_f16_to_double(a[i]) * duplex_f16_to_double(b[i]);
  return sum;
}

static duplex_f32 rounded(double value) {
  const float single = (float)value;
  duplex_f32 bits;
  memcpy(&bits, &single, sizeof bits);
  return value == 0 ? 0 : bits;
}

static struct duplex_stack *open_stack(unsigned channels) {
  const struct duplex_stack_options options = {.backend = {.channels = channels, .threads = 1}};
  struct duplex_stack *stack;
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), 0);
  return stack;
}

struct job {
  unsigned channels, matrices;  // 2: a pair
  size_t m, n, k;
  size_t inner;  // of an expert; 0: a gemm
  bool gated;
  bool exponents;  // of the rows of a gemm
};

// The exponent of a row.
static int exponent_of(const struct job *job, size_t row) {
  return job->exponents ? (int)(row * 5 % 9) - 4 : 0;
}

// y[m, n] = x[m, k] w^T of one matrix.
static void assert_product(const struct job *job, const duplex_f16 *x, const duplex_f16 *w, size_t k,
                           const duplex_f32 *y) {
  for (size_t i = 0; i < job->m; i++)
    for (size_t j = 0; j < job->n; j++)
      if (y[i * job->n + j] != rounded(ldexp(dot(x + i * k, w + j * k, k), exponent_of(job, j))))
        fail_msg("%zu x %zu by %zu (inner %zu, gated %d, %u matrices) on %u channels: element %zu, %zu",
                 job->m, job->k, job->n, job->inner, job->gated, job->matrices, job->channels, i, j);
}

static struct duplex_weights *upload(struct duplex_stack *stack, const struct job *job, const duplex_f16 *w) {
  struct duplex_weights *weights;
  int8_t *exponents = malloc(job->n);
  assert_non_null(exponents);
  for (size_t row = 0; row < job->n; row++) exponents[row] = (int8_t)exponent_of(job, row);
  assert_int_equal(job->matrices == 2 ? duplex_stack_upload_pair(stack, NULL, w, job->n, job->k, &weights)
                                      : duplex_stack_upload(stack, w, job->n, job->k,
                                                            job->exponents ? exponents : NULL, &weights),
                   0);
  free(exponents);
  return weights;
}

static void check_gemm(const struct job *job) {
  struct duplex_stack *stack = open_stack(job->channels);
  struct duplex_random random;
  duplex_random_seed(&random, job->m + 1000 * job->n, job->k);
  duplex_f16 *x = integers(&random, job->matrices * job->m * job->k, 3);
  duplex_f16 *w = integers(&random, job->matrices * job->n * job->k, 3);
  duplex_f32 *y = malloc(job->matrices * job->m * job->n * sizeof *y);
  assert_non_null(y);
  const struct duplex_weights *weights = upload(stack, job, w);
  assert_int_equal(duplex_stack_gemm(stack, weights, x, job->m, DUPLEX_F32, y), 0);
  for (unsigned i = 0; i < job->matrices; i++)
    assert_product(job, x + i * job->m * job->k, w + i * job->n * job->k, job->k, y + i * job->m * job->n);
  duplex_stack_close(stack);
  free(x), free(w), free(y);
}

// h[m, inner] = relu(x gate^T) * (x up^T) of one matrix, or relu(x up^T).
static duplex_f16 *inner_of(const struct job *job, const duplex_f16 *x, const duplex_f16 *gate,
                            const duplex_f16 *up) {
  duplex_f16 *h = malloc(job->m * job->inner * sizeof *h);
  assert_non_null(h);
  for (size_t i = 0; i < job->m; i++)
    for (size_t j = 0; j < job->inner; j++) {
      const double u = dot(x + i * job->k, up + j * job->k, job->k);
      const double g = job->gated ? dot(x + i * job->k, gate + j * job->k, job->k) : u;
      h[i * job->inner + j] = duplex_f16_from_double(g <= 0 ? 0 : job->gated ? g * u : g);
    }
  return h;
}

static struct duplex_weights *upload_up(struct duplex_stack *stack, const struct job *job,
                                        const duplex_f16 *gate, const duplex_f16 *up) {
  struct duplex_weights *weights;
  int error;
  if (job->matrices == 2) {
    error = duplex_stack_upload_pair(stack, job->gated ? gate : NULL, up, job->inner, job->k, &weights);
  } else if (job->gated) {
    error = duplex_stack_upload_gated(stack, gate, up, job->inner, job->k, NULL, NULL, &weights);
  } else {
    error = duplex_stack_upload(stack, up, job->inner, job->k, NULL, &weights);
  }
  assert_int_equal(error, 0);
  return weights;
}

static void check_expert(const struct job *job) {
  struct duplex_stack *stack = open_stack(job->channels);
  struct duplex_weights *weights;
  struct duplex_random random;
  duplex_random_seed(&random, job->m + 1000 * job->n, job->k);
  const size_t of_up = job->inner * job->k;
  const size_t of_down = job->n * job->inner;
  duplex_f16 *x = integers(&random, job->matrices * job->m * job->k, 1);
  duplex_f16 *gate = integers(&random, job->matrices * of_up, 1);
  duplex_f16 *up = integers(&random, job->matrices * of_up, 1);
  duplex_f16 *down = integers(&random, job->matrices * of_down, 3);
  duplex_f32 *y = malloc(job->matrices * job->m * job->n * sizeof *y);
  assert_non_null(y);
  const struct duplex_weights *first = upload_up(stack, job, gate, up);
  assert_int_equal(job->matrices == 2
                       ? duplex_stack_upload_pair(stack, NULL, down, job->n, job->inner, &weights)
                       : duplex_stack_upload(stack, down, job->n, job->inner, NULL, &weights),
                   0);
  if (duplex_stack_expert(stack, first, weights, duplex_activation_builtin("relu"), x, job->m, DUPLEX_F32, y))
    fail_msg("%s", duplex_stack_last_error(stack));
  for (unsigned i = 0; i < job->matrices; i++) {
    duplex_f16 *h = inner_of(job, x + i * job->m * job->k, gate + i * of_up, up + i * of_up);
    assert_product(job, h, down + i * of_down, job->inner, y + i * job->m * job->n);
    free(h);
  }
  duplex_stack_close(stack);
  free(x), free(gate), free(up), free(down), free(y);
}

// Tokens of one pass and of several, the last whole or not; tiles that fill row sets, or not.
static void test_several_passes(void **state) {
  static const struct {
    unsigned channels;
    size_t m, n, k;
  } cases[] = {
      {1, 40, 20, 4096}, {2, 40, 20, 4096}, {3, 33, 20, 4097}, {5, 48, 7, 1100},
      {2, 17, 70, 512},  {1, 9, 130, 65},   {2, 16, 64, 513},  {1, 64, 33, 1024},
      {4, 25, 5, 8192},  {1, 24, 3, 32768}, {2, 20, 2, 65536}, {3, 100, 201, 64},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_gemm(&(struct job){cases[i].channels, 1, cases[i].m, cases[i].n, cases[i].k, 0, false, i % 2});
}

// One less, as many, or one more.
static size_t beside(struct duplex_random *random, size_t multiple) {
  return multiple + duplex_random_below(random, 3) - 1;
}

static void test_random_gemms(void **state) {
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, 1, 0);
  for (unsigned i = 0; i < 30; i++) {
    struct job job = {.channels = 1 + (unsigned)duplex_random_below(&random, 6),
                      .matrices = 1 + i % 3 / 2,
                      .exponents = i % 3 == 1};
    job.m = beside(&random, DUPLEX_LANES * (1 + duplex_random_below(&random, 6)));
    job.n = beside(&random, BLOCK_ROWS_MOST * job.channels * (1 + duplex_random_below(&random, 2)));
    job.k = beside(&random, DUPLEX_WIDTH * (1 + duplex_random_below(&random, 40)));
    check_gemm(&job);
  }
}

static void test_random_experts(void **state) {
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, 2, 0);
  for (unsigned i = 0; i < 24; i++) {
    struct job job = {.channels = 1 + (unsigned)duplex_random_below(&random, 5),
                      .matrices = 1 + i / 2 % 2,
                      .gated = i % 2 == 0};
    job.m = beside(&random, DUPLEX_LANES * (1 + duplex_random_below(&random, 4)));
    job.n = beside(&random, BLOCK_ROWS_MOST * job.channels);
    job.k = beside(&random, DUPLEX_WIDTH * (1 + duplex_random_below(&random, 8)));
    job.inner = beside(&random, DUPLEX_WIDTH * (1 + duplex_random_below(&random, 5)));
    check_expert(&job);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_several_passes),
      cmocka_unit_test(test_random_gemms),
      cmocka_unit_test(test_random_experts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
