// SPDX-License-Identifier: Apache-2.0
// Wrong calls of the library on a real stack: each is refused with a code and a text before anything is done,
// and the stack goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/layer.h"

#define TOKENS 2u
#define ROWS 6u
#define COLUMNS 64u

static duplex_f16 x[TOKENS * COLUMNS];
static duplex_f16 ones[ROWS * COLUMNS];
static duplex_f16 twos[ROWS * COLUMNS];

static struct duplex_stack *open_stack(void) {
  struct duplex_stack *stack;
  const struct duplex_stack_options options = {.backend = {.channels = 2, .threads = 1}};
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), DUPLEX_OK);
  return stack;
}

static struct duplex_weights *resident(struct duplex_stack *stack, const duplex_f16 *w) {
  struct duplex_weights *weights;
  assert_int_equal(duplex_stack_upload(stack, w, ROWS, COLUMNS, NULL, &weights), DUPLEX_OK);
  return weights;
}

// The stack still computes, and right.
static void expect_good(struct duplex_stack *stack, const struct duplex_weights *weights, double value) {
  duplex_f16 y[TOKENS * ROWS];
  assert_int_equal(duplex_stack_gemm(stack, weights, x, TOKENS, DUPLEX_F16, y), DUPLEX_OK);
  for (unsigned i = 0; i < TOKENS * ROWS; i++)
    assert_int_equal(y[i], duplex_f16_from_double(value * COLUMNS));
}

static void expect_refused(struct duplex_stack *stack, int error, const char *text) {
  assert_int_equal(error, DUPLEX_ERROR_ARGUMENT);
  if (!strstr(duplex_stack_last_error(stack), text))
    fail_msg("'%s': expected '%s'", duplex_stack_last_error(stack), text);
}

static void test_weights_of_another_stack(void **state) {
  struct duplex_stack *stack = open_stack();
  struct duplex_stack *other = open_stack();
  struct duplex_weights *own = resident(stack, ones);
  struct duplex_weights *foreign = resident(other, twos);
  duplex_f16 y[TOKENS * COLUMNS];
  (void)state;
  const struct duplex_activation_table *table = duplex_activation_builtin("relu");
  expect_refused(stack, duplex_stack_gemm(stack, foreign, x, TOKENS, DUPLEX_F16, y), "another stack");
  expect_refused(stack, duplex_stack_expert(stack, foreign, own, table, x, TOKENS, DUPLEX_F16, y),
                 "another stack");
  expect_refused(stack, duplex_stack_expert(stack, own, foreign, table, x, TOKENS, DUPLEX_F16, y),
                 "another stack");
  expect_good(stack, own, 1);
  expect_good(other, foreign, 2);
  duplex_stack_release(other, own);  // the DRAM that is freed is that of their own stack
  resident(other, ones);
  expect_good(other, foreign, 2);
  duplex_stack_close(other);
  duplex_stack_close(stack);
}

static void test_gated_and_format(void **state) {
  struct duplex_stack *stack = open_stack();
  struct duplex_weights *own = resident(stack, ones);
  struct duplex_weights *gated;
  uint8_t y[TOKENS * ROWS * 16];
  (void)state;
  assert_int_equal(duplex_stack_upload_gated(stack, ones, twos, ROWS, COLUMNS, NULL, NULL, &gated),
                   DUPLEX_OK);
  expect_refused(stack, duplex_stack_gemm(stack, gated, x, TOKENS, DUPLEX_F16, y), "gate and up");
  expect_refused(stack, duplex_stack_gemm(stack, own, x, TOKENS, (enum duplex_format)(DUPLEX_ACC + 1), y),
                 "format 3");
  expect_refused(stack, duplex_stack_gemm(stack, own, x, TOKENS, (enum duplex_format) - 1, y), "format -1");
  expect_refused(stack, duplex_stack_gemm(stack, own, x, 0, DUPLEX_F16, y), "0 tokens");
  expect_refused(stack, duplex_stack_gemm(stack, own, x, 4097, DUPLEX_F16, y), "4097 tokens");
  expect_good(stack, own, 1);
  duplex_stack_close(stack);
}

