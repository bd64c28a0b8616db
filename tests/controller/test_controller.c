// SPDX-License-Identifier: Apache-2.0
// Job queues and the RV32 controller: refusals, cancel, reset in mid-job, full queues, clients that die,
// firmware that crashes or hangs, damaged files. After each the next job gives the right answer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// CMocka needs the first three before it.
#include <cmocka.h>

#include "driver/bundle_owner.h"
#include "driver/queue.h"
#include "driver/transfer.h"
#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "duplex/registers.h"

#define AT(member) (uint32_t) offsetof(struct attention_message, member)

#define BUILD_ELF "firmware.elf"
enum { M = 5, N = 300, K = 700, CHANNELS = 2, ROWS = 2000 };

static char folder[4096];  // the build folder
static duplex_f16 x[M * K], w[N * K], expected[M * N];

struct setup {
  const char *backend;
  bool riscv;
};
static struct setup setup_of(void **state) { return **(struct setup **)state; }

static const char *elf_path(const char *name) {
  static char path[4200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static struct duplex_stack *open_with(struct setup setup, struct duplex_riscv_options riscv,
                                      uint64_t watchdog) {
  const struct duplex_stack_options options = {
      .backend = {.channels = CHANNELS}, .watchdog_clocks = watchdog, .riscv = setup.riscv ? &riscv : NULL};
  struct duplex_stack *stack;
  char text[512] = "";
  if (duplex_stack_open(setup.backend, &options, &stack, text, sizeof text)) fail_msg("%s", text);
  return stack;
}

static struct duplex_stack *open_stack(struct setup setup) {
  return open_with(setup, (struct duplex_riscv_options){0}, 0);
}

static struct duplex_weights *upload(struct duplex_stack *stack) {
  struct duplex_weights *weights;
  assert_int_equal(duplex_stack_upload(stack, w, N, K, NULL, &weights), 0);
  return weights;
}

static void assert_right(struct duplex_stack *stack, const struct duplex_weights *weights) {
  duplex_f16 y[M * N];
  memset(y, 0x55, sizeof y);
  const int error = duplex_stack_gemm(stack, weights, x, M, DUPLEX_F16, y);
  if (error) fail_msg("%s", duplex_stack_last_error(stack));
  assert_memory_equal(y, expected, sizeof y);
}

static struct duplex_job *start(struct duplex_stack *stack, const struct duplex_weights *weights) {
  struct duplex_job *job;
  assert_int_equal(duplex_stack_start_gemm(stack, weights, x, M, DUPLEX_F16, &job), 0);
  return job;
}

static void wait_right(struct duplex_job *job) {
  duplex_f16 y[M * N];
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
  assert_memory_equal(y, expected, sizeof y);
}

static void test_full_queue(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_weights *weights = upload(stack);
  struct duplex_job *job[PROTOCOL_ENTRIES], *other;
  for (int round = 0; round < 3; round++) {
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
  unsigned cancelled = 0, cancelled_late = 0;  // late: when the stack has all descriptors
  const uint32_t none = produced(stack);
  assert_right(stack, weights);
  const uint32_t all = produced(stack) - none;
  for (uint64_t clocks = 1; clocks < 20000; clocks += 1 + clocks / 2) {
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
  for (uint64_t clocks = 1; clocks < 20000; clocks += 1 + clocks / 2) {
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

static int send(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes,
                struct completion *completion) {
  uint32_t number;
  assert_int_equal(bundle_owner_set(stack, stack->bundles), 0);
  assert_int_equal(queue_submit(stack, kind, payload, bytes, &number), 0);
  return queue_wait(stack, number, UINT64_MAX, completion);
}

static struct gemm_message good_message(const struct duplex_weights *weights) {
  return (struct gemm_message){.weights = {N, K, 0, weights->region.base, weights->region.stripe},
                               .x = {8000, 0xf},
                               .results = {8100, 0xf},
                               .groups = 1};
}

// Whatever a message names outside its client's rows is refused, by every word that names it.
static void test_regions(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state)), *client;
  assert_int_equal(duplex_stack_open_client(stack, ROWS, &client), 0);
  struct duplex_weights *weights = upload(stack), *own = upload(client);
  const uint32_t theirs = own->region.base;
  struct completion completion;
  struct gemm_message m = good_message(weights);
  assert_int_equal(send(stack, MESSAGE_GEMM, &m, sizeof m, &completion), 0);
  struct {
    uint32_t *word, value;
    uint32_t status, detail;
  } wrong[] = {
      {&m.weights.base, theirs, COMPLETION_REGION, 0},
      {&m.x.base, theirs, COMPLETION_REGION, 20},
      {&m.results.base, theirs, COMPLETION_REGION, 28},
      {&m.results.base, 65536, COMPLETION_REGION, 28},
      {&m.results.base, UINT32_MAX, COMPLETION_REGION, 28},
      {&m.results.stripe, 0, COMPLETION_REGION, 28},
      {&m.results.stripe, 0x1f, COMPLETION_REGION, 28},
      {&m.weights.rows, 0, COMPLETION_ARGUMENT, 0},
      {&m.weights.rows, 1u << 30, COMPLETION_ARGUMENT, 0},
      {&m.weights.k, 65537, COMPLETION_ARGUMENT, 0},
      {&m.weights.flags, 1, COMPLETION_ARGUMENT, 0},
      {&m.format, 3, COMPLETION_ARGUMENT, 36},
      {&m.groups, 0, COMPLETION_ARGUMENT, 40},
      {&m.groups, 1025, COMPLETION_ARGUMENT, 40},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const uint32_t right = *wrong[i].word;
    *wrong[i].word = wrong[i].value;
    assert_int_equal(send(stack, MESSAGE_GEMM, &m, sizeof m, &completion), DUPLEX_ERROR_FIRMWARE);
    assert_int_equal(completion.status, wrong[i].status);
    assert_int_equal(completion.detail, wrong[i].detail);
    assert_int_equal(completion.descriptors, 0);
    *wrong[i].word = right;
  }
  m.weights.base = weights->region.base;
  assert_int_equal(send(client, MESSAGE_GEMM, &m, sizeof m, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.status, COMPLETION_REGION);
  assert_int_equal(send(stack, 99, &m, sizeof m, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.status, COMPLETION_KIND);
  assert_int_equal(send(stack, MESSAGE_GEMM, &m, sizeof m - 4, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.status, COMPLETION_LENGTH);
  assert_right(client, own);
  assert_right(stack, weights);
  duplex_stack_release(stack, weights);
  duplex_stack_release(client, own);
  duplex_stack_close(client);
  duplex_stack_close(stack);
}

// A list of which a later sequence is wrong: what is in the ring is dropped, and the same job with the right
// list runs after it.
static void test_attention_list(void **state) {
  enum { HEADS = 2, D = 64, LENGTH = 70, BATCH = 6 };
  struct duplex_stack *stack = open_stack(setup_of(state));
  const struct duplex_kv_options options = {
      .heads = HEADS, .head_size = D, .page_positions = 128, .pages = BATCH};
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequences[BATCH];
  static duplex_f16 right[BATCH * HEADS * D], o[BATCH * HEADS * D];
  assert_int_equal(duplex_kv_open(stack, &options, &cache), 0);
  for (unsigned i = 0; i < BATCH; i++) {
    assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, LENGTH, &sequences[i]), 0);
    assert_int_equal(duplex_kv_append(sequences[i], 0, w + i, w + 20000 + i, LENGTH, 0), 0);
  }
  assert_int_equal(duplex_stack_attention(cache, 0, sequences, BATCH, x, HEADS, 0, right), 0);
  struct queue *queue = &stack->shared->controller->mailbox->queue[stack->queue.index];
  struct attention_message m;
  memcpy(&m, queue->messages[(stack->queue.produced - 1) % PROTOCOL_ENTRIES].payload, sizeof m);
  const uint32_t last = BATCH - 1, segment = BATCH + 2 * last;
  const struct {
    uint32_t word, value, status, detail;
  } wrong[] = {
      {last, 0, COMPLETION_ARGUMENT, AT(sequences)},
      {last, 2, COMPLETION_ARGUMENT, AT(sequences)},
      {last, 4u << 24 | 1, COMPLETION_ARGUMENT, AT(sequences)},
      {1, 2, COMPLETION_ARGUMENT, AT(sequences)},
      {segment, UINT32_MAX, COMPLETION_REGION, AT(segments)},
      {segment + 1, 0, COMPLETION_REGION, AT(segments)},
      {segment + 1, 1u << 24 | 131073, COMPLETION_REGION, AT(segments)},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct completion completion;
    const uint32_t good = queue->list[wrong[i].word];
    queue->list[wrong[i].word] = wrong[i].value;
    assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), DUPLEX_ERROR_FIRMWARE);
    assert_int_equal(completion.status, wrong[i].status);
    assert_int_equal(completion.detail, wrong[i].detail);
    assert_true(completion.descriptors > 0);
    queue->list[wrong[i].word] = good;
    assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), 0);
    assert_int_equal(completion.descriptors, BATCH);
  }
  assert_int_equal(duplex_stack_attention(cache, 0, sequences, BATCH, x, HEADS, 0, o), 0);
  assert_memory_equal(o, right, sizeof o);
  duplex_kv_close(cache);
  duplex_stack_close(stack);
}

// Scores that do not fit the slices need room in DRAM: 20,000 positions of 8 lanes.
static void test_scores_without_room_are_refused(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  uint32_t *list = stack->shared->controller->mailbox->queue[stack->queue.index].list;
  const uint32_t blocks = (20000 + 63) / 64;
  struct region kv, qo, scores;
  struct completion completion;
  assert_true(space_take(stack->space, 1, 2 * blocks, &kv) && space_take(stack->space, 2, 2, &qo));
  struct attention_message m = {.kv = {kv.base, 1},
                                .qo = {qo.base, 2},
                                .kv_row_sets = 2 * blocks,
                                .slot_stride = 2 * blocks,
                                .v_block_stride = blocks,
                                .head_size = 64,
                                .heads = 1,
                                .scale = 0x3e38aa3b,
                                .sequences = 1,
                                .segments = 1};
  list[0] = 1 | 3u << 24, list[1] = kv.base | (kv.base + blocks) << 16, list[2] = 20000 | 0xffu << 24;
  const struct attention_segment segment = {0, 0, 20000};
  const uint32_t room = attention_score_room(&segment, 1, 3, 0);
  assert_true(space_take(stack->space, 2, room, &scores));
  m.scores = (struct region_words){scores.base, 2};
  m.score_row_sets = room - 1;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.status, COMPLETION_REGION);
  assert_int_equal(completion.detail, AT(scores));
  m.score_row_sets = room;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), 0);
  duplex_stack_close(stack);
}

