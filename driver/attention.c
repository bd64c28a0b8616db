// Decode attention as jobs of the firmware: q to the channels, the kernel, o back, statistics.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/attention_plan.h"
#include "driver/counters.h"
#include "duplex/descriptor.h"
#include "duplex/error.h"

#define GROUP_MOST (2 * DUPLEX_LANES)
#define TILE_ELEMENTS (DUPLEX_WIDTH * DUPLEX_LANES)

struct attention {
  struct duplex_kv_cache *cache;
  unsigned layer;
  struct duplex_sequence *const *sequences;
  size_t batch, q_heads;
  const duplex_f16 *q;
  duplex_f16 *o;
  duplex_f32 scale;
  struct plan plan;
  struct region region, score_region;  // q and o of all units, as firmware.h has them; scores
  uint32_t row_sets, score_row_sets;   // of all; of scores that do not fit their slices
  uint32_t descriptors;
};

int attention_check(struct duplex_kv_cache *cache, unsigned layer, struct duplex_sequence *const *sequences,
                    size_t batch, size_t q_heads, double scale, size_t appended) {
  struct duplex_stack *stack = cache->stack;
  if (stack->queue.produced != stack->queue.collected)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "jobs are in flight: wait for them first");
  if (batch == 0 || batch > UINT16_MAX || layer >= cache->layers)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "%zu sequences, layer %u: expected 1 to %u, and a layer below %u", batch, layer,
                      UINT16_MAX, cache->layers);
  if (q_heads == 0 || q_heads % cache->heads || q_heads / cache->heads > GROUP_MOST)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "%zu query heads for %u KV heads: expected a multiple, at most %u times as many",
                      q_heads, cache->heads, GROUP_MOST);
  if (!(scale >= 0) || isinf(scale))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "the scale must be a positive finite number");
  for (size_t i = 0; i < batch; i++) {
    const struct kv_layer *own = &sequences[i]->layers[layer];
    if (sequences[i]->cache != cache || own->length + appended == 0)
      return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "sequence %zu has no position", i);
    bool here = !appended || sequences[i]->pool == &cache->pools[DUPLEX_KV_SPACES];
    for (size_t page = 0; page < own->count; page++)
      here &= own->pages[page]->pool == &cache->pools[DUPLEX_KV_SPACES];
    if (!here)
      return stack_fail(stack, DUPLEX_ERROR_OWNER, "sequence %zu is in the prefill space: move it first", i);
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

static int take_regions(struct attention *a) {
  struct duplex_stack *stack = a->cache->stack;
  const uint64_t vectors = 2 * (uint64_t)a->plan.count * a->cache->slots,
                 score_row_sets = score_room(&a->plan);
  const uint64_t row_sets = vectors + score_row_sets;
  if (row_sets > DUPLEX_BUNDLES * DUPLEX_BANK_ROWS ||
      !space_take_mailbox(stack->space, stack->bundles, (uint32_t)row_sets, &a->region))
    return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE,
                      "no room in the stack's DRAM for queries, results and scores");
  a->row_sets = (uint32_t)row_sets;
  a->score_row_sets = (uint32_t)score_row_sets;
  a->score_region = (struct region){a->region.base + (uint32_t)vectors, a->region.stripe};
  return DUPLEX_OK;
}

static void give_regions(struct attention *a) { space_give(a->cache->stack->space, a->region, a->row_sets); }

// The members of a unit have one place.
static const struct duplex_sequence *sequence_of(const struct attention *a, size_t unit) {
  return a->sequences[a->plan.units[unit].members[0].index];
}

// A row set of a unit, of a KV head's slot.
static struct region place_of(const struct attention *a, uint32_t row_set, uint32_t head) {
  return (struct region){a->region.base + row_set + head / a->cache->stack->channels, a->region.stripe};
}

// The vector of a member's lane in q or o.
static size_t vector_of(const struct attention *a, const struct plan_member *member, uint32_t head,
                        uint32_t lane) {
  const size_t group = a->q_heads / a->cache->heads;
  return (member->index * a->q_heads + head * group + member->head + lane) * a->cache->head_size;
}

