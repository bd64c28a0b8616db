// SPDX-License-Identifier: Apache-2.0
// Messages of layers, natively and on RV32: wrong words and lists are refused and the next job is right;
// layers are registered again after a reset, and when others have taken their room; cancel, several clients,
// and jobs that need other bundles.
#include <stdlib.h>

#include "driver/layer.h"
#include "duplex/error.h"
#include "duplex/geometry.h"
#include "duplex/layer.h"
#include "schedule/schedule.h"
#include "tests/controller/controller_case.h"

enum { HIDDEN = 200, INNER = 100, EXPERTS = 5, TOKENS = 20 };
#define LAYER_AT(member) (uint32_t) offsetof(struct layer_message, member)
#define EXPERTS_AT(member) (uint32_t) offsetof(struct layer_experts_message, member)
#define RUN_AT(member) (uint32_t) offsetof(struct layer_run_message, member)

static duplex_f32 right[EXPERTS * TOKENS * HIDDEN];

static struct duplex_layer *load(struct duplex_stack *stack, unsigned bundles) {
  const struct duplex_layer_options options = {
      .experts = EXPERTS,
      .hidden = HIDDEN,
      .gated = true,
      .piece = {{.bundles = bundles, .parts = 2, .inner = {64, INNER - 64}}}};
  const struct duplex_layer_source source = {.gate = w, .up = w + 7, .down = w + 13};
  struct duplex_layer *layer;
  assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
  for (unsigned i = 0; i < EXPERTS; i++) assert_int_equal(duplex_layer_load(layer, i, 0, &source), 0);
  return layer;
}

static int begin(struct duplex_layer *layer, unsigned bundles, struct duplex_job **job) {
  static const uint8_t cuts[EXPERTS] = {2, 1, 0, 2, 1};
  static const uint32_t counts[EXPERTS] = {TOKENS, 3, 2, 0, 9};
  static uint32_t tokens[EXPERTS * TOKENS];  // all are the first row of x
  const struct duplex_layer_work work = {
      .bundles = bundles, .cuts = cuts, .counts = counts, .tokens = tokens, .x = x, .format = DUPLEX_F32};
  return duplex_layer_start(layer, &work, job);
}

static void wait_for(struct duplex_stack *stack, struct duplex_job *job) {
  static duplex_f32 y[EXPERTS * TOKENS * HIDDEN];
  memset(y, 0, sizeof y);
  if (duplex_stack_wait(job, UINT64_MAX, y)) fail_msg("%s", duplex_stack_last_error(stack));
  assert_memory_equal(y, right, sizeof y);
}

static void assert_layer_right(struct duplex_stack *stack, struct duplex_layer *layer, unsigned bundles) {
  struct duplex_job *job;
  if (begin(layer, bundles, &job)) fail_msg("%s", duplex_stack_last_error(stack));
  wait_for(stack, job);
}

// The stack's queue as the client sees it.
static struct queue *queue_in(struct duplex_stack *stack) {
  return &stack->shared->controller->mailbox->queue[stack->queue.index];
}

// The last message of the queue.
static void last_message(struct duplex_stack *stack, unsigned before, void *payload, size_t bytes) {
  const uint32_t number = stack->queue.produced - 1 - before;
  memcpy(payload, queue_in(stack)->messages[number % PROTOCOL_ENTRIES].payload, bytes);
}

struct wrong_word {
  uint32_t *word, value, status, detail;
};

static void refuse(struct duplex_stack *stack, uint32_t kind, const void *message, size_t bytes,
                   struct wrong_word wrong) {
  struct completion completion;
  const uint32_t good = *wrong.word;
  *wrong.word = wrong.value;
  assert_int_equal(send(stack, kind, message, bytes, &completion), DUPLEX_ERROR_FIRMWARE);
  if (completion.status != wrong.status || completion.detail != wrong.detail)
    fail_msg("value 0x%x for 0x%x: status %u, detail %u", wrong.value, good, completion.status,
             completion.detail);
  *wrong.word = good;
}