// The message of attention and its list: one sequence of one segment, each wrong number in turn.
static void test_attention_messages_are_checked(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  uint32_t *list = stack->shared->controller->mailbox->queue[stack->queue.index].list;
  struct region kv, qo;
  struct completion completion;
  assert_true(space_take(stack->space, 1, 4, &kv) && space_take(stack->space, 1, 2, &qo));
  struct attention_message m = {.kv = {kv.base, 1},
                                .qo = {qo.base, 1},
                                .kv_row_sets = 4,
                                .slot_stride = 2,
                                .v_block_stride = 1,
                                .head_size = 64,
                                .heads = 1,
                                .scale = 0x3e38aa3b,
                                .sequences = 1,
                                .segments = 1};
  list[0] = 1, list[1] = kv.base | (kv.base + 2) << 16, list[2] = 65 | 1 << 24;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), 0);
  assert_int_equal(completion.descriptors, 1);
  const struct {
    uint32_t *word, value, status, detail;
  } wrong[] = {
      {&m.kv.base, 1u << 20, COMPLETION_REGION, AT(kv)},
      {&m.kv.stripe, 0, COMPLETION_REGION, AT(kv)},
      {&m.kv_row_sets, 3, COMPLETION_REGION, AT(segments)},
      {&m.kv_row_sets, UINT32_MAX, COMPLETION_REGION, AT(kv)},
      {&m.qo.base, UINT32_MAX, COMPLETION_REGION, AT(qo)},
      {&m.qo.base, 65535, COMPLETION_REGION, AT(qo)},
      {&m.qo.stripe, 32, COMPLETION_REGION, AT(qo)},
      {&m.score_row_sets, 1, COMPLETION_REGION, AT(scores)},
      {&m.slot_stride, 65536, COMPLETION_ARGUMENT, AT(slot_stride)},
      {&m.v_block_stride, 65536, COMPLETION_ARGUMENT, AT(v_block_stride)},
      {&m.head_size, 72, COMPLETION_ARGUMENT, AT(head_size)},
      {&m.head_size, 0, COMPLETION_ARGUMENT, AT(head_size)},
      {&m.head_size, 272, COMPLETION_ARGUMENT, AT(head_size)},
      {&m.head_size, 128, COMPLETION_REGION, AT(segments)},
      {&m.heads, 0, COMPLETION_ARGUMENT, AT(heads)},
      {&m.heads, 257, COMPLETION_ARGUMENT, AT(heads)},
      {&m.sequences, 0, COMPLETION_ARGUMENT, AT(sequences)},
      {&m.sequences, 65, COMPLETION_ARGUMENT, AT(sequences)},
      {&m.segments, 0, COMPLETION_ARGUMENT, AT(segments)},
      {&m.segments, 2, COMPLETION_ARGUMENT, AT(sequences)},
      {&m.segments, 185, COMPLETION_ARGUMENT, AT(segments)},
      {&list[0], 0, COMPLETION_ARGUMENT, AT(sequences)},
      {&list[0], 1 | 4 << 24, COMPLETION_ARGUMENT, AT(sequences)},
      {&list[1], kv.base | (kv.base + 3) << 16, COMPLETION_REGION, AT(segments)},
      {&list[1], (kv.base + 3) | (kv.base + 2) << 16, COMPLETION_REGION, AT(segments)},
      {&list[2], 1 << 24, COMPLETION_REGION, AT(segments)},
      {&list[2], 129 | 1 << 24, COMPLETION_REGION, AT(segments)},
      {&list[2], 0xffffff | 1 << 24, COMPLETION_REGION, AT(segments)},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const uint32_t right = *wrong[i].word;
    *wrong[i].word = wrong[i].value;
    assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), DUPLEX_ERROR_FIRMWARE);
    if (completion.status != wrong[i].status || completion.detail != wrong[i].detail)
      fail_msg("case %zu: status %u, detail %u", i, completion.status, completion.detail);
    assert_int_equal(completion.descriptors, 0);
    *wrong[i].word = right;
  }
  list[2] = 65 | 2 << 24;  // a lane that is not kept: the stack refuses the descriptor
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), DUPLEX_ERROR_DEVICE);
  // Spread over two channels, each has 64 positions of 128, so that 256 fit the region; 8 channels there are
  // not.
  const uint32_t two = 1 | 1 << 21, eight = 1 | 3 << 21, all = 256 | 1 << 24, more = 257 | 1 << 24;
  list[0] = two, list[2] = more;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.status, COMPLETION_REGION);
  list[2] = all;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), 0);
  list[0] = eight;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), DUPLEX_ERROR_DEVICE);
  assert_int_equal(completion.error_code, DUPLEX_STACK_ERROR_ROWS);
  list[0] = 1, list[2] = 65 | 1 << 24;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), 0);
  duplex_stack_close(stack);
}

