// SPDX-License-Identifier: Apache-2.0
// Kernels that end without waiting for their descriptors: the job is refused by name, and the next one is
// right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the first three before it.
#include <cmocka.h>

#include "driver/bundle_owner.h"
#include "driver/queue.h"
#include "duplex/error.h"

enum { M = 3, N = 70, K = 130 };
// The faults of tests/controller/faulty/kernel_faulty.c.
enum { STACK_OVERFLOW = 5, INTERRUPT = 10, NO_FINISH, PUSH_AFTER_FINISH, REFUSES_LATE, FINISHES };

static char folder[4096];  // the build folder
static duplex_f16 x[M * K], w[N * K];

static struct duplex_stack *open_stack(void) {
  char elf[4200], text[512] = "";
  snprintf(elf, sizeof elf, "%s/tests/controller/faulty.elf", folder);
  const struct duplex_riscv_options riscv = {.elf = elf};
  const struct duplex_stack_options options = {.backend = {.channels = 2, .threads = 1}, .riscv = &riscv};
  struct duplex_stack *stack;
  if (duplex_stack_open("cmodel", &options, &stack, text, sizeof text)) fail_msg("%s", text);
  return stack;
}

static void assert_right(struct duplex_stack *stack, const struct duplex_weights *weights) {
  duplex_f16 y[M * N];
  memset(y, 0x55, sizeof y);
  if (duplex_stack_gemm(stack, weights, x, M, DUPLEX_F16, y)) fail_msg("%s", duplex_stack_last_error(stack));
  for (unsigned i = 0; i < M * N; i++) assert_int_equal(y[i], duplex_f16_from_double(K * 0.5));
}

// The error of a message to the faulty kernel.
static int run_fault(struct duplex_stack *stack, uint32_t fault, struct completion *completion) {
  uint32_t number;
  assert_int_equal(bundle_owner_set(stack, stack->bundles), 0);
  assert_int_equal(queue_submit(stack, 64, &fault, sizeof fault, &number), 0);
  return queue_wait(stack, number, UINT64_MAX, completion);
}

static void test_descriptors_left(void **state) {
  static const struct {
    uint32_t fault, status, detail;
    const char *text;
  } cases[] = {
      {NO_FINISH, COMPLETION_UNFINISHED, 3,
       "kind 64 left 3 descriptors that it did not wait for (ring_finish"},
      {PUSH_AFTER_FINISH, COMPLETION_UNFINISHED, 1, "kind 64 left 1 descriptors that it did not wait for"},
      {REFUSES_LATE, COMPLETION_ARGUMENT, 0, "refused the message of kind 64: the number at byte 0"},
      {99, COMPLETION_ARGUMENT, 0, "refused the message of kind 64: the number at byte 0"},
  };
  struct duplex_stack *stack = open_stack();
  struct duplex_weights *weights;
  struct completion completion;
  (void)state;
  assert_int_equal(duplex_stack_upload(stack, w, N, K, NULL, &weights), 0);
  assert_right(stack, weights);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(run_fault(stack, cases[i].fault, &completion), DUPLEX_ERROR_FIRMWARE);
    assert_int_equal(completion.status, cases[i].status);
    assert_int_equal(completion.detail, cases[i].detail);
    if (!strstr(duplex_stack_last_error(stack), cases[i].text))
      fail_msg("'%s': expected '%s'", duplex_stack_last_error(stack), cases[i].text);
    assert_right(stack, weights);
    if (run_fault(stack, FINISHES, &completion)) fail_msg("%s", duplex_stack_last_error(stack));
    assert_int_equal(completion.descriptors, 3);
    assert_right(stack, weights);
  }
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static void test_stack_overflow(void **state) {
  struct duplex_stack *stack = open_stack();
  struct completion completion;
  (void)state;
  assert_int_equal(run_fault(stack, STACK_OVERFLOW, &completion), DUPLEX_ERROR_FIRMWARE);
  const char *said = duplex_stack_last_error(stack);
  if (!strstr(said, "stack overflow: store to bad memory 0x80020") || !strstr(said, "overflow_stack"))
    fail_msg("%s", said);
  duplex_stack_close(stack);
}

static void test_messages_that_no_kernel_takes(void **state) {
  struct duplex_stack *stack = open_stack();
  struct completion completion;
  uint32_t number, word = 0;
  (void)state;
  assert_int_equal(bundle_owner_set(stack, stack->bundles), 0);
  assert_int_equal(queue_submit(stack, 99, &word, sizeof word, &number), 0);
  assert_int_equal(queue_wait(stack, number, UINT64_MAX, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_string_equal(duplex_stack_last_error(stack), "the firmware has no kernel for messages of kind 99");
  assert_int_equal(queue_submit(stack, 64, &word, 0, &number), 0);
  assert_int_equal(queue_wait(stack, number, UINT64_MAX, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_non_null(strstr(duplex_stack_last_error(stack), "its length is not that of kind 64"));
  duplex_stack_close(stack);
}

int main(int argc, char **argv) {
  (void)argc;
  const char *slash = strrchr(argv[0], '/');
  snprintf(folder, sizeof folder, "%.*s/../..", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
  for (unsigned i = 0; i < M * K; i++) x[i] = duplex_f16_from_double(0.5);
  for (unsigned i = 0; i < N * K; i++) w[i] = duplex_f16_from_double(1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_descriptors_left),
      cmocka_unit_test(test_stack_overflow),
      cmocka_unit_test(test_messages_that_no_kernel_takes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
