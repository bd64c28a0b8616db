// SPDX-License-Identifier: Apache-2.0
// q and o of an attention job: between the host and the stack's DRAM.
#include "driver/attention_vectors.h"

#include "driver/transfer.h"
#include "duplex/error.h"

#define TILE_ELEMENTS (DUPLEX_WIDTH * DUPLEX_LANES)

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

// q of all members of a unit, as tiles, to every channel of its KV head.
static int upload_q(const struct attention *a, size_t unit, uint32_t head) {
  const struct duplex_kv_cache *cache = a->cache;
  const struct plan_unit *u = &a->plan.units[unit];
  const struct duplex_sequence *sequence = attention_sequence_of(a, unit);
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

// o of all members of a unit, from the last channel of its KV head.
static int read_o(const struct attention *a, size_t unit, uint32_t head) {
  const struct duplex_kv_cache *cache = a->cache;
  const struct plan_unit *u = &a->plan.units[unit];
  const struct duplex_sequence *sequence = attention_sequence_of(a, unit);
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

// Calls `move` for each unit and KV head.
static int for_all_heads(const struct attention *a,
                         int (*move)(const struct attention *a, size_t unit, uint32_t head)) {
  for (size_t unit = 0; unit < a->plan.count; unit++)
    for (uint32_t head = 0; head < a->cache->heads; head++) {
      const int error = move(a, unit, head);
      if (error) return error;
    }
  return DUPLEX_OK;
}

int attention_upload_q(const struct attention *a) { return for_all_heads(a, upload_q); }

int attention_read_o(const struct attention *a) { return for_all_heads(a, read_o); }