// A client that writes nonsense into its counters or headers harms itself only.
static void test_client_writes_nonsense(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state)), *client;
  assert_int_equal(duplex_stack_open_client(stack, ROWS, &client), 0);
  struct duplex_weights *weights = upload(stack), *own = upload(client);
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

static void test_watchdog_of_the_firmware(void **state) {
  struct duplex_stack *stack = open_with(setup_of(state), (struct duplex_riscv_options){0}, 400);
  struct duplex_weights *weights = upload(stack), *big;
  duplex_f16 y[M * N], small[64] = {0}, one = 0x3c00;
  static duplex_f16 large[64 * 65536];
  assert_int_equal(duplex_stack_upload(stack, large, 64, 65536, NULL, &big), 0);
  static duplex_f16 wide[65536];
  assert_int_equal(duplex_stack_gemm(stack, big, wide, 1, DUPLEX_F16, small), DUPLEX_ERROR_WATCHDOG);
  (void)y, (void)one;
  struct duplex_weights *tiny;
  assert_int_equal(duplex_stack_upload(stack, &one, 1, 1, NULL, &tiny), 0);
  assert_int_equal(duplex_stack_gemm(stack, tiny, &one, 1, DUPLEX_F16, small), 0);
  assert_int_equal(small[0], one);
  duplex_stack_release(stack, weights);
  duplex_stack_release(stack, big);
  duplex_stack_release(stack, tiny);
  duplex_stack_close(stack);
}