// Parts of a table of times: in order, whole, and not damaged.
static void test_times(void **state) {
  static struct schedule_times times;
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct completion completion;
  struct layer_times_message m = {0, 1};
  uint32_t *list = queue_in(stack)->list;
  assert_int_equal(send(stack, MESSAGE_LAYER_TIMES, &m, sizeof m, &completion), 0);
  const struct wrong_word wrong[] = {
      {&m.first, 2, COMPLETION_ARGUMENT, 0},
      {&m.count, 0, COMPLETION_ARGUMENT, 4},
      {&m.count, PROTOCOL_LIST_WORDS + 1, COMPLETION_ARGUMENT, 4},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    refuse(stack, MESSAGE_LAYER_TIMES, &m, sizeof m, wrong[i]);
  for (m.first = 0; m.first < sizeof times / 4; m.first += m.count) {
    m.count = (uint32_t)duplex_smaller(sizeof times / 4 - m.first, PROTOCOL_LIST_WORDS);
    memset(list, 0x55, PROTOCOL_LIST_WORDS * 4);
    const bool last = m.first + m.count == sizeof times / 4;
    assert_int_equal(send(stack, MESSAGE_LAYER_TIMES, &m, sizeof m, &completion),
                     last ? DUPLEX_ERROR_FIRMWARE : 0);
  }
  duplex_stack_close(stack);
}

static void test_wrong_words(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state)), *client;
  assert_int_equal(duplex_stack_open_client(stack, ROWS, &client), 0);
  struct duplex_layer *layer = load(stack, 0x3);
  struct layer_message shape;
  struct layer_experts_message experts;
  struct layer_run_message run;
  struct completion completion;
  assert_layer_right(stack, layer, 0);
  last_message(stack, 0, &run, sizeof run);
  last_message(stack, 1, &experts, sizeof experts);
  last_message(stack, 2, &shape, sizeof shape);
  const struct wrong_word in_shape[] = {
      {&shape.layer, PROTOCOL_LAYERS, COMPLETION_ARGUMENT, LAYER_AT(layer)},
      {&shape.experts, 0, COMPLETION_ARGUMENT, LAYER_AT(experts)},
      {&shape.experts, PROTOCOL_LAYER_EXPERTS + 1, COMPLETION_ARGUMENT, LAYER_AT(experts)},
      {&shape.pieces, 0, COMPLETION_ARGUMENT, LAYER_AT(pieces)},
      {&shape.pieces, PROTOCOL_LAYER_PIECES + 1, COMPLETION_ARGUMENT, LAYER_AT(pieces)},
      {&shape.first, PROTOCOL_LAYER_ENTRIES - EXPERTS + 1, COMPLETION_ARGUMENT, LAYER_AT(first)},
      {&shape.first, UINT32_MAX, COMPLETION_ARGUMENT, LAYER_AT(first)},
      {&shape.flags, LAYER_JOINED(1), COMPLETION_ARGUMENT, LAYER_AT(flags)},
      {&shape.flags, UINT32_MAX, COMPLETION_ARGUMENT, LAYER_AT(flags)},
      {&shape.hidden, 0, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.hidden, 65537, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.piece[0].parts, LAYER_PARTS + 1, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.piece[0].parts, 3, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.piece[0].inner[0], 0, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.piece[0].inner[0], UINT32_MAX & ~63u, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.piece[0].inner[1], 65536, COMPLETION_ARGUMENT, LAYER_AT(piece)},
  };
  for (size_t i = 0; i < sizeof in_shape / sizeof *in_shape; i++)
    refuse(stack, MESSAGE_LAYER, &shape, sizeof shape, in_shape[i]);
  shape.flags |= LAYER_JOINED(0);
  const struct wrong_word in_joined[] = {
      {&shape.piece[0].inner[0], 2 * CHANNELS - 1, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.piece[0].inner[1], 0, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.piece[0].inner[1], 65536, COMPLETION_ARGUMENT, LAYER_AT(piece)},
      {&shape.hidden, 0, COMPLETION_ARGUMENT, LAYER_AT(piece)},
  };
  for (size_t i = 0; i < sizeof in_joined / sizeof *in_joined; i++)
    refuse(stack, MESSAGE_LAYER, &shape, sizeof shape, in_joined[i]);
  assert_int_equal(send(stack, MESSAGE_LAYER, &shape, sizeof shape, &completion), 0);
  shape.flags &= ~LAYER_JOINED(0);
  assert_int_equal(send(stack, MESSAGE_LAYER, &shape, sizeof shape, &completion), 0);
  for (unsigned i = 0; i < EXPERTS; i++)
    queue_in(stack)->list[i] = layer->places[i].up.base | layer->places[i].down.base << 16;
  const struct wrong_word in_experts[] = {
      {&experts.layer, PROTOCOL_LAYERS, COMPLETION_ARGUMENT, EXPERTS_AT(layer)},
      {&experts.layer, 3, COMPLETION_ARGUMENT, EXPERTS_AT(layer)},
      {&experts.count, 0, COMPLETION_ARGUMENT, EXPERTS_AT(count)},
      {&experts.count, EXPERTS + 1, COMPLETION_ARGUMENT, EXPERTS_AT(count)},
      {&experts.first, 1, COMPLETION_ARGUMENT, EXPERTS_AT(first)},
      {&experts.first, UINT32_MAX, COMPLETION_ARGUMENT, EXPERTS_AT(first)},
  };
  for (size_t i = 0; i < sizeof in_experts / sizeof *in_experts; i++)
    refuse(stack, MESSAGE_LAYER_EXPERTS, &experts, sizeof experts, in_experts[i]);
  // An expert in rows of the other client takes the layer away, and so does one at the end of all rows.
  const uint32_t places[] = {duplex_bundles_of(0x3) * (16384 - 256 - 10), 0xffff};
  for (unsigned i = 0; i < 2; i++) {
    refuse(stack, MESSAGE_LAYER_EXPERTS, &experts, sizeof experts,
           (struct wrong_word){&queue_in(stack)->list[1], places[i], COMPLETION_REGION, EXPERTS_AT(first)});
    refuse(stack, MESSAGE_LAYER_EXPERTS, &experts, sizeof experts,
           (struct wrong_word){&experts.first, 0, COMPLETION_ARGUMENT, EXPERTS_AT(layer)});
    assert_int_equal(send(stack, MESSAGE_LAYER, &shape, sizeof shape, &completion), 0);
  }
  assert_int_equal(send(stack, MESSAGE_LAYER_EXPERTS, &experts, sizeof experts, &completion), 0);
  memset(queue_in(stack)->list, 0, sizeof queue_in(stack)->list);
  queue_in(stack)->list[0] = LAYER_LIST(3u, 2u) | LAYER_LIST(1u, 1u) << 16;
  queue_in(stack)->list[2] = LAYER_LIST(2u, 1u);
  run.x.base = 2 * 16200, run.results.base = 2 * 16200 + 40;
  run.x_row_sets = run.result_row_sets = 4;  // of two passes, one, and one
  const struct wrong_word in_run[] = {
      {&run.layer, 1, COMPLETION_ARGUMENT, RUN_AT(layer)},
      {&run.layer, PROTOCOL_LAYERS, COMPLETION_ARGUMENT, RUN_AT(layer)},
      {&run.piece, 1, COMPLETION_ARGUMENT, RUN_AT(piece)},
      {&run.experts, EXPERTS - 1, COMPLETION_ARGUMENT, RUN_AT(experts)},
      {&run.policy, LAYER_POLICIES, COMPLETION_ARGUMENT, RUN_AT(policy)},
      {&run.policy, LAYER_BEST, COMPLETION_ARGUMENT, RUN_AT(policy)},
      {&run.policy, LAYER_DECIDED, COMPLETION_ARGUMENT, RUN_AT(policy)},
      {&run.format, DUPLEX_ACC + 1, COMPLETION_ARGUMENT, RUN_AT(format)},
      {&run.table_tiles, 0, COMPLETION_ARGUMENT, RUN_AT(table_tiles)},
      {&run.table.base, 65536, COMPLETION_REGION, RUN_AT(table)},
      {&run.x.base, 65536, COMPLETION_REGION, RUN_AT(x)},
      {&run.x.stripe, 0, COMPLETION_REGION, RUN_AT(x)},
      {&run.results.stripe, 16, COMPLETION_REGION, RUN_AT(results)},
      {&run.result_row_sets, UINT32_MAX, COMPLETION_REGION, RUN_AT(results)},
      {&run.x_row_sets, 3, COMPLETION_REGION, RUN_AT(x_row_sets)},
      {&run.result_row_sets, 3, COMPLETION_REGION, RUN_AT(result_row_sets)},
      {&queue_in(stack)->list[0], LAYER_LIST(3u, 3u), COMPLETION_ARGUMENT, RUN_AT(experts)},
      {&queue_in(stack)->list[2], LAYER_LIST(1025u, 1u), COMPLETION_ARGUMENT, RUN_AT(experts)},
  };
  for (size_t i = 0; i < sizeof in_run / sizeof *in_run; i++)
    refuse(stack, MESSAGE_LAYER_RUN, &run, sizeof run, in_run[i]);
  assert_int_equal(send(stack, MESSAGE_LAYER_RUN, &run, sizeof run, &completion), 0);
  assert_int_equal(send(client, MESSAGE_LAYER_RUN, &run, sizeof run, &completion), DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.detail, RUN_AT(layer));
  // Products, whose results are binary32, in no more room than they have.
  shape.flags |= LAYER_PRODUCTS;
  assert_int_equal(send(stack, MESSAGE_LAYER, &shape, sizeof shape, &completion), 0);
  for (unsigned i = 0; i < EXPERTS; i++) queue_in(stack)->list[i] = layer->places[i].up.base;
  assert_int_equal(send(stack, MESSAGE_LAYER_EXPERTS, &experts, sizeof experts, &completion), 0);
  memset(queue_in(stack)->list, 0, sizeof queue_in(stack)->list);
  queue_in(stack)->list[0] = LAYER_LIST(3u, 2u);
  run.format = DUPLEX_F32, run.result_row_sets = 4;  // two passes of two parts
  const struct wrong_word in_products[] = {
      {&run.format, DUPLEX_F16, COMPLETION_ARGUMENT, RUN_AT(format)},
      {&run.format, DUPLEX_ACC, COMPLETION_ARGUMENT, RUN_AT(format)},
      {&run.result_row_sets, 3, COMPLETION_REGION, RUN_AT(result_row_sets)}};
  for (size_t i = 0; i < sizeof in_products / sizeof *in_products; i++)
    refuse(stack, MESSAGE_LAYER_RUN, &run, sizeof run, in_products[i]);
  assert_int_equal(send(stack, MESSAGE_LAYER_RUN, &run, sizeof run, &completion), 0);
  layer->registered = 0;  // by the driver it is again
  struct message *message = &queue_in(stack)->messages[stack->queue.produced % PROTOCOL_ENTRIES];
  *message = (struct message){.version = 1, .length = 16 + sizeof run, .kind = MESSAGE_LAYER_RUN};
  queue_in(stack)->produced = ++stack->queue.produced;
  assert_int_equal(queue_wait(stack, stack->queue.base + stack->queue.produced - 1, UINT64_MAX, &completion),
                   DUPLEX_ERROR_FIRMWARE);
  assert_int_equal(completion.status, COMPLETION_VERSION);
  assert_layer_right(stack, layer, 0);
  duplex_stack_close(client);
  duplex_stack_close(stack);
}

