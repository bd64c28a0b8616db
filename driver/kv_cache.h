// SPDX-License-Identifier: Apache-2.0
// The structures of the KV cache: spaces, pages, sequences.
#ifndef DUPLEX_DRIVER_KV_CACHE_H
#define DUPLEX_DRIVER_KV_CACHE_H

#include "driver/stack.h"
#include "duplex/kv_cache.h"

// Frames for pages in one space. Frame f of slot j has its K from row set base + j * slot_stride + f * blocks
// * tiles on, row block b of its V from v_base + j * slot_stride + b * v_block_stride + f * blocks on; so
// frames that follow each other are one segment.
struct kv_pool {
  struct region region;
  uint32_t row_sets;
  uint32_t frames, v_base, slot_stride, v_block_stride;
  uint32_t *taken;  // channels of each frame, one bit each
};

struct kv_page {
  struct kv_pool *pool;
  uint32_t frame;
  uint32_t channels;  // that it lies in, one bit each
  unsigned references;
  uint64_t serial;  // no other page has it
  uint64_t visit;   // the last attention that counted it
};

// Positions of a ring take their slots in turn: attention is a function of the set of its positions, not of
// their order, as its sums are exact.
struct kv_layer {
  struct kv_page **pages;
  size_t count, room, length;
  size_t ring;    // slots: of the pinned positions and of the last ones; 0: all positions are kept
  size_t pinned;  // first positions, which keep their slots
};

// Where a position lies while it is kept.
static inline size_t kv_slot(const struct kv_layer *layer, size_t position) {
  if (layer->ring == 0 || position < layer->ring) return position;
  return layer->pinned + (position - layer->pinned) % (layer->ring - layer->pinned);
}

// Positions that lie in its pages.
static inline size_t kv_kept(const struct kv_layer *layer) {
  return layer->ring && layer->length > layer->ring ? layer->ring : layer->length;
}

struct duplex_sequence {
  struct handle handle;
  struct duplex_kv_cache *cache;
  struct duplex_sequence *next, **link;  // list of the cache
  struct kv_pool *pool;
  uint32_t first_channel, spread;  // 2^spread channels share a KV head
  size_t weight;                   // positions that it counts for in the balance
  struct kv_layer *layers;         // of the cache's number
};

struct duplex_kv_cache {
  struct handle handle;
  struct duplex_stack *stack;
  uint32_t heads, head_size, layers, page_positions;
  uint32_t tiles, block_rows, slots, blocks;  // blocks of 64 positions of a page in one channel
  struct kv_pool pools[2];                    // by enum duplex_kv_space
  uint32_t *windows;                          // [layers] of the KV spaces, 0: all positions
  uint32_t pinned;
  struct duplex_sequence *sequences;
  size_t load[DUPLEX_CHANNELS];  // positions of all its heads
  uint64_t serials, visits;
  bool p32;  // weights in two parts
};

// The member of its channels in which a KV head has a block of 64 positions, or any by its number.
static inline uint32_t kv_member(const struct duplex_sequence *sequence, uint32_t block) {
  return block & ((1u << sequence->spread) - 1);
}
static inline uint32_t kv_channel(const struct duplex_sequence *sequence, uint32_t head, uint32_t member) {
  return (sequence->first_channel + (head << sequence->spread) + member) % sequence->cache->stack->channels;
}

// Positions of one of the sequence's pages.
static inline size_t kv_page_positions(const struct duplex_sequence *sequence) {
  return (size_t)sequence->cache->page_positions << sequence->spread;
}

#endif