static void test_crashes(void **state) {
  (void)state;
  static const struct {
    uint32_t fault;
    const char *text[3];
  } faults[] = {
      {1, {"illegal instruction", "pc 0x8000", "kernel_faulty.c:"}},
      {2, {"load from bad memory 0x10 at pc 0x8000", "serve_faulty", "kernel_faulty.c:"}},
      {3, {"store to bad memory 0x90000000", "serve_faulty", "kernel_faulty.c:"}},
      {4, {"store to bad memory 0x80000000", "serve_faulty", "kernel_faulty.c:"}},
      {5, {"stack overflow: store to bad memory 0x80020", "overflow_stack", "kernel_faulty.c:"}},
      {6, {"watchdog", "serve_faulty", "kernel_faulty.c:"}},
      {7, {"ecall", "serve_faulty", "kernel_faulty.c:"}},
      {8, {"fetch from bad memory", "0x12340000", ""}},
      {9, {"store to bad memory 0x40000100", "", "hal.h:"}},
  };
  const struct duplex_riscv_options riscv = {.elf = elf_path("tests/controller/faulty.elf"),
                                             .quiet_instructions = 100000};
  struct duplex_stack *stack = open_with((struct setup){"cmodel", true}, riscv, 0);
  struct duplex_weights *weights = upload(stack);
  struct completion completion;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    assert_int_equal(send(stack, MESSAGE_USER, &faults[i].fault, 4, &completion), DUPLEX_ERROR_FIRMWARE);
    for (unsigned t = 0; t < 3; t++)
      if (!strstr(duplex_stack_last_error(stack), faults[i].text[t]))
        fail_msg("fault %u: no '%s' in '%s'", faults[i].fault, faults[i].text[t],
                 duplex_stack_last_error(stack));
    assert_right(stack, weights);
  }
  const uint32_t none = 0, interrupt = 10;
  assert_int_equal(send(stack, MESSAGE_USER, &none, 4, &completion), 0);
  if (send(stack, MESSAGE_USER, &interrupt, 4, &completion)) fail_msg("%s", duplex_stack_last_error(stack));
  assert_right(stack, weights);
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static void assert_refused(const uint8_t *bytes, size_t size, bool may_run) {
  char path[] = P_tmpdir "/duplex-elf-XXXXXX", text[512] = "";
  const int file = mkstemp(path);
  assert_true(file >= 0 && write(file, bytes, size) == (ssize_t)size);
  close(file);
  const struct duplex_riscv_options riscv = {.elf = path, .quiet_instructions = 100000};
  const struct duplex_stack_options options = {.backend = {.channels = 1}, .riscv = &riscv};
  struct duplex_stack *stack;
  const int error = duplex_stack_open("cmodel", &options, &stack, text, sizeof text);
  unlink(path);
  if (may_run && !error) {
    duplex_stack_close(stack);
    return;
  }
  assert_int_equal(error, DUPLEX_ERROR_ARGUMENT);
  assert_null(stack);
  assert_non_null(strstr(text, path));
}