// A firmware that was started afresh is told of the layer again, and one whose table others have filled too.
static void test_registered_again(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_layer *layers[PROTOCOL_LAYERS + 3];
  for (unsigned i = 0; i < PROTOCOL_LAYERS + 3; i++) {
    layers[i] = load(stack, i % 2 ? 0x3 : 0xc);
    assert_layer_right(stack, layers[i], 0);
  }
  for (unsigned i = 0; i < PROTOCOL_LAYERS + 3; i += 5)
    assert_layer_right(stack, layers[i], i % 2 ? 0x3 : 0xc);
  assert_int_equal(duplex_stack_reset(stack), 0);
  assert_layer_right(stack, layers[3], 0x3);
  assert_int_equal(duplex_layer_close(layers[3]), 0);
  assert_int_equal(duplex_layer_close(layers[3]), DUPLEX_ERROR_ARGUMENT);
  assert_layer_right(stack, layers[4], 0xc);
  duplex_stack_close(stack);
}

static void test_cancel(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_layer *layer = load(stack, 0x6);
  struct duplex_job *job, *other;
  duplex_f32 *y = calloc(EXPERTS * TOKENS * HIDDEN, sizeof *y);
  assert_int_equal(begin(layer, 0x6, &job), 0);
  assert_int_equal(begin(layer, 0x6, &other), DUPLEX_ERROR_BUSY);
  assert_int_equal(duplex_layer_close(layer), DUPLEX_ERROR_BUSY);
  assert_int_equal(duplex_stack_cancel(job), 0);
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), DUPLEX_ERROR_CANCELLED);
  if (setup_of(state).riscv) {  // the native firmware serves a message whole
    assert_int_equal(begin(layer, 0x6, &job), 0);
    assert_int_equal(duplex_stack_wait(job, 500, y), DUPLEX_ERROR_BUSY);
    assert_int_equal(duplex_stack_hand_over(stack, 0), DUPLEX_ERROR_BUSY);
    assert_int_equal(duplex_stack_cancel(job), 0);
    assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), DUPLEX_ERROR_CANCELLED);
  }
  assert_layer_right(stack, layer, 0xe);
  assert_int_equal(begin(layer, 0x6, &job), 0);  // in flight when the stack closes
  duplex_stack_close(stack);
  free(y);
}

