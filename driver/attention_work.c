// SPDX-License-Identifier: Apache-2.0
// The work of an attention job, for its statistics.
#include "driver/attention_work.h"

#include "duplex/geometry.h"

// K and V of each page once, however many sequences have it.
static uint64_t positions_once(const struct attention *a) {
  const uint64_t visit = ++a->cache->visits;
  uint64_t positions = 0;
  for (size_t i = 0; i < a->batch; i++) {
    const struct kv_layer *layer = &a->sequences[i]->layers[a->layer];
    const size_t page_positions = kv_page_positions(a->sequences[i]);
    for (size_t page = 0; page < layer->count; page++) {
      const size_t left = kv_kept(layer) - page * page_positions;
      if (layer->pages[page]->visit == visit) continue;
      layer->pages[page]->visit = visit;
      positions += duplex_smaller(left, page_positions);
    }
  }
  return positions;
}

void attention_note_work(const struct attention *a) {
  const struct duplex_kv_cache *cache = a->cache;
  struct duplex_stack_stats *stats = &cache->stack->stats;
  const uint64_t group = a->q_heads / cache->heads;
  stats->useful_bytes = positions_once(a) * cache->heads * 2 * cache->head_size * sizeof(duplex_f16);
  for (unsigned channel = 0; channel < stats->channels; channel++) stats->channel[channel].rows = 0;
  for (size_t i = 0; i < a->batch; i++) {
    const struct duplex_sequence *sequence = a->sequences[i];
    const uint32_t length = (uint32_t)kv_kept(&sequence->layers[a->layer]);
    for (uint32_t part = 0; part < cache->heads << sequence->spread; part++) {
      const uint32_t head = part >> sequence->spread;
      const uint32_t member = kv_member(sequence, part);
      struct duplex_channel_stats *own = &stats->channel[kv_channel(sequence, head, member)];
      const uint64_t positions = duplex_kv_positions(length, sequence->spread, member);
      const uint64_t macs = positions * 2 * cache->head_size * group;
      own->rows += positions;
      own->macs += macs;
      stats->macs += macs;
    }
  }
}
