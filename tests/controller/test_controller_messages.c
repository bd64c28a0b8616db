// SPDX-License-Identifier: Apache-2.0
// Messages that name what is not theirs, or hold a wrong number: each is refused with the word that is wrong.
#include "backend/controller.h"
#include "duplex/descriptor.h"
#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/registers.h"
#include "tests/controller/controller_case.h"

#define AT(member) (uint32_t) offsetof(struct attention_message, member)

static struct gemm_message good_message(const struct duplex_weights *weights) {
  return (struct gemm_message){.weights = {N, K, 0, weights->region.base, weights->region.stripe},
                               .x = {8000, 0xf},
                               .results = {8100, 0xf},
                               .groups = 1};
}

// A word of a message, or of its list, with a wrong value, and what the refusal tells.
struct wrong_word {
  uint32_t *word, value, status, detail;
};

// Sends the message with each wrong word in turn: refused before anything is in the ring.
static void refuse_each(struct duplex_stack *stack, uint32_t kind, const void *message, size_t bytes,
                        const struct wrong_word *wrong, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct completion completion;
    const uint32_t right = *wrong[i].word;
    *wrong[i].word = wrong[i].value;
    assert_int_equal(send(stack, kind, message, bytes, &completion), DUPLEX_ERROR_FIRMWARE);
    if (completion.status != wrong[i].status || completion.detail != wrong[i].detail)
      fail_msg("case %zu: status %u, detail %u", i, completion.status, completion.detail);
    assert_int_equal(completion.descriptors, 0);
    *wrong[i].word = right;
  }
}

// Whatever a message names outside its client's rows is refused, by every word that names it.
static void test_regions(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state)), *client;
  assert_int_equal(duplex_stack_open_client(stack, ROWS, &client), 0);
  struct duplex_weights *weights = upload(stack);
  struct duplex_weights *own = upload(client);
  const uint32_t theirs = own->region.base;
  struct completion completion;
  struct gemm_message m = good_message(weights);
  assert_int_equal(send(stack, MESSAGE_GEMM, &m, sizeof m, &completion), 0);
  const struct wrong_word wrong[] = {
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
      {&m.format, DUPLEX_ACC + 1, COMPLETION_ARGUMENT, 36},
      {&m.groups, 0, COMPLETION_ARGUMENT, 40},
      {&m.groups, 1025, COMPLETION_ARGUMENT, 40},
  };
  refuse_each(stack, MESSAGE_GEMM, &m, sizeof m, wrong, sizeof wrong / sizeof *wrong);
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

// Whether some slot of the ring has words of ATTENTION that are not 0.
static bool is_soiled(struct duplex_stack *stack) {
  uint32_t any = 0;
  for (uint32_t slot = 0; slot < DUPLEX_RING_ENTRIES; slot++)
    for (uint32_t word = PUSHED_WORDS; word < DUPLEX_DESCRIPTOR_WORDS; word++) {
      uint32_t value;
      const uint32_t at = DUPLEX_REG_RING + 4 * (slot * DUPLEX_DESCRIPTOR_WORDS + word);
      assert_int_equal(stack->backend->ops->reg_read(stack->backend, at, &value), 0);
      any |= value;
    }
  return any != 0;
}

// A controller with nothing to do clears what attention has left in the ring, so that the next job need not.
static void test_ring_is_tidied(void **state) {
  enum { HEADS = 2, D = 64, LENGTH = 70, IDLE = 3000 };
  struct duplex_stack *stack = open_stack(setup_of(state));
  const struct duplex_kv_options options = {
      .heads = HEADS, .head_size = D, .page_positions = 128, .pages = 1};
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequence;
  static duplex_f16 o[HEADS * D];
  struct duplex_weights *weights = upload(stack);
  assert_int_equal(duplex_kv_open(stack, &options, &cache), 0);
  assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, LENGTH, &sequence), 0);
  assert_int_equal(duplex_kv_append(sequence, 0, w, w + 20000, LENGTH, 0), 0);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, x, HEADS, 0, o), 0);
  assert_true(is_soiled(stack));
  assert_right(stack, weights);  // at once
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, x, HEADS, 0, o), 0);
  struct controller *controller = stack->shared->controller;
  assert_int_equal(controller->ops->run(controller, IDLE), 0);
  assert_int_equal(is_soiled(stack), !setup_of(state).riscv);
  assert_right(stack, weights);
  duplex_kv_close(cache);
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
  const uint32_t last = BATCH - 1;
  const uint32_t segment = BATCH + 2 * last;
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

