// SPDX-License-Identifier: Apache-2.0
// Job queues: full ones, cancelled jobs, resets, clients that come, go, die and write nonsense.
// After each the next job gives the right answer.
#include <stdlib.h>

#include "duplex/error.h"
#include "duplex/registers.h"
#include "tests/common/environment.h"
#include "tests/controller/controller_case.h"

// A short run has fewer rounds on the RTL, whose clocks take a hundred times as long.
static bool has_few_rounds(struct setup setup) {
  return !strcmp(setup.backend, "rtl") && environment_count("DUPLEX_CASES") == 1;
}

// When the next job is interrupted.
static uint64_t later(struct setup setup, uint64_t clocks) {
  return clocks + 1 + clocks / (has_few_rounds(setup) ? 1 : 2);
}

static void test_full_queue(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_weights *weights = upload(stack);
  struct duplex_job *job[PROTOCOL_ENTRIES], *other;
  const int rounds = has_few_rounds(setup_of(state)) ? 1 : 3;
  for (int round = 0; round < rounds; round++) {
    for (unsigned i = 0; i < PROTOCOL_ENTRIES; i++) job[i] = start(stack, weights);
    assert_int_equal(duplex_stack_start_gemm(stack, weights, x, M, DUPLEX_F16, &other),
                     DUPLEX_ERROR_QUEUE_FULL);
    assert_null(other);
    for (unsigned i = 0; i < PROTOCOL_ENTRIES; i++) wait_right(job[i]);
  }
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static void test_cancel_before(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_weights *weights = upload(stack);
  struct duplex_job *job[4];
  duplex_f16 y[M * N];
  for (unsigned i = 0; i < 4; i++) job[i] = start(stack, weights);
  duplex_stack_cancel(job[1]);
  duplex_stack_cancel(job[3]);
  wait_right(job[0]);
  assert_int_equal(duplex_stack_wait(job[1], UINT64_MAX, y), DUPLEX_ERROR_CANCELLED);
  wait_right(job[2]);
  assert_int_equal(duplex_stack_wait(job[3], UINT64_MAX, y), DUPLEX_ERROR_CANCELLED);
  for (unsigned i = 0; i < 10; i++) assert_right(stack, weights);  // old cancels hit no new job
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static uint32_t produced(struct duplex_stack *stack) {
  uint32_t value = 0;
  assert_int_equal(stack->backend->ops->reg_read(stack->backend, DUPLEX_REG_DOORBELL, &value), 0);
  return value;
}

static void test_cancel_in_mid_job(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_weights *weights = upload(stack);
  duplex_f16 y[M * N];
  // late: when the stack has all descriptors
  unsigned cancelled = 0;
  unsigned cancelled_late = 0;
  const uint32_t none = produced(stack);
  assert_right(stack, weights);
  const uint32_t all = produced(stack) - none;
  for (uint64_t clocks = 1; clocks < 20000; clocks = later(setup_of(state), clocks)) {
    const uint32_t before = produced(stack);
    struct duplex_job *job = start(stack, weights), *other;
    int error = duplex_stack_wait(job, clocks, y);
    if (error == DUPLEX_ERROR_BUSY) {
      const bool late = ((produced(stack) - before) & 0xffff) == all;
      assert_int_equal(duplex_stack_start_gemm(stack, weights, x, M, DUPLEX_F16, &other), DUPLEX_ERROR_BUSY);
      duplex_stack_cancel(job);
      error = duplex_stack_wait(job, UINT64_MAX, y);
      cancelled += error == DUPLEX_ERROR_CANCELLED;
      cancelled_late += late && error == DUPLEX_ERROR_CANCELLED;
    }
    assert_true(error == 0 || error == DUPLEX_ERROR_CANCELLED);
    if (error == 0) assert_memory_equal(y, expected, sizeof y);
    assert_right(stack, weights);
  }
  if (setup_of(state).riscv)
    assert_true(cancelled > 5 && cancelled_late > 0);  // native firmware is not interrupted
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static void test_reset_in_mid_job(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_weights *weights = upload(stack);
  duplex_f16 y[M * N];
  for (uint64_t clocks = 1; clocks < 20000; clocks = later(setup_of(state), clocks)) {
    struct duplex_job *job = start(stack, weights);
    const int error = duplex_stack_wait(job, clocks, y);
    assert_int_equal(duplex_stack_reset(stack), 0);
    if (error == DUPLEX_ERROR_BUSY)
      assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), DUPLEX_ERROR_FIRMWARE);
    assert_right(stack, weights);
  }
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static void test_clients(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state)), *client[PROTOCOL_QUEUES - 1], *more;
  struct duplex_weights *weights = upload(stack), *own[PROTOCOL_QUEUES - 1];
  for (unsigned i = 0; i < PROTOCOL_QUEUES - 1; i++) {
    assert_int_equal(duplex_stack_open_client(stack, ROWS, &client[i]), 0);
    own[i] = upload(client[i]);
  }
  assert_int_equal(duplex_stack_open_client(stack, ROWS, &more), DUPLEX_ERROR_QUEUE_FULL);
  assert_int_equal(duplex_stack_open_client(stack, DUPLEX_BANK_ROWS, &more), DUPLEX_ERROR_ARGUMENT);
  struct duplex_job *job[PROTOCOL_QUEUES - 1], *first = start(stack, weights);
  for (unsigned i = 0; i < PROTOCOL_QUEUES - 1; i++) job[i] = start(client[i], own[i]);
  for (unsigned i = PROTOCOL_QUEUES - 1; i-- > 0;) wait_right(job[i]);
  wait_right(first);
  duplex_stack_close(client[0]);
  assert_right(stack, weights);
  duplex_stack_close(stack);  // the others go on
  assert_right(client[1], own[1]);
  duplex_stack_release(client[1], own[1]);
  duplex_stack_release(client[2], own[2]);
  duplex_stack_close(client[1]);
  duplex_stack_close(client[2]);
}