// Two clients with layers of their own; a job that needs other bundles than one in flight has to wait.
static void test_clients(void **state) {
  struct duplex_stack *stack = open_stack(setup_of(state)), *client;
  assert_int_equal(duplex_stack_open_client(stack, ROWS, &client), 0);
  struct duplex_layer *layer = load(stack, 0x3);
  struct duplex_layer *own = load(client, 0x3);
  struct duplex_weights *weights = upload(stack);
  struct duplex_job *job, *other;
  assert_int_equal(begin(layer, 0x3, &job), 0);
  assert_int_equal(begin(own, 0x7, &other), DUPLEX_ERROR_BUSY);
  assert_int_equal(duplex_stack_start_gemm(stack, weights, x, M, DUPLEX_F16, &other), DUPLEX_ERROR_BUSY);
  wait_for(stack, job);
  assert_layer_right(client, own, 0x7);
  assert_right(stack, weights);
  assert_layer_right(stack, layer, 0x3);
  duplex_stack_close(stack);
  assert_layer_right(client, own, 0x3);
  duplex_stack_close(client);
}

// A layer of two pieces, and the table of its times.
static struct duplex_layer *load_halved(struct duplex_stack *stack, struct schedule_times *times) {
  static const struct schedule_shape shape = {.hidden = HIDDEN,
                                              .inner = 2 * INNER,
                                              .experts = EXPERTS,
                                              .stacks = 1,
                                              .channels = CHANNELS,
                                              .gated = 1};
  static const struct schedule_placement placement = {
      .layout = SCHEDULE_HALVED, .pieces = 2, .parts = {2, 2}, .width = {{64, INNER - 64}, {64, INNER - 64}}};
  const struct duplex_layer_options options = {
      .experts = EXPERTS,
      .hidden = HIDDEN,
      .gated = true,
      .piece = {{.bundles = 0x3, .parts = 2, .inner = {64, INNER - 64}},
                {.bundles = 0xc, .parts = 2, .inner = {64, INNER - 64}}}};
  const struct duplex_layer_source source = {.gate = w, .up = w + 7, .down = w + 13};
  struct duplex_layer *layer;
  schedule_formula(&shape, &placement, times);
  assert_true(schedule_valid(times));
  assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
  for (unsigned i = 0; i < 2 * EXPERTS; i++)
    assert_int_equal(duplex_layer_load(layer, i / 2, i % 2, &source), 0);
  return layer;
}

