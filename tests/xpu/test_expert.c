// SPDX-License-Identifier: Apache-2.0
// Experts on the xPU against GMP, in one piece and in parts, and against a stack of the C model.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/duplex.h"
#include "tests/common/environment.h"
#include "tests/numerics/oracle.h"
#include "xpu/expert.h"

static uint64_t seed, scale;

static const char *const activations[] = {"silu", "gelu", "gelu_tanh", "relu", "identity"};

// An expert's matrices without gaps, and what is asked of it.
struct expert_case {
  unsigned tokens, columns, inner, rows;
  bool gated;
  const struct duplex_activation_table *activation;
  enum duplex_result_format format;
  uint16_t *x, *gate, *up, *down;
  int8_t *exponents;  // [3][most of inner and rows], or NULL
};

static size_t element_bytes(enum duplex_result_format format) {
  return format == DUPLEX_RESULT_FORMAT_F16 ? 2 : format == DUPLEX_RESULT_FORMAT_F32 ? 4 : 16;
}

static uint16_t *draw_matrix(struct duplex_random *random, size_t count, enum operand_class class,
                             uint64_t special_every) {
  uint16_t *values = malloc((count + 1) * sizeof *values);
  assert_non_null(values);
  for (size_t i = 0; i < count; i++)
    values[i] = draw_operand(random, duplex_random_below(random, special_every) ? class : SPECIAL);
  return values;
}

static unsigned most_of(const struct expert_case *c) { return c->inner > c->rows ? c->inner : c->rows; }

static void draw_exponents(struct expert_case *c, struct duplex_random *random) {
  c->exponents = malloc(3 * (size_t)most_of(c) + 1);
  assert_non_null(c->exponents);
  for (size_t i = 0; i < 3 * (size_t)most_of(c); i++)
    c->exponents[i] = (int8_t)((int)duplex_random_below(random, 16) - 8);
}

static struct expert_case draw_case(struct duplex_random *random, unsigned largest) {
  static const enum operand_class classes[] = {MODERATE, MODERATE, MODERATE, SUBNORMAL, EXTREME, ANY_BITS};
  struct expert_case c = {.tokens = 1 + (unsigned)duplex_random_below(random, 18),
                          .columns = 1 + (unsigned)duplex_random_below(random, largest),
                          .inner = 1 + (unsigned)duplex_random_below(random, largest),
                          .rows = 1 + (unsigned)duplex_random_below(random, largest),
                          .gated = duplex_random_below(random, 2),
                          .format = (enum duplex_result_format)duplex_random_below(random, 3)};
  c.activation = duplex_activation_builtin(activations[duplex_random_below(random, 5)]);
  const uint64_t every = duplex_random_below(random, 3) ? 1000000 : 300;
  c.x = draw_matrix(random, (size_t)c.tokens * c.columns, classes[duplex_random_below(random, 6)], every);
  c.gate = draw_matrix(random, (size_t)c.inner * c.columns, classes[duplex_random_below(random, 6)], every);
  c.up = draw_matrix(random, (size_t)c.inner * c.columns, classes[duplex_random_below(random, 6)], every);
  c.down = draw_matrix(random, (size_t)c.rows * c.inner, classes[duplex_random_below(random, 6)], every);
  return c;
}

static void free_case(struct expert_case *c) {
  free(c->x);
  free(c->gate);
  free(c->up);
  free(c->down);
  free(c->exponents);
}