// One sequence of one segment of one head of 64; its list stands in the queue.
static struct attention_message one_segment(struct region kv, struct region qo, uint32_t kv_row_sets,
                                            uint32_t v_block_stride) {
  return (struct attention_message){.kv = {kv.base, kv.stripe},
                                    .qo = {qo.base, qo.stripe},
                                    .kv_row_sets = kv_row_sets,
                                    .slot_stride = 2 * v_block_stride,
                                    .v_block_stride = v_block_stride,
                                    .head_size = 64,
                                    .heads = 1,
                                    .scale = 0x3e38aa3b,
                                    .sequences = 1,
                                    .segments = 1};
}

static uint32_t *list_of(struct duplex_stack *stack) {
  return stack->shared->controller->mailbox->queue[stack->queue.index].list;
}

// Spread over two channels, each has 64 positions of 128, so that 256 fit the region of `m`; 8 channels there
// are not.
static void check_spread(struct duplex_stack *stack, const struct attention_message *m) {
  uint32_t *list = list_of(stack);
  struct completion completion;
  const uint32_t two = 1 | 1 << 21;
  const uint32_t eight = 1 | 3 << 21;
  const uint32_t all = 256 | 1 << 24;
  const uint32_t more = 257 | 1 << 24;
  list[0] = two, list[2] = more;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, m, sizeof *m, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.status, COMPLETION_REGION);
  list[2] = all;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, m, sizeof *m, &completion), 0);
  list[0] = eight;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, m, sizeof *m, &completion), DUPLEX_ERROR_DEVICE);
  assert_int_equal(completion.error_code, DUPLEX_STACK_ERROR_ROWS);
}

// The message of attention and its list: one sequence of one segment, each wrong number in turn.
static void test_attention_messages_are_checked(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  uint32_t *list = list_of(stack);
  struct region kv, qo;
  struct completion completion;
  assert_true(space_take(stack->space, 1, 4, &kv));
  assert_true(space_take(stack->space, 1, 2, &qo));
  struct attention_message m = one_segment(kv, qo, 4, 1);
  list[0] = 1, list[1] = kv.base | (kv.base + 2) << 16, list[2] = 65 | 1 << 24;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), 0);
  assert_int_equal(completion.descriptors, 1);
  const struct wrong_word wrong[] = {
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
  refuse_each(stack, MESSAGE_ATTENTION, &m, sizeof m, wrong, sizeof wrong / sizeof *wrong);
  list[2] = 65 | 2 << 24;  // a lane that is not kept: the stack refuses the descriptor
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), DUPLEX_ERROR_DEVICE);
  check_spread(stack, &m);
  list[0] = 1, list[2] = 65 | 1 << 24;
  assert_int_equal(send(stack, MESSAGE_ATTENTION, &m, sizeof m, &completion), 0);
  duplex_stack_close(stack);
}

// Scores that do not fit the slices need room in DRAM: 20,000 positions of 8 lanes.
static void test_scores_without_room_are_refused(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  uint32_t *list = list_of(stack);
  const uint32_t blocks = (20000 + 63) / 64;
  struct region kv, qo, scores;
  struct completion completion;
  assert_true(space_take(stack->space, 1, 2 * blocks, &kv));
  assert_true(space_take(stack->space, 2, 2, &qo));
  struct attention_message m = one_segment(kv, qo, 2 * blocks, blocks);
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

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_ALL(test_regions),
      ON_ALL(test_ring_is_tidied),
      ON_ALL(test_attention_list),
      ON_ALL(test_attention_messages_are_checked),
      ON_ALL(test_scores_without_room_are_refused),
  };
  return cmocka_run_group_tests(tests, prepare, NULL);
}
