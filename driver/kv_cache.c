// SPDX-License-Identifier: Apache-2.0
// Opening and closing a KV cache, and what it has room for.
#include "driver/kv_cache.h"

#include <stdlib.h>

#include "driver/kv_pool.h"
#include "driver/stack_error.h"
#include "duplex/error.h"
#include "duplex/geometry.h"

#define PAGE_POSITIONS 1024u
#define LAYERS_MOST 1024u
#define PREFILL_BUNDLE (1u << (DUPLEX_BUNDLES - 1))  // unless the options name others

// What a cache may be asked for; the text of an error names the number and what was expected.
static int check_options(struct duplex_stack *stack, const struct duplex_kv_options *o) {
  if (o->heads < 1 || o->heads > DUPLEX_KV_HEADS_MAX)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%u KV heads: expected 1 to %u", o->heads,
                      DUPLEX_KV_HEADS_MAX);
  if (o->head_size < 16 || o->head_size > DUPLEX_HEAD_SIZE_MAX || o->head_size % 16)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "head size %u: expected a multiple of 16 from 16 to %u",
                      o->head_size, DUPLEX_HEAD_SIZE_MAX);
  if (o->page_positions % DUPLEX_WIDTH || o->page_positions > DUPLEX_POSITIONS_MAX)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "pages of %u positions: expected a multiple of %u, at most %u", o->page_positions,
                      DUPLEX_WIDTH, DUPLEX_POSITIONS_MAX);
  if (o->layers > LAYERS_MOST || o->bundles > ALL_BUNDLES || o->prefill_bundles > ALL_BUNDLES)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "KV cache: at most %u layers, bundles 0 to %d",
                      LAYERS_MOST, DUPLEX_BUNDLES - 1);
  return DUPLEX_OK;
}

// The bundles of the KV spaces.
static uint32_t stripe_of(const struct duplex_stack *stack, const struct duplex_kv_options *o) {
  const uint32_t usual = stack->bundles == ALL_BUNDLES ? ALL_BUNDLES & ~PREFILL_BUNDLE : stack->bundles;
  return o->bundles ? o->bundles : usual;
}

// What follows from the options: tiles, row blocks, slots.
static void set_geometry(struct duplex_kv_cache *cache, struct duplex_stack *stack,
                         const struct duplex_kv_options *o) {
  cache->stack = stack;
  cache->heads = o->heads;
  cache->head_size = o->head_size;
  cache->layers = o->layers ? o->layers : 1;
  cache->page_positions = o->page_positions ? o->page_positions : PAGE_POSITIONS;
  cache->blocks = cache->page_positions / DUPLEX_WIDTH;
  cache->tiles = duplex_kv_tiles(cache->head_size);
  cache->block_rows = duplex_kv_block_rows(cache->head_size);
  cache->slots = duplex_kv_slots(cache->heads, stack->channels);
}

size_t duplex_kv_room(struct duplex_stack *stack, const struct duplex_kv_options *options) {
  struct duplex_kv_cache cache;
  if (check_options(stack, options)) return 0;
  set_geometry(&cache, stack, options);
  return space_longest(stack->space, stripe_of(stack, options)) /
         (2 * cache.slots * cache.blocks * cache.tiles);
}

// Pages of sequences that decode and of prompts; an error leaves the first pool for the caller to close.
static int open_pools(struct duplex_kv_cache *cache, const struct duplex_kv_options *o) {
  const int error =
      kv_pool_open(cache, &cache->pools[DUPLEX_KV_SPACES], stripe_of(cache->stack, o), o->pages);
  if (error) return error;
  return kv_pool_open(cache, &cache->pools[DUPLEX_KV_PREFILL],
                      o->prefill_bundles ? o->prefill_bundles : PREFILL_BUNDLE, o->prefill_pages);
}

int duplex_kv_open(struct duplex_stack *stack, const struct duplex_kv_options *options,
                   struct duplex_kv_cache **cache) {
  *cache = NULL;
  int error = check_options(stack, options);
  if (error) return error;
  struct duplex_kv_cache *self = calloc(1, sizeof *self);
  if (!self) return stack_no_memory(stack);
  set_geometry(self, stack, options);
  error = open_pools(self, options);
  if (error) {
    duplex_kv_close(self);
    return error;
  }
  *cache = self;
  return DUPLEX_OK;
}

void duplex_kv_close(struct duplex_kv_cache *cache) {
  if (!cache) return;
  while (cache->sequences) duplex_kv_free(cache->sequences);
  kv_pool_close(cache, &cache->pools[DUPLEX_KV_SPACES]);
  kv_pool_close(cache, &cache->pools[DUPLEX_KV_PREFILL]);
  free(cache);
}

void duplex_kv_use_p32(struct duplex_kv_cache *cache, bool p32) { cache->p32 = p32; }

size_t duplex_kv_used(const struct duplex_kv_cache *cache, enum duplex_kv_space space) {
  const struct kv_pool *pool = &cache->pools[space];
  size_t used = 0;
  for (uint32_t frame = 0; frame < pool->frames; frame++)
    used += (size_t)__builtin_popcount(pool->taken[frame]);
  return used;
}