static void test_damaged_files(void **state) {
  static uint8_t bytes[1 << 20], damaged[sizeof bytes];
  struct duplex_random random;
  (void)state;
  FILE *file = fopen(elf_path(BUILD_ELF), "rb");
  assert_non_null(file);
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  assert_refused(bytes, 0, false);
  for (size_t part = 1; part < 4200; part += 97) assert_refused(bytes, part, false);
  duplex_random_seed(&random, 1, 0);
  for (unsigned i = 0; i < 200; i++) {
    memcpy(damaged, bytes, size);
    // In the headers, then in the code.
    for (unsigned n = 0; n < 3; n++)
      damaged[duplex_random_below(&random, i % 2 ? 120 : 4096 + 5000)] =
          (uint8_t)duplex_random_below(&random, 256);
    assert_refused(damaged, size, true);
  }
  const struct duplex_riscv_options riscv = {.elf = "/nowhere/firmware.elf"};
  const struct duplex_stack_options options = {.backend = {.channels = 1}, .riscv = &riscv};
  struct duplex_stack *stack;
  char text[512];
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, text, sizeof text), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(text, "/nowhere/firmware.elf"));
}

static int prepare(void **state) {
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

int main(int argc, char **argv) {
  static const struct setup native = {"cmodel", false}, riscv = {"cmodel", true}, rtl_riscv = {"rtl", true};
  (void)argc;
  const char *slash = strrchr(argv[0], '/');
  snprintf(folder, sizeof folder, "%.*s/../..", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
  const struct CMUnitTest tests[] = {
      ON_ALL(test_full_queue),
      ON_ALL(test_cancel_before),
      ON_ALL(test_cancel_in_mid_job),
      ON_ALL(test_reset_in_mid_job),
      ON_ALL(test_clients),
      ON_ALL(test_client_dies_in_mid_job),
      ON_ALL(test_regions),
      ON_ALL(test_attention_list),
      ON_ALL(test_attention_messages_are_checked),
      ON_ALL(test_scores_without_room_are_refused),
      ON_ALL(test_client_writes_nonsense),
      WITH(test_watchdog_of_the_firmware, native),
      WITH(test_watchdog_of_the_firmware, riscv),
      cmocka_unit_test(test_crashes),
      cmocka_unit_test(test_damaged_files),
  };
  return cmocka_run_group_tests(tests, prepare, NULL);
}