// Runs inner columns from `first` on, added to `out` if they are not the first part.
static void run_part(const struct expert_case *c, unsigned first, unsigned count, unsigned threads,
                     void *out) {
  const struct xpu_dense gate = {c->gate + (size_t)first * c->columns, c->columns};
  const struct xpu_dense up = {c->up + (size_t)first * c->columns, c->columns};
  const struct xpu_dense down = {c->down + first, c->inner};
  struct xpu_expert expert = {.x = c->x,
                              .x_stride = c->columns,
                              .tokens = c->tokens,
                              .columns = c->columns,
                              .inner = count,
                              .rows = c->rows,
                              .up = xpu_dense_weights(&up),
                              .down = xpu_dense_weights(&down),
                              .activation = c->activation,
                              .format = c->format,
                              .out = out,
                              .out_stride = c->rows,
                              .add = first > 0,
                              .threads = threads};
  if (c->gated) expert.gate = xpu_dense_weights(&gate);
  if (c->exponents) {
    expert.gate_exponents = c->exponents + first;
    expert.up_exponents = c->exponents + most_of(c) + first;
    expert.down_exponents = c->exponents + 2 * (size_t)most_of(c);
  }
  assert_int_equal(xpu_expert_run(&expert), DUPLEX_OK);
}

static uint32_t oracle_row(const uint16_t *x, const uint16_t *w, unsigned columns, int exponent) {
  struct oracle_sum sum;
  mpz_init(sum.units);
  oracle_clear(&sum);
  for (unsigned i = 0; i < columns; i++) oracle_add(&sum, x[i], w[i]);
  const uint32_t bits = oracle_round(&sum, exponent, 24, 8);
  mpz_clear(sum.units);
  return bits;
}

// h of a token. The activation itself is tested in tests/activation.
static void oracle_h(const struct expert_case *c, unsigned token, uint16_t *h) {
  const uint16_t *x = c->x + (size_t)token * c->columns;
  for (unsigned i = 0; i < c->inner; i++) {
    const size_t row = (size_t)i * c->columns;
    const uint32_t g = oracle_row(x, c->gate + row, c->columns, c->exponents ? c->exponents[i] : 0);
    const uint32_t u =
        oracle_row(x, c->up + row, c->columns, c->exponents ? c->exponents[most_of(c) + i] : 0);
    h[i] = duplex_activation(c->activation, g, u, c->gated);
  }
}

static void check_element(const struct expert_case *c, const uint8_t *bytes, int exponent,
                          const struct oracle_sum *sum) {
  if (c->format == DUPLEX_RESULT_FORMAT_F16) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    assert_int_equal(value, oracle_round(sum, exponent, 11, 5));
  } else if (c->format == DUPLEX_RESULT_FORMAT_F32) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    assert_int_equal(value, oracle_round(sum, exponent, 24, 8));
  } else {
    struct duplex_sum value;
    duplex_sum_unpack(bytes, &value);
    assert_true(oracle_equal(sum, &value));
  }
}

static void check_all(const struct expert_case *c, const uint8_t *out) {
  uint16_t *h = malloc(c->inner * sizeof *h);
  assert_non_null(h);
  struct oracle_sum sum;
  mpz_init(sum.units);
  for (unsigned token = 0; token < c->tokens; token++) {
    oracle_h(c, token, h);
    for (unsigned row = 0; row < c->rows; row++) {
      oracle_clear(&sum);
      for (unsigned i = 0; i < c->inner; i++) oracle_add(&sum, h[i], c->down[(size_t)row * c->inner + i]);
      check_element(c, out + ((size_t)token * c->rows + row) * element_bytes(c->format),
                    c->exponents ? c->exponents[2 * (size_t)most_of(c) + row] : 0, &sum);
    }
  }
  mpz_clear(sum.units);
  free(h);
}

static uint8_t *new_out(const struct expert_case *c) {
  uint8_t *out = malloc((size_t)c->tokens * c->rows * element_bytes(c->format));
  assert_non_null(out);
  return out;
}

static void test_random(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 40 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, i);
    struct expert_case c = draw_case(&random, i % 8 ? 40 : 150);
    if (i % 2) draw_exponents(&c, &random);
    uint8_t *out = new_out(&c);
    run_part(&c, 0, c.inner, (unsigned)(i % 4), out);
    check_all(&c, out);
    free(out);
    free_case(&c);
  }
}

