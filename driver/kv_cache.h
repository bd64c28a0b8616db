// The KV cache, as its parts see it.
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

struct kv_layer {
  struct kv_page **pages;
  size_t count, room, length;
};

struct duplex_sequence {
  struct duplex_kv_cache *cache;
  struct duplex_sequence *next, **link;  // list of the cache
  struct kv_pool *pool;
  uint32_t first_channel, spread;  // 2^spread channels share a KV head
  size_t weight;                   // positions that it counts for in the balance
  struct kv_layer layers[];
};

struct duplex_kv_cache {
  struct duplex_stack *stack;
  uint32_t heads, head_size, layers, page_positions;
  uint32_t tiles, block_rows, slots, blocks;  // blocks of 64 positions of a page in one channel
  struct kv_pool pools[2];                    // by enum duplex_kv_space
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

// kv_cache.c: pages for positions that are appended next, the last one the sequence's own; and away with
// those that it does not need.
int kv_reserve(struct duplex_sequence *sequence, unsigned layer, size_t positions);
void kv_trim(struct duplex_sequence *sequence, unsigned layer);

// attention.c: the arguments of duplex_stack_attention when each sequence has that many positions more.
int attention_check(struct duplex_kv_cache *cache, unsigned layer, struct duplex_sequence *const *sequences,
                    size_t batch, size_t q_heads, double scale, size_t appended);
// duplex_stack_attention, measured from `begun` on, with the bundles the xPU's; NULL: from their hand-over
// on.
struct measurement;
int attention_since(const struct measurement *begun, struct duplex_kv_cache *cache, unsigned layer,
                    struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *q,
                    size_t q_heads, double scale, duplex_f16 *o);

// kv_pool.c
int kv_pool_open(struct duplex_kv_cache *cache, struct kv_pool *pool, uint32_t stripe, size_t frames);
void kv_pool_close(struct duplex_kv_cache *cache, struct kv_pool *pool);
// A frame that is free in these channels, the one at `wish` if it can be had; false: there is none.
bool kv_pool_take(struct kv_pool *pool, uint32_t channels, uint32_t wish, uint32_t *frame);
void kv_pool_give(struct kv_pool *pool, uint32_t frame, uint32_t channels);

// kv_spread.c: the fewest channels of a KV head with which the scores of so many lanes fit their slices (the
// most that it can have, if none do).
unsigned kv_spread_for(const struct duplex_kv_cache *cache, size_t positions, uint32_t lanes);

// Binary logarithm of the lanes that the hardware keeps for so many.
static inline uint32_t stored_lanes(uint32_t lanes) {
  return lanes > 1 ? 32 - (uint32_t)__builtin_clz(lanes - 1) : 0;
}

// kv_page.c: bytes of a page. Positions from `at` on (within the page); K and V of one head at a time are
// `stride` elements apart.
int kv_page_write(const struct duplex_sequence *sequence, const struct kv_page *page, size_t at,
                  const duplex_f16 *k, const duplex_f16 *v, size_t positions, size_t stride);
// Copies the first positions of a page; behind them V is zero.
int kv_page_copy(const struct duplex_sequence *sequence, const struct kv_page *from, const struct kv_page *to,
                 size_t positions);

#endif
