// SPDX-License-Identifier: Apache-2.0
// Frames of the KV cache: which are taken, in which channels.
#include "driver/kv_pool.h"

#include <stdlib.h>

#include "driver/stack_error.h"
#include "duplex/error.h"

int kv_pool_open(struct duplex_kv_cache *cache, struct kv_pool *pool, uint32_t stripe, size_t frames) {
  const uint64_t slot_stride = (uint64_t)frames * cache->blocks * cache->tiles;
  const uint64_t row_sets = 2 * slot_stride * cache->slots;
  if (frames == 0) return DUPLEX_OK;
  if (frames > UINT16_MAX || row_sets > DUPLEX_BUNDLES * DUPLEX_BANK_ROWS ||
      !space_take(cache->stack->space, stripe, (uint32_t)row_sets, &pool->region))
    return stack_fail(cache->stack, DUPLEX_ERROR_OUT_OF_SPACE,
                      "no room in the stack's DRAM for %zu pages of %u positions", frames,
                      cache->page_positions);
  pool->row_sets = (uint32_t)row_sets;
  pool->frames = (uint32_t)frames;
  pool->slot_stride = (uint32_t)slot_stride;
  pool->v_base = pool->region.base + cache->slots * pool->slot_stride;
  pool->v_block_stride = pool->frames * cache->blocks;
  pool->taken = calloc(frames, sizeof *pool->taken);
  return pool->taken ? DUPLEX_OK : stack_no_memory(cache->stack);
}

void kv_pool_close(struct duplex_kv_cache *cache, struct kv_pool *pool) {
  if (pool->frames) space_give(cache->stack->space, pool->region, pool->row_sets);
  free(pool->taken);
}

bool kv_pool_take(struct kv_pool *pool, uint32_t channels, uint32_t wish, uint32_t *frame) {
  *frame = wish;
  if (wish >= pool->frames || pool->taken[wish] & channels)
    for (*frame = 0; *frame < pool->frames && pool->taken[*frame] & channels;) ++*frame;
  if (*frame >= pool->frames) return false;
  pool->taken[*frame] |= channels;
  return true;
}

void kv_pool_give(struct kv_pool *pool, uint32_t frame, uint32_t channels) {
  pool->taken[frame] &= ~channels;
}