// Parts of the inner columns, added as exact sums; some are empty.
static void test_parts(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 20 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 1000 + i);
    struct expert_case c = draw_case(&random, 60);
    c.format = DUPLEX_RESULT_FORMAT_ACC;
    if (i % 2) draw_exponents(&c, &random);
    uint8_t *out = new_out(&c);
    for (unsigned first = 0; first < c.inner;) {
      const unsigned drawn = (unsigned)duplex_random_below(&random, 1 + c.inner / 2) + (first == 0);
      const unsigned count = drawn < c.inner - first ? drawn : c.inner - first;
      run_part(&c, first, count, 1, out);
      first += count;
    }
    check_all(&c, out);
    free(out);
    free_case(&c);
  }
}

// More inner columns than are worked on at a time.
static void test_long(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 2000);
  struct expert_case c = {.tokens = 3,
                          .columns = 2,
                          .inner = 6500,
                          .rows = 2,
                          .gated = true,
                          .activation = duplex_activation_builtin("silu"),
                          .format = DUPLEX_RESULT_FORMAT_ACC};
  draw_exponents(&c, &random);
  for (size_t i = 0; i < 2 * (size_t)c.inner; i++) c.exponents[i] /= 4;  // no h is infinite
  c.x = draw_matrix(&random, (size_t)c.tokens * c.columns, MODERATE, 1000000);
  c.gate = draw_matrix(&random, (size_t)c.inner * c.columns, MODERATE, 1000000);
  c.up = draw_matrix(&random, (size_t)c.inner * c.columns, MODERATE, 1000000);
  c.down = draw_matrix(&random, (size_t)c.rows * c.inner, MODERATE, 1000000);
  uint8_t *out = new_out(&c);
  run_part(&c, 0, c.inner, 2, out);
  check_all(&c, out);
  free(out);
  free_case(&c);
}

static void run_stack(const struct expert_case *c, unsigned channels, void *out) {
  struct duplex_stack *stack;
  struct duplex_weights *up, *down;
  const struct duplex_stack_options options = {.backend.channels = channels};
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), 0);
  const size_t most = most_of(c);
  const int8_t *of_gate = c->exponents;
  const int8_t *of_up = of_gate ? of_gate + most : NULL;
  const int8_t *of_down = of_gate ? of_gate + 2 * most : NULL;
  assert_int_equal(
      c->gated ? duplex_stack_upload_gated(stack, c->gate, c->up, c->inner, c->columns, of_gate, of_up, &up)
               : duplex_stack_upload(stack, c->up, c->inner, c->columns, of_up, &up),
      0);
  assert_int_equal(duplex_stack_upload(stack, c->down, c->rows, c->inner, of_down, &down), 0);
  assert_int_equal(duplex_stack_expert(stack, up, down, c->activation, c->x, c->tokens,
                                       (enum duplex_format)c->format, out),
                   0);
  duplex_stack_close(stack);
}

// Exponents of gate or of up alone: those of the other one are 0.
static void test_one_of_both(void **state) {
  (void)state;
  for (unsigned of_up = 0; of_up < 2; of_up++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 4000 + of_up);
    struct expert_case c = draw_case(&random, 100);
    while (!c.gated || c.format == DUPLEX_RESULT_FORMAT_F16) {
      free_case(&c);
      c = draw_case(&random, 100);
    }
    draw_exponents(&c, &random);
    memset(c.exponents + (of_up ? 0 : most_of(&c)), 0, most_of(&c));
    uint8_t *out = new_out(&c);
    uint8_t *of_stack = new_out(&c);
    struct duplex_stack *stack;
    struct duplex_weights *up, *down;
    const struct duplex_stack_options options = {.backend.channels = 2};
    run_part(&c, 0, c.inner, 1, out);
    assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), 0);
    assert_int_equal(
        duplex_stack_upload_gated(stack, c.gate, c.up, c.inner, c.columns, of_up ? NULL : c.exponents,
                                  of_up ? c.exponents + most_of(&c) : NULL, &up),
        0);
    assert_int_equal(
        duplex_stack_upload(stack, c.down, c.rows, c.inner, c.exponents + 2 * (size_t)most_of(&c), &down), 0);
    assert_int_equal(duplex_stack_expert(stack, up, down, c.activation, c.x, c.tokens,
                                         (enum duplex_format)c.format, of_stack),
                     0);
    duplex_stack_close(stack);
    assert_memory_equal(out, of_stack, (size_t)c.tokens * c.rows * element_bytes(c.format));
    free(out);
    free(of_stack);
    free_case(&c);
  }
}

