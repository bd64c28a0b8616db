// SPDX-License-Identifier: Apache-2.0
// What the tests of job queues and of the RV32 controller share: one small GEMM with its right answer, on the
// native and the RV32 firmware over the C model, and on the RV32 firmware over the RTL.
#ifndef DUPLEX_CONTROLLER_CASE_H
#define DUPLEX_CONTROLLER_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the first three before it.
#include <cmocka.h>

#include "driver/bundle_owner.h"
#include "driver/queue.h"
#include "driver/transfer.h"
#include "duplex/duplex.h"
#include "duplex/random.h"

enum { M = 5, N = 300, K = 700, CHANNELS = 2, ROWS = 2000 };

static duplex_f16 x[M * K], w[N * K], expected[M * N];

struct setup {
  const char *backend;
  bool riscv;
};
static inline struct setup setup_of(void **state) { return **(struct setup **)state; }

static inline struct duplex_stack *open_with(struct setup setup, struct duplex_riscv_options riscv,
                                             uint64_t watchdog) {
  const struct duplex_stack_options options = {
      .backend = {.channels = CHANNELS}, .watchdog_clocks = watchdog, .riscv = setup.riscv ? &riscv : NULL};
  struct duplex_stack *stack;
  char text[512] = "";
  if (duplex_stack_open(setup.backend, &options, &stack, text, sizeof text)) fail_msg("%s", text);
  return stack;
}

static inline struct duplex_stack *open_stack(struct setup setup) {
  return open_with(setup, (struct duplex_riscv_options){0}, 0);
}

static inline struct duplex_weights *upload(struct duplex_stack *stack) {
  struct duplex_weights *weights;
  assert_int_equal(duplex_stack_upload(stack, w, N, K, NULL, &weights), 0);
  return weights;
}

static inline void assert_right(struct duplex_stack *stack, const struct duplex_weights *weights) {
  duplex_f16 y[M * N];
  memset(y, 0x55, sizeof y);
  const int error = duplex_stack_gemm(stack, weights, x, M, DUPLEX_F16, y);
  if (error) fail_msg("%s", duplex_stack_last_error(stack));
  assert_memory_equal(y, expected, sizeof y);
}

static inline struct duplex_job *start(struct duplex_stack *stack, const struct duplex_weights *weights) {
  struct duplex_job *job;
  assert_int_equal(duplex_stack_start_gemm(stack, weights, x, M, DUPLEX_F16, &job), 0);
  return job;
}

static inline void wait_right(struct duplex_job *job) {
  duplex_f16 y[M * N];
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
  assert_memory_equal(y, expected, sizeof y);
}

static inline int send(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes,
                       struct completion *completion) {
  uint32_t number;
  assert_int_equal(bundle_owner_set(stack, stack->bundles), 0);
  assert_int_equal(queue_submit(stack, kind, payload, bytes, &number), 0);
  return queue_wait(stack, number, UINT64_MAX, completion);
}

static inline int prepare(void **state) {
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, 1, 0);
  for (size_t i = 0; i < M * K; i++) x[i] = duplex_f16_from_double(duplex_random_normal(&random));
  for (size_t i = 0; i < (size_t)N * K; i++) w[i] = duplex_f16_from_double(duplex_random_normal(&random));
  struct duplex_stack *stack = open_stack((struct setup){"cmodel", false});
  struct duplex_weights *weights = upload(stack);
  const int error = duplex_stack_gemm(stack, weights, x, M, DUPLEX_F16, expected);
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
  return error;
}

#define WITH(test, setup) \
  { #test " " #setup, test, NULL, NULL, (void *)&setup }
#define ON_ALL(test) WITH(test, native), WITH(test, riscv), WITH(test, rtl_riscv)

static const struct setup native = {"cmodel", false};
static const struct setup riscv = {"cmodel", true};
static const struct setup rtl_riscv = {"rtl", true};

#endif