// One piece with a policy, or with its cuts; y as duplex_stack_wait writes it.
static int run_piece(struct duplex_layer *layer, unsigned piece, enum duplex_layer_policy policy,
                     const uint8_t *cuts, duplex_f32 *y) {
  static const uint32_t counts[EXPERTS] = {TOKENS, 3, 2, 0, 9};
  static const uint32_t tokens[EXPERTS * TOKENS];
  const struct duplex_layer_work work = {.piece = piece,
                                         .policy = policy,
                                         .bundles = piece ? 0xc : 0x3,
                                         .cuts = cuts,
                                         .counts = counts,
                                         .tokens = tokens,
                                         .x = x,
                                         .format = DUPLEX_F32};
  struct duplex_job *job;
  const int error = duplex_layer_start(layer, &work, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, y);
}

// The firmware decides as the host does, by the table that it was given, again after a reset.
static void test_policies(void **state) {
  static duplex_f32 y[EXPERTS * TOKENS * HIDDEN], expected[EXPERTS * TOKENS * HIDDEN];
  static const uint16_t counts[EXPERTS] = {TOKENS, 3, 2, 0, 9};
  static struct schedule_times times;
  static struct schedule_work work;
  static struct schedule_decision decision;
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_layer *layer = load_halved(stack, &times);
  assert_int_equal(run_piece(layer, 0, DUPLEX_LAYER_BEST, decision.cut[0], y), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_set_times(stack, &times), 0);
  for (unsigned round = 0; round < 2; round++)
    for (int policy = DUPLEX_LAYER_XPU; policy <= DUPLEX_LAYER_BEST; policy++) {
      memset(&decision, 0, sizeof decision);
      schedule_decide((enum schedule_policy)(policy - 1), &times, counts, &work, &decision);
      for (unsigned piece = 0; piece < 2; piece++) {
        const uint8_t *cuts = decision.cut[policy == DUPLEX_LAYER_BEST ? piece : 0];
        assert_int_equal(run_piece(layer, piece, DUPLEX_LAYER_CUTS, cuts, expected), 0);
        const enum duplex_layer_policy how = piece ? DUPLEX_LAYER_DECIDED : (enum duplex_layer_policy)policy;
        if (run_piece(layer, piece, how, cuts, y)) fail_msg("%s", duplex_stack_last_error(stack));
        assert_memory_equal(y, expected, sizeof y);
      }
      if (policy == DUPLEX_LAYER_PIM) assert_int_equal(decision.cut[0][0], 1);
      assert_int_equal(duplex_stack_reset(stack), 0);
      assert_int_equal(run_piece(layer, 1, DUPLEX_LAYER_DECIDED, decision.cut[1], y), DUPLEX_ERROR_FIRMWARE);
    }
  static const uint8_t other[EXPERTS] = {0, 0, 0, 0, 1};
  assert_int_equal(run_piece(layer, 0, DUPLEX_LAYER_XPU, other, y), DUPLEX_ERROR_FIRMWARE);
  times.rows[1].pim[0][1]++;
  assert_int_equal(duplex_stack_set_times(stack, &times), DUPLEX_ERROR_ARGUMENT);
  duplex_stack_close(stack);
}