static int upload_q(const struct attention *a, size_t unit, uint32_t head) {
  const struct duplex_kv_cache *cache = a->cache;
  const struct plan_unit *u = &a->plan.units[unit];
  const struct duplex_sequence *sequence = sequence_of(a, unit);
  duplex_f16 tiles[DUPLEX_HEAD_SIZE_MAX * DUPLEX_LANES] = {0};
  uint32_t lane = 0;
  int error = DUPLEX_OK;
  for (uint32_t i = 0; i < u->count; i++)
    for (uint32_t own = 0; own < u->members[i].lanes; own++, lane++)
      for (uint32_t column = 0; column < cache->head_size; column++)
        tiles[column * DUPLEX_LANES + lane] = a->q[vector_of(a, &u->members[i], head, own) + column];
  for (uint32_t member = 0; member < 1u << sequence->spread && !error; member++)
    error = region_write(cache->stack, kv_channel(sequence, head, member), place_of(a, u->q, head), 0, tiles,
                         cache->tiles * TILE_ELEMENTS * sizeof *tiles);
  return error;
}

static int read_o(const struct attention *a, size_t unit, uint32_t head) {
  const struct duplex_kv_cache *cache = a->cache;
  const struct plan_unit *u = &a->plan.units[unit];
  const struct duplex_sequence *sequence = sequence_of(a, unit);
  const uint32_t channel = kv_channel(sequence, head, (1u << sequence->spread) - 1);
  duplex_f16 rows[DUPLEX_HEAD_SIZE_MAX * DUPLEX_LANES];
  uint32_t lane = 0;
  const int error = region_read(cache->stack, channel, place_of(a, u->o, head), 0, rows,
                                cache->head_size * DUPLEX_LANES * sizeof *rows);
  for (uint32_t i = 0; i < u->count && !error; i++)
    for (uint32_t own = 0; own < u->members[i].lanes; own++, lane++)
      for (uint32_t row = 0; row < cache->head_size; row++)
        a->o[vector_of(a, &u->members[i], head, own) + row] = rows[row * DUPLEX_LANES + lane];
  return error;
}

static int for_all_heads(const struct attention *a,
                         int (*move)(const struct attention *a, size_t unit, uint32_t head)) {
  for (size_t unit = 0; unit < a->plan.count; unit++)
    for (uint32_t head = 0; head < a->cache->heads; head++) {
      const int error = move(a, unit, head);
      if (error) return error;
    }
  return DUPLEX_OK;
}

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
      .scale = a->scale};
  for (size_t i = first; i < first + a->plan.units[first].together; i++) {
    const struct plan_unit *unit = &a->plan.units[i];
    sequences[message->sequences++] = (struct attention_sequence){
        (uint16_t)unit->segment_count,
        attention_place(sequence_of(a, i)->first_channel, sequence_of(a, i)->spread),
        (uint8_t)stored_lanes(unit->lanes)};
    memcpy(&segments[message->segments], unit->segments, unit->segment_count * sizeof *segments);
    message->segments += unit->segment_count;
  }
  uint32_t *list = a->cache->stack->machine->controller->mailbox->queue[a->cache->stack->queue.index].list;
  memcpy(list, sequences, message->sequences * sizeof *sequences);
  memcpy(list + message->sequences, segments, message->segments * sizeof *segments);
}

static int run_messages(struct duplex_stack *stack, struct attention *a) {
  struct attention_message message;
  int error = DUPLEX_OK;
  a->descriptors = 0;
  for (size_t done = 0; done < a->plan.count && !error; done += message.sequences) {
    uint32_t number;
    struct completion completion;
    fill_message(a, done, &message);
    error = queue_submit(stack, MESSAGE_ATTENTION, &message, sizeof message, &number);
    if (!error) error = queue_wait(stack, number, UINT64_MAX, &completion);
    if (!error) a->descriptors += completion.descriptors;
  }
  return error;
}