static void test_waits_out_of_order(void **state) {
  struct duplex_stack *stack = open_stack();
  struct duplex_weights *own = resident(stack, ones);
  struct duplex_job *jobs[2];
  duplex_f16 y[2][TOKENS * ROWS];
  (void)state;
  for (unsigned i = 0; i < 2; i++)
    assert_int_equal(duplex_stack_start_gemm(stack, own, x, TOKENS, DUPLEX_F16, &jobs[i]), DUPLEX_OK);
  expect_refused(stack, duplex_stack_wait(jobs[1], UINT64_MAX, y[1]), "in order");
  for (unsigned i = 0; i < 2; i++)  // both jobs are still there
    assert_int_equal(duplex_stack_wait(jobs[i], UINT64_MAX, y[i]), DUPLEX_OK);
  assert_memory_equal(y[0], y[1], sizeof y[0]);
  expect_good(stack, own, 1);
  duplex_stack_close(stack);
}

static void test_space_of_sequences(void **state) {
  struct duplex_stack *stack = open_stack();
  const struct duplex_kv_options options = {.heads = 1, .head_size = 16, .page_positions = 64, .pages = 2};
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequence;
  (void)state;
  assert_int_equal(duplex_kv_open(stack, &options, &cache), DUPLEX_OK);
  expect_refused(stack, duplex_kv_begin(cache, (enum duplex_kv_space)9, 1, &sequence), "space 9");
  assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, &sequence), DUPLEX_OK);
  duplex_kv_close(cache);
  duplex_stack_close(stack);
}

// What a child of fork does with a stack of its parent whose back end has a thread; the number of the call
// that was not refused, or 0.
static int use_of_parent(struct duplex_stack *stack, struct duplex_weights *weights,
                         struct duplex_kv_cache *cache) {
  duplex_f16 y[TOKENS * ROWS];
  struct duplex_weights *more;
  struct duplex_stack *client;
  struct duplex_sequence *sequence;
  const int errors[] = {
      duplex_stack_gemm(stack, weights, x, TOKENS, DUPLEX_F16, y),
      duplex_stack_upload(stack, ones, ROWS, COLUMNS, NULL, &more),
      duplex_stack_release(stack, weights),
      duplex_stack_set_stripe(stack, 1),
      duplex_stack_hand_over(stack, 0),
      duplex_stack_open_client(stack, 1, &client),
      duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, &sequence),
      duplex_kv_close(cache),
      duplex_stack_reset(stack),
      duplex_stack_end_files(stack),
  };
  for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i] != DUPLEX_ERROR_ARGUMENT || !strstr(duplex_stack_last_error(stack), "after fork"))
      return (int)i + 1;
  duplex_stack_close(stack);
  // One of its own works.
  const struct duplex_stack_options options = {.backend = {.channels = 2, .threads = 2}};
  if (duplex_stack_open("cmodel", &options, &stack, NULL, 0)) return 100;
  if (duplex_stack_upload(stack, ones, ROWS, COLUMNS, NULL, &more)) return 101;
  if (duplex_stack_gemm(stack, more, x, TOKENS, DUPLEX_F16, y)) return 102;
  duplex_stack_close(stack);
  return 0;
}

static void test_child_of_fork(void **state) {
  const struct duplex_stack_options options = {.backend = {.channels = 2, .threads = 2}};
  const struct duplex_kv_options kv = {.heads = 1, .head_size = 16, .page_positions = 64, .pages = 2};
  struct duplex_stack *stack;
  struct duplex_kv_cache *cache;
  (void)state;
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), DUPLEX_OK);
  struct duplex_weights *own = resident(stack, ones);
  assert_int_equal(duplex_kv_open(stack, &kv, &cache), DUPLEX_OK);
  expect_good(stack, own, 1);  // the back end has its thread now
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // it does not hang
    _exit(use_of_parent(stack, own, cache));
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  expect_good(stack, own, 1);
  duplex_stack_close(stack);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_weights_of_another_stack),
      cmocka_unit_test(test_gated_and_format),
      cmocka_unit_test(test_waits_out_of_order),
      cmocka_unit_test(test_space_of_sequences),
      cmocka_unit_test(test_child_of_fork),
  };
  for (unsigned i = 0; i < TOKENS * COLUMNS; i++) x[i] = duplex_f16_from_double(1);
  for (unsigned i = 0; i < ROWS * COLUMNS; i++) {
    ones[i] = duplex_f16_from_double(1);
    twos[i] = duplex_f16_from_double(2);
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
