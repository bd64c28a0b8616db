// SPDX-License-Identifier: Apache-2.0
// Opening and closing a KV cache, and what it has room for.
#include "driver/kv_cache.h"

#include <stdlib.h>
#include <string.h>

#include "driver/arguments.h"
#include "driver/kv_pool.h"
#include "driver/stack_error.h"
#include "duplex/error.h"
#include "duplex/geometry.h"

#define PAGE_POSITIONS 1024u
#define LAYERS_MOST 1024u
#define PREFILL_BUNDLE (1u << (DUPLEX_BUNDLES - 1))  // unless the options name others

// A mask of bundles that there are; `name`: what the text calls it.
static int check_mask(struct duplex_stack *stack, const char *name, unsigned mask) {
  if (mask <= ALL_BUNDLES) return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%s 0x%x: expected a mask of bundles 0 to %d", name, mask,
                    DUPLEX_BUNDLES - 1);
}

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
  if (o->layers > LAYERS_MOST)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%u layers: expected 1 to %u, or 0 for 1", o->layers,
                      LAYERS_MOST);
  const int error = check_mask(stack, "KV bundles", o->bundles);
  return error ? error : check_mask(stack, "prefill bundles", o->prefill_bundles);
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

// The most pages in what is free of `space`; the options are right.
static size_t pages_in(struct duplex_stack *stack, const struct space *space,
                       const struct duplex_kv_options *options) {
  struct duplex_kv_cache cache;
  set_geometry(&cache, stack, options);
  return space_longest(space, stripe_of(stack, options)) / (2 * cache.slots * cache.blocks * cache.tiles);
}

size_t duplex_kv_room(struct duplex_stack *stack, const struct duplex_kv_options *options) {
  return need(stack, "options", options) || check_options(stack, options)
             ? 0
             : pages_in(stack, stack->space, options);
}

size_t duplex_kv_room_beside(struct duplex_stack *stack, const struct duplex_kv_options *options,
                             size_t batch, size_t q_heads, bool p32) {
  if (need(stack, "options", options) || check_options(stack, options) || batch == 0 || batch > UINT16_MAX ||
      q_heads < options->heads)
    return 0;
  const uint64_t lanes = p32 ? DUPLEX_LANES / 2 : DUPLEX_LANES;
  const uint64_t units = batch * ((q_heads / options->heads + lanes - 1) / lanes);
  const uint64_t vectors = 2 * units * duplex_kv_slots(options->heads, stack->channels);
  struct space space = *stack->space;
  struct region region;
  if (vectors > DUPLEX_BUNDLES * DUPLEX_BANK_ROWS ||
      !space_take_mailbox(&space, stack->bundles, (uint32_t)vectors, &region))
    return 0;
  return pages_in(stack, &space, options);
}

static int take_windows(struct duplex_kv_cache *cache, const uint32_t *windows, uint32_t pinned) {
  cache->pinned = pinned;
  cache->windows = calloc(cache->layers, sizeof *cache->windows);
  if (!cache->windows) return stack_no_memory(cache->stack);
  if (windows) memcpy(cache->windows, windows, cache->layers * sizeof *windows);
  return DUPLEX_OK;
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
  if (cache) *cache = NULL;
  int error = need(stack, "options", options);
  if (!error) error = need(stack, "cache", cache);
  if (!error) error = check_options(stack, options);
  if (error) return error;
  if (options->pages == 0 && options->prefill_pages == 0)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "0 pages, and 0 to prefill in: expected 1 or more of either kind");
  struct duplex_kv_cache *self = handle_take(&stack->caches, sizeof *self);
  if (!self) return stack_no_memory(stack);
  set_geometry(self, stack, options);
  error = take_windows(self, options->windows, options->pinned);
  if (!error) error = open_pools(self, options);
  if (error) {
    duplex_kv_close(self);
    return error;
  }
  *cache = self;
  return DUPLEX_OK;
}

int duplex_kv_close(struct duplex_kv_cache *cache) {
  const int error = cache ? need_cache(cache) : DUPLEX_OK;
  if (error || !cache) return error;
  while (cache->sequences) duplex_kv_free(cache->sequences);
  kv_pool_close(cache, &cache->pools[DUPLEX_KV_SPACES]);
  kv_pool_close(cache, &cache->pools[DUPLEX_KV_PREFILL]);
  free(cache->windows);
  handle_retire(&cache->stack->caches, cache);
  return DUPLEX_OK;
}

int duplex_kv_use_p32(struct duplex_kv_cache *cache, bool p32) {
  const int error = need_cache(cache);
  if (!error) cache->p32 = p32;
  return error;
}

size_t duplex_kv_used(const struct duplex_kv_cache *cache, enum duplex_kv_space space) {
  if (need_cache(cache) || (unsigned)space > DUPLEX_KV_PREFILL) return 0;
  const struct kv_pool *pool = &cache->pools[space];
  size_t used = 0;
  for (uint32_t frame = 0; frame < pool->frames; frame++)
    used += (size_t)__builtin_popcount(pool->taken[frame]);
  return used;
}
