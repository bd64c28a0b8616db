// SPDX-License-Identifier: Apache-2.0
// Decode attention as jobs of the firmware: checks, messages, and the steps of a job.
#include "driver/attention.h"

#include <math.h>
#include <string.h>

#include "driver/arguments.h"
#include "driver/attention_vectors.h"
#include "driver/attention_work.h"
#include "driver/bundle_owner.h"
#include "driver/job.h"
#include "driver/kv_spread.h"
#include "driver/queue.h"
#include "driver/stack_error.h"
#include "duplex/descriptor.h"
#include "duplex/error.h"

#define F32_INFINITY 0x7f800000u
#define GROUP_MOST (2 * DUPLEX_LANES)

// Sequence i is of the cache, has a position, and lies in the KV spaces, also what is appended to it.
static int check_sequence(const struct attention *a, size_t i, size_t appended) {
  struct duplex_stack *stack = a->cache->stack;
  const struct duplex_sequence *sequence = a->sequences[i];
  if (!sequence) return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "sequence %zu is NULL", i);
  if (!sequence->handle.live) return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "sequence %zu was freed", i);
  if (sequence->cache != a->cache)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "sequence %zu is of another KV cache", i);
  const struct kv_pool *spaces = &a->cache->pools[DUPLEX_KV_SPACES];
  const struct kv_layer *layer = &sequence->layers[a->layer];
  if (layer->length + appended == 0)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "sequence %zu has no position", i);
  bool here = !appended || sequence->pool == spaces;
  for (size_t page = 0; page < layer->count; page++) here &= layer->pages[page]->pool == spaces;
  return here ? DUPLEX_OK
              : stack_fail(stack, DUPLEX_ERROR_OWNER, "sequence %zu is in the prefill space: move it first",
                           i);
}

// Neither zero nor infinite when it is rounded to binary32.
static bool scale_is_good(const struct attention *a) {
  if (!(a->scale >= 0) || isinf(a->scale)) return false;
  const duplex_f32 factor = duplex_attention_scale(a->scale, a->cache->head_size);
  return factor != 0 && factor < F32_INFINITY;
}

int attention_check(const struct attention *a, size_t appended) {
  int error = need_cache(a->cache);
  if (!error) error = need(a->cache->stack, "sequences", a->sequences);
  if (!error) error = need_f16(a->cache->stack, "q", a->q);
  if (!error) error = need_f16(a->cache->stack, "o", a->o);
  if (error) return error;
  struct duplex_stack *stack = a->cache->stack;
  const uint32_t heads = a->cache->heads;
  const uint32_t layers = a->cache->layers;
  if (stack->queue.produced != stack->queue.collected)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "jobs are in flight: wait for them first");
  error = jobs_agree(stack, attention_bundles(a));
  if (error) return error;
  if (a->batch == 0 || a->batch > UINT16_MAX || a->layer >= layers)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "%zu sequences, layer %u: expected 1 to %u, and a layer below %u", a->batch, a->layer,
                      UINT16_MAX, layers);
  if (a->q_heads == 0 || a->q_heads % heads || a->q_heads / heads > GROUP_MOST)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "%zu query heads for %u KV heads: expected a multiple, at most %u times as many",
                      a->q_heads, heads, GROUP_MOST);
  if (!scale_is_good(a))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "the scale must be a positive number within binary32 (times log2 e)");
  for (size_t i = 0; i < a->batch; i++) {
    error = check_sequence(a, i, appended);
    if (error) return error;
  }
  return DUPLEX_OK;
}

// The most that a unit needs; they use it in turn.
static uint32_t score_room(const struct plan *plan) {
  uint32_t most = 0;
  for (size_t i = 0; i < plan->count; i++)
    if (plan->units[i].score_room > most) most = plan->units[i].score_room;
  return most;
}

// DRAM for q and o of all units, and behind them for scores that do not fit their slices.
static int take_regions(struct attention *a) {
  struct duplex_stack *stack = a->cache->stack;
  const uint64_t vectors = 2 * (uint64_t)a->plan.count * a->cache->slots;
  const uint64_t score_row_sets = score_room(&a->plan);
  const uint64_t row_sets = vectors + score_row_sets;
  if (row_sets > DUPLEX_BUNDLES * DUPLEX_BANK_ROWS ||
      !space_take_mailbox(stack->space, attention_bundles(a), (uint32_t)row_sets, &a->region))
    return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE,
                      "no room in the stack's DRAM for queries, results and scores");
  a->row_sets = (uint32_t)row_sets;
  a->score_row_sets = (uint32_t)score_row_sets;
  a->score_region = (struct region){a->region.base + (uint32_t)vectors, a->region.stripe};
  return DUPLEX_OK;
}

static void give_regions(struct attention *a) { space_give(a->cache->stack->space, a->region, a->row_sets); }