static void test_client_dies_in_mid_job(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_weights *weights = upload(stack);
  duplex_f16 y[M * N];
  for (uint64_t clocks = 0; clocks < 3000; clocks += 1 + clocks) {
    struct duplex_stack *client;
    if (duplex_stack_open_client(stack, 64, &client)) fail_msg("%s", duplex_stack_last_error(stack));
    struct duplex_weights *own = upload(client);
    struct duplex_job *job = start(client, own);
    start(client, own);
    if (clocks) duplex_stack_wait(job, clocks, y);
    duplex_stack_close(client);  // with a job under way and one in the queue
    assert_right(stack, weights);
  }
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

// A client that writes nonsense into its counters or headers harms itself only.
static void test_client_writes_nonsense(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state)), *client;
  assert_int_equal(duplex_stack_open_client(stack, ROWS, &client), 0);
  struct duplex_weights *weights = upload(stack);
  struct duplex_weights *own = upload(client);
  struct queue *queue = &stack->shared->controller->mailbox->queue[client->queue.index];
  struct completion completion;
  duplex_f16 y[M * N];
  struct duplex_job *job = start(client, own);
  queue->messages[0].version = 7;
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), DUPLEX_ERROR_FIRMWARE);
  job = start(client, own);
  queue->messages[1].length = UINT32_MAX;
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), DUPLEX_ERROR_FIRMWARE);
  assert_right(client, own);
  queue->produced += 1000;
  assert_right(stack, weights);
  assert_right(stack, weights);  // the client's queue has been looked at now
  assert_int_equal(queue->generation, 0);
  assert_int_equal(send(client, MESSAGE_GEMM, &completion, 4, &completion),
                   DUPLEX_ERROR_FIRMWARE);  // unanswered: a reset
  assert_right(client, own);
  queue->collected += 99;
  assert_right(stack, weights);
  assert_int_equal(duplex_stack_reset(stack), 0);
  assert_right(client, own);
  assert_right(stack, weights);
  duplex_stack_release(stack, weights);
  duplex_stack_release(client, own);
  duplex_stack_close(client);
  duplex_stack_close(stack);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_ALL(test_full_queue),
      ON_ALL(test_cancel_before),
      ON_ALL(test_cancel_in_mid_job),
      ON_ALL(test_reset_in_mid_job),
      ON_ALL(test_clients),
      ON_ALL(test_client_dies_in_mid_job),
      ON_ALL(test_client_writes_nonsense),
  };
  return cmocka_run_group_tests(tests, prepare, NULL);
}