static int run_natively(struct duplex_stack *stack, void *context, uint64_t *cycles) {
  int error = stack_own(stack, stack->bundles);
  const uint64_t clock = stack->backend->ops->clocks(stack->backend);
  if (!error) error = run_messages(stack, context);
  *cycles = stack->backend->ops->clocks(stack->backend) - clock;
  return error;
}

// K and V of each page once, however many sequences have it.
static uint64_t positions_once(const struct attention *a) {
  const uint64_t visit = ++a->cache->visits;
  uint64_t positions = 0;
  for (size_t i = 0; i < a->batch; i++) {
    const struct kv_layer *layer = &a->sequences[i]->layers[a->layer];
    const size_t page_positions = kv_page_positions(a->sequences[i]);
    for (size_t page = 0; page < layer->count; page++) {
      const size_t left = layer->length - page * page_positions;
      if (layer->pages[page]->visit == visit) continue;
      layer->pages[page]->visit = visit;
      positions += left < page_positions ? left : page_positions;
    }
  }
  return positions;
}

static void note_work(const struct attention *a) {
  const struct duplex_kv_cache *cache = a->cache;
  struct duplex_stack_stats *stats = &cache->stack->stats;
  const uint64_t group = a->q_heads / cache->heads;
  stats->useful_bytes = positions_once(a) * cache->heads * 2 * cache->head_size * sizeof(duplex_f16);
  for (unsigned channel = 0; channel < stats->channels; channel++) stats->channel[channel].rows = 0;
  for (size_t i = 0; i < a->batch; i++) {
    const struct duplex_sequence *sequence = a->sequences[i];
    const uint32_t length = (uint32_t)sequence->layers[a->layer].length;
    for (uint32_t part = 0; part < cache->heads << sequence->spread; part++) {
      const uint32_t head = part >> sequence->spread, member = kv_member(sequence, part);
      struct duplex_channel_stats *own = &stats->channel[kv_channel(sequence, head, member)];
      const uint64_t positions = kv_positions(length, sequence->spread, member),
                     macs = positions * 2 * cache->head_size * group;
      own->rows += positions;
      own->macs += macs;
      stats->macs += macs;
    }
  }
}

static int run(struct attention *a, const struct measurement *begun) {
  struct duplex_stack *stack = a->cache->stack;
  struct measurement measurement;
  int error = for_all_heads(a, upload_q);
  if (begun) measurement = *begun;
  if (!error) error = begun ? stack_own(stack, stack->bundles) : start_measuring(stack, &measurement);
  if (!error) error = run_messages(stack, a);
  if (!error) error = note_traffic(stack, &measurement, a->descriptors);
  if (!error) note_work(a);
  if (!error && stack->measure_overhead) error = measure_native(stack, run_natively, a);
  return error ? error : for_all_heads(a, read_o);
}

int attention_since(const struct measurement *begun, struct duplex_kv_cache *cache, unsigned layer,
                    struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *q,
                    size_t q_heads, double scale, duplex_f16 *o) {
  struct attention a = {.cache = cache,
                        .layer = layer,
                        .sequences = sequences,
                        .batch = batch,
                        .q_heads = q_heads,
                        .q = q,
                        .o = o};
  struct duplex_stack *stack = cache->stack;
  stack->error_text[0] = 0;
  int error = attention_check(cache, layer, sequences, batch, q_heads, scale, 0);
  if (error) return error;
  a.scale = duplex_attention_scale(scale, cache->head_size);
  error = plan_attention(cache, layer, sequences, batch, (uint32_t)(q_heads / cache->heads),
                         cache->p32 ? DUPLEX_LANES / 2 : DUPLEX_LANES, &a.plan);
  if (error) return error;
  error = take_regions(&a);
  if (!error) {
    error = run(&a, begun);
    give_regions(&a);
  }
  plan_free(&a.plan);
  return error;
}

int duplex_stack_attention(struct duplex_kv_cache *cache, unsigned layer,
                           struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *q,
                           size_t q_heads, double scale, duplex_f16 *o) {
  return attention_since(NULL, cache, layer, sequences, batch, q, q_heads, scale, o);
}