// The message that begins with unit `first`.
static void fill_message(const struct attention *a, size_t first, struct attention_message *message) {
  const struct kv_pool *pool = &a->cache->pools[DUPLEX_KV_SPACES];
  struct attention_sequence sequences[ATTENTION_SEQUENCES];
  struct attention_segment segments[ATTENTION_SEGMENTS];
  *message = (struct attention_message){
      .kv = {pool->region.base, pool->region.stripe},
      .qo = {a->region.base + a->plan.units[first].q, a->region.stripe},
      .scores = {a->score_region.base, a->score_region.stripe},
      .score_row_sets = a->score_row_sets,
      .kv_row_sets = pool->row_sets,
      .slot_stride = pool->slot_stride,
      .v_block_stride = pool->v_block_stride,
      .head_size = a->cache->head_size | DUPLEX_DESCRIPTOR_FIELD(WIDE, a->cache->p32),
      .heads = a->cache->heads,
      .scale = a->score_factor};
  for (size_t i = first; i < first + a->plan.units[first].together; i++) {
    const struct plan_unit *unit = &a->plan.units[i];
    sequences[message->sequences++] = (struct attention_sequence){
        (uint16_t)unit->segment_count,
        attention_place(attention_sequence_of(a, i)->first_channel, attention_sequence_of(a, i)->spread),
        (uint8_t)stored_lanes(unit->lanes)};
    memcpy(&segments[message->segments], unit->segments, unit->segment_count * sizeof *segments);
    message->segments += unit->segment_count;
  }
  uint32_t *list = queue_list(a->cache->stack);
  memcpy(list, sequences, message->sequences * sizeof *sequences);
  memcpy(list + message->sequences, segments, message->segments * sizeof *segments);
}

// Message after message, until all units are done.
static int run_messages(struct duplex_stack *stack, struct attention *a) {
  struct attention_message message;
  int error = DUPLEX_OK;
  a->descriptors = 0;
  for (size_t done = 0; done < a->plan.count && !error; done += message.sequences) {
    uint32_t number = 0;
    struct completion completion;
    fill_message(a, done, &message);
    error = queue_submit(stack, MESSAGE_ATTENTION, &message, sizeof message, &number);
    if (!error) error = queue_wait(stack, number, UINT64_MAX, &completion);
    if (!error) a->descriptors += completion.descriptors;
  }
  return error;
}

// The job again, for the clocks of a firmware that takes no time.
static int run_natively(struct duplex_stack *stack, void *context, uint64_t *cycles) {
  struct attention *a = context;
  int error = bundle_owner_set(stack, attention_bundles(a));
  const uint64_t clock = stack->backend->ops->clocks(stack->backend);
  if (!error) error = run_messages(stack, a);
  *cycles = stack->backend->ops->clocks(stack->backend) - clock;
  return error;
}

// With regions and plan there: q in, the messages, statistics, o out.
static int attend(struct attention *a, const struct measurement *begun) {
  struct duplex_stack *stack = a->cache->stack;
  struct measurement measurement;
  int error = attention_upload_q(a);
  if (begun) measurement = *begun;
  if (!error)
    error = begun ? bundle_owner_set(stack, attention_bundles(a))
                  : start_measuring(stack, attention_bundles(a), &measurement);
  if (!error && a->begin) error = a->begin(a->context);
  if (!error) error = run_messages(stack, a);
  if (!error) error = note_traffic(stack, &measurement, a->descriptors);
  if (!error) attention_note_work(a);
  if (!error && stack->measure_overhead) error = measure_native(stack, run_natively, a);
  return error ? error : attention_read_o(a);
}

int attention_run(struct attention *a, const struct measurement *begun) {
  const struct duplex_kv_cache *cache = a->cache;
  int error = attention_check(a, 0);
  if (error) return error;
  cache->stack->error_text[0] = 0;
  a->score_factor = duplex_attention_scale(a->scale, cache->head_size);
  error = plan_attention(a->cache, a->layer, a->sequences, a->batch, (uint32_t)(a->q_heads / cache->heads),
                         cache->p32 ? DUPLEX_LANES / 2 : DUPLEX_LANES, &a->plan);
  if (error) return error;
  error = take_regions(a);
  if (!error) {
    error = attend(a, begun);
    give_regions(a);
  }
  plan_free(&a->plan);
  return error;
}

int duplex_stack_attention(struct duplex_kv_cache *cache, unsigned layer,
                           struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *q,
                           size_t q_heads, double scale, duplex_f16 *o) {
  struct attention a = {.cache = cache,
                        .layer = layer,
                        .sequences = sequences,
                        .batch = batch,
                        .q_heads = q_heads,
                        .q = q,
                        .scale = scale,
                        .o = o};
  return attention_run(&a, NULL);
}