static void test_stack(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 25 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 3000 + i);
    struct expert_case c = draw_case(&random, 200);
    if (i % 2) draw_exponents(&c, &random);
    uint8_t *out = new_out(&c);
    uint8_t *of_stack = new_out(&c);
    run_part(&c, 0, c.inner, 2, out);
    run_stack(&c, 1 + (unsigned)duplex_random_below(&random, 5), of_stack);
    assert_memory_equal(out, of_stack, (size_t)c.tokens * c.rows * element_bytes(c.format));
    free(out);
    free(of_stack);
    free_case(&c);
  }
}

static const duplex_f16 *no_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  (void)context, (void)first, (void)count, (void)room;
  return NULL;
}

static void test_refusals(void **state) {
  (void)state;
  const duplex_f16 x[4] = {0};
  uint8_t out[64];
  memset(out, 0xa5, sizeof out);
  const struct xpu_dense dense = {x, 1};
  const struct xpu_expert good = {.x = x,
                                  .x_stride = 1,
                                  .tokens = 2,
                                  .columns = 1,
                                  .inner = 1,
                                  .rows = 1,
                                  .gate = xpu_dense_weights(&dense),
                                  .up = xpu_dense_weights(&dense),
                                  .down = xpu_dense_weights(&dense),
                                  .activation = duplex_activation_builtin("silu"),
                                  .format = DUPLEX_RESULT_FORMAT_F32,
                                  .out = out,
                                  .out_stride = 2};
  struct xpu_expert empty = good;
  empty.inner = 0;
  assert_int_equal(xpu_expert_run(&empty), DUPLEX_OK);
  assert_memory_equal(out, "\0\0\0\0\xa5\xa5\xa5\xa5\0\0\0\0\xa5", 13);
  assert_int_equal(xpu_expert_run(&good), DUPLEX_OK);
  assert_int_equal(xpu_expert_run(NULL), DUPLEX_ERROR_ARGUMENT);
  enum { BAD = 14 };
  struct xpu_expert bad[BAD];
  for (int i = 0; i < BAD; i++) bad[i] = good;
  bad[0].x = NULL;
  bad[1].up.rows = NULL;
  bad[2].down.rows = NULL;
  bad[3].activation = NULL;
  bad[4].out = NULL;
  bad[5].tokens = 0;
  bad[6].columns = 0;
  bad[7].rows = 0;
  bad[8].inner = 65537;
  bad[9].out_stride = 0;
  bad[10].down.stride = 0;
  bad[11].add = true;  // of binary32
  bad[12].format = (enum duplex_result_format)3;
  bad[13].gate.stride = 0;
  for (int i = 0; i < BAD; i++) assert_int_equal(xpu_expert_run(&bad[i]), DUPLEX_ERROR_ARGUMENT);
  struct xpu_expert broken[] = {good, good, good};
  broken[0].gate.rows = no_rows;
  broken[1].up.rows = no_rows;
  broken[2].down.rows = no_rows;
  for (int i = 0; i < 3; i++) assert_int_equal(xpu_expert_run(&broken[i]), DUPLEX_ERROR_IO);
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_expert: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_parts),
                                     cmocka_unit_test(test_long),   cmocka_unit_test(test_one_of_both),
                                     cmocka_unit_test(test_stack),  cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