// Messages that a decided job of the layer takes, after this table is set.
static uint32_t messages_with(struct duplex_layer *layer, const struct schedule_times *times) {
  static const uint8_t none[EXPERTS] = {0};
  static duplex_f32 y[EXPERTS * TOKENS * HIDDEN];
  struct duplex_stack *stack = layer->stack;
  assert_int_equal(duplex_stack_set_times(stack, times), 0);
  const uint32_t first = stack->queue.produced;
  assert_int_equal(run_piece(layer, 0, DUPLEX_LAYER_XPU, none, y), 0);
  return stack->queue.produced - first;
}

// A table that the firmware has is not brought again, and another one is.
static void test_times_once(void **state) {
  static struct schedule_times times;
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_layer *layer = load_halved(stack, &times);
  static struct schedule_times other;
  other = times;
  other.costs[0].given++;
  schedule_seal(&other);
  const uint32_t first = messages_with(layer, &times);  // layer and activation table are brought, too
  const uint32_t known = messages_with(layer, &times);
  const uint32_t brought = messages_with(layer, &other);
  assert_in_range(known, 1, brought - 1);
  assert_int_equal(messages_with(layer, &other), known);
  assert_int_equal(messages_with(layer, &times), brought);
  assert_int_equal(duplex_stack_reset(stack), 0);
  assert_in_range(messages_with(layer, &times), brought + 1, first);
  duplex_stack_close(stack);
}

