// SPDX-License-Identifier: Apache-2.0
// How many channels share a KV head of a sequence.
#include "driver/kv_spread.h"

#include "driver/arguments.h"
#include "duplex/error.h"

#define SCORES (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD)  // of one channel
#define MEMBER_POSITIONS 256u  // fewer are not worth the way of a descriptor and the join of the sums

unsigned duplex_kv_spread_most(const struct duplex_stack *stack, unsigned heads) {
  unsigned spread = 1;
  if (!stack || heads == 0) return 1;
  while (2 * spread <= stack->channels / heads) spread *= 2;
  return spread;
}

unsigned kv_spread_for(const struct duplex_kv_cache *cache, size_t positions, uint32_t lanes) {
  const unsigned most = duplex_kv_spread_most(cache->stack, cache->heads);
  unsigned spread = 1;
  while (spread < most && positions * lanes > (size_t)SCORES * spread) spread *= 2;
  return spread;
}

int duplex_kv_plan_spreads(const struct duplex_kv_cache *cache, const size_t *lengths, size_t batch,
                           size_t group, unsigned *spreads) {
  int error = need_cache(cache);
  if (!error && batch) error = need(cache->stack, "lengths", lengths);
  if (!error && batch) error = need(cache->stack, "spreads", spreads);
  if (error) return error;
  const unsigned most = duplex_kv_spread_most(cache->stack, cache->heads);
  const uint32_t lanes = group < DUPLEX_LANES ? 1u << stored_lanes((uint32_t)group) : DUPLEX_LANES;
  size_t all = 0;
  for (size_t i = 0; i < batch; i++) all += lengths[i] * cache->heads;
  for (size_t i = 0; i < batch; i++) {
    unsigned spread = kv_spread_for(cache, lengths[i], lanes);
    while (spread < most && lengths[i] / spread > all / cache->stack->channels / 2 &&
           lengths[i] / (2 * spread) >= MEMBER_POSITIONS)
      spread *= 2;
    spreads[i] = spread;
  }
  return DUPLEX_OK;
}