// The times of a layer of which each expert lies twice. Each group takes the xPU longer than Logic-PIM.
static void make_copied(struct schedule_times *times) {
  static const struct schedule_shape shape = {.hidden = HIDDEN,
                                              .inner = INNER,
                                              .experts = EXPERTS,
                                              .stacks = 1,
                                              .channels = CHANNELS,
                                              .gated = 1,
                                              .replicated = 1};
  static const struct schedule_placement placement = {
      .layout = SCHEDULE_REPLICATED, .pieces = 1, .parts = {2}, .width = {{64, INNER - 64}}};
  schedule_formula(&shape, &placement, times);
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++)
    for (uint32_t cut = 0; cut <= 2; cut++) {
      times->rows[groups].pim[0][cut] = 1000 * groups * cut;
      times->rows[groups].xpu[0][cut] = 1500 * groups * (2 - cut);
    }
  times->slope = times->rows[1];
  schedule_seal(times);
  assert_true(schedule_valid(times));
}

// Of an expert that is divided by its tokens the firmware does as many groups as the host has decided, and no
// other number of them is right.
static void test_divided(void **state) {
  static duplex_f32 y[EXPERTS * TOKENS * HIDDEN], expected[EXPERTS * TOKENS * HIDDEN];
  static const uint16_t counts[EXPERTS] = {TOKENS, 3, 0, 0, 9};
  static const uint32_t tokens[EXPERTS * TOKENS];
  static struct schedule_times times;
  static struct schedule_work decided;
  static struct schedule_decision decision;
  uint32_t all[EXPERTS], cut_counts[EXPERTS];
  struct duplex_stack *stack = open_stack(setup_of(state));
  struct duplex_layer *layer = load(stack, 0x7);
  make_copied(&times);
  schedule_decide(SCHEDULE_BEST, &times, counts, &decided, &decision);
  // 3 and 9 tokens take Logic-PIM 6000, and 20 take the xPU 9000. A group moves 2000 and 3000, a part 3000
  // and 4500.
  assert_int_equal(decision.total, 8000);
  assert_int_equal(decision.groups, 1);
  assert_int_equal(decision.divided, 0);
  for (uint32_t e = 0; e < EXPERTS; e++) {
    all[e] = counts[e];
    cut_counts[e] = schedule_cut_tokens(&decision, e, counts[e]);
  }
  struct duplex_layer_work work = {.bundles = 0x7,
                                   .cuts = decision.cut[0],
                                   .counts = all,
                                   .cut_counts = cut_counts,
                                   .tokens = tokens,
                                   .x = x,
                                   .format = DUPLEX_F32};
  assert_int_equal(duplex_stack_set_times(stack, &times), 0);
  for (unsigned i = 0; i < 4; i++) {
    static const enum duplex_layer_policy policies[] = {DUPLEX_LAYER_CUTS, DUPLEX_LAYER_BEST,
                                                        DUPLEX_LAYER_DECIDED, DUPLEX_LAYER_BEST};
    struct duplex_job *job;
    work.policy = policies[i];
    if (i == 3) cut_counts[0] = 16;
    assert_int_equal(duplex_layer_start(layer, &work, &job), 0);
    const int error = duplex_stack_wait(job, UINT64_MAX, i ? y : expected);
    assert_int_equal(error, i == 3 ? DUPLEX_ERROR_FIRMWARE : 0);
    if (i && i < 3) assert_memory_equal(y, expected, (TOKENS + 3 + 9) * HIDDEN * sizeof *y);
  }
  for (unsigned i = 0; i < TOKENS; i++) assert_int_equal(expected[i * HIDDEN] != 0, i < 8);
  duplex_stack_close(stack);
}

// What the right results are: on the native firmware, once.
static int prepare_layer(void **state) {
  if (prepare(state)) return 1;
  struct duplex_stack *stack = open_stack((struct setup){"cmodel", false});
  struct duplex_layer *layer = load(stack, 0xf);
  struct duplex_job *job;
  int error = begin(layer, 0, &job);
  if (!error) error = duplex_stack_wait(job, UINT64_MAX, right);
  duplex_stack_close(stack);
  return error;
}

#define ON_BOTH(test) WITH(test, native), WITH(test, riscv)

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(test_wrong_words), ON_BOTH(test_times),   ON_BOTH(test_registered_again),
      ON_BOTH(test_cancel),      ON_BOTH(test_clients), ON_BOTH(test_policies),
      ON_BOTH(test_times_once),  ON_BOTH(test_divided),
  };
  (void)rtl_riscv;
  return cmocka_run_group_tests(tests, prepare_layer, NULL);
}
