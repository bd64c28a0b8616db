// SPDX-License-Identifier: Apache-2.0
// The bytes of a page: K as rows of positions, V as rows of the head's columns, 64 positions to a row set
// (docs/architecture.md).
#include "driver/kv_page.h"

#include <string.h>

#include "driver/transfer.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define BANK_POSITIONS (DUPLEX_BEAT_BYTES / 4u / 2u)  // of a row of V: what one of four banks gives to a beat

// One row set: 64 rows of 64 elements.
struct row_set {
  duplex_f16 at[DUPLEX_WIDTH][DUPLEX_WIDTH];
};

// The row set of K of one tile of a block.
static struct region k_region(const struct duplex_kv_cache *cache, const struct kv_page *page, uint32_t head,
                              uint32_t block, uint32_t tile) {
  const struct kv_pool *pool = page->pool;
  const uint32_t slot = head / cache->stack->channels;
  return (struct region){pool->region.base + slot * pool->slot_stride +
                             (page->frame * cache->blocks + block) * cache->tiles + tile,
                         pool->region.stripe};
}

// The row set of V of one row block of a block.
static struct region v_region(const struct duplex_kv_cache *cache, const struct kv_page *page, uint32_t head,
                              uint32_t block, uint32_t row_block) {
  const struct kv_pool *pool = page->pool;
  const uint32_t slot = head / cache->stack->channels;
  return (struct region){pool->v_base + slot * pool->slot_stride + row_block * pool->v_block_stride +
                             page->frame * cache->blocks + block,
                         pool->region.stripe};
}

static uint32_t rows_of_v(const struct duplex_kv_cache *cache, uint32_t row_block) {
  return (uint32_t)duplex_smaller(cache->head_size - row_block * cache->block_rows, cache->block_rows);
}

// One head's place: where a 64-position block of it is written.
struct place {
  struct duplex_kv_cache *cache;
  const struct kv_page *page;
  uint32_t channel, head, block;  // block: of those in the channel
};

// The channel, and the block in it, that keep a position of a head; `position` counts from the page's begin.
static struct place place_of(const struct duplex_sequence *sequence, const struct kv_page *page,
                             uint32_t head, size_t position) {
  const uint32_t block = (uint32_t)(position / DUPLEX_WIDTH);
  return (struct place){sequence->cache, page, kv_channel(sequence, head, kv_member(sequence, block)), head,
                        block >> sequence->spread};
}

// Positions from `at` on of a block's K: a beat of each tile.
static int write_k(const struct place *p, uint32_t at, const duplex_f16 *k, uint32_t positions) {
  struct duplex_kv_cache *cache = p->cache;
  int error = DUPLEX_OK;
  for (uint32_t tile = 0; tile < cache->tiles && !error; tile++) {
    struct row_set rows = {0};
    const uint32_t columns = (uint32_t)duplex_smaller(cache->head_size - tile * DUPLEX_WIDTH, DUPLEX_WIDTH);
    for (uint32_t i = 0; i < positions; i++)
      memcpy(rows.at[i], k + (size_t)i * cache->head_size + tile * DUPLEX_WIDTH, columns * sizeof *k);
    error = region_write(cache->stack, p->channel, k_region(cache, p->page, p->head, p->block, tile),
                         at * DUPLEX_BEAT_BYTES, &rows, positions * DUPLEX_BEAT_BYTES);
  }
  return error;
}

// Columns [from, to) of a row block: whole rows are one piece.
static int put_v(const struct place *p, struct region region, const struct row_set *set, uint32_t rows,
                 uint32_t from, uint32_t to) {
  struct duplex_stack *stack = p->cache->stack;
  if (to - from == DUPLEX_WIDTH)
    return region_write(stack, p->channel, region, 0, set, rows * DUPLEX_BEAT_BYTES);
  int error = DUPLEX_OK;
  for (uint32_t row = 0; row < rows && !error; row++)
    error = region_write(stack, p->channel, region,
                         (uint64_t)row * DUPLEX_BEAT_BYTES + from * sizeof set->at[0][0], &set->at[row][from],
                         (to - from) * sizeof set->at[0][0]);
  return error;
}

// What lies behind the last of the block's `used` positions is zero; its first position makes all of it new.
// Otherwise only the pieces of a bank (16 positions of a row) are written that change; whoever writes knows
// what else is in them.
static int write_v(const struct place *p, uint32_t at, uint32_t used, const duplex_f16 *v,
                   uint32_t positions) {
  struct duplex_kv_cache *cache = p->cache;
  const uint32_t from = at / BANK_POSITIONS * BANK_POSITIONS;
  const uint32_t end = at + positions + BANK_POSITIONS - 1;
  const uint32_t to = used ? end / BANK_POSITIONS * BANK_POSITIONS : DUPLEX_WIDTH;
  int error = DUPLEX_OK;
  for (uint32_t row_block = 0; row_block < cache->tiles && !error; row_block++) {
    struct row_set set = {0};
    const uint32_t rows = rows_of_v(cache, row_block);
    const struct region region = v_region(cache, p->page, p->head, p->block, row_block);
    if (used) error = region_read(cache->stack, p->channel, region, 0, &set, rows * DUPLEX_BEAT_BYTES);
    for (uint32_t row = 0; row < rows; row++)
      memset(&set.at[row][used], 0, (DUPLEX_WIDTH - used) * sizeof *v);
    for (uint32_t row = 0; row < rows; row++)
      for (uint32_t i = 0; i < positions; i++)
        set.at[row][at + i] = v[(size_t)i * cache->head_size + row_block * cache->block_rows + row];
    if (!error) error = put_v(p, region, &set, rows, from, to);
  }
  return error;
}

// Of the page's `used` positions those that lie in the block of position `at`.
static uint32_t used_in_block(size_t used, size_t at) {
  const size_t begin = at / DUPLEX_WIDTH * DUPLEX_WIDTH;
  return used > begin ? (uint32_t)duplex_smaller(used - begin, DUPLEX_WIDTH) : 0;
}

int kv_page_write(const struct duplex_sequence *sequence, const struct kv_page *page, size_t at, size_t used,
                  const duplex_f16 *k, const duplex_f16 *v, size_t positions, size_t stride) {
  const struct duplex_kv_cache *cache = sequence->cache;
  int error = DUPLEX_OK;
  for (uint32_t head = 0; head < cache->heads; head++)
    for (size_t done = 0; done < positions && !error;) {
      const uint32_t in_block = (uint32_t)((at + done) % DUPLEX_WIDTH);
      const uint32_t count = (uint32_t)duplex_smaller(positions - done, DUPLEX_WIDTH - in_block);
      const struct place place = place_of(sequence, page, head, at + done);
      const size_t from = head * stride + done * cache->head_size;
      error = write_k(&place, in_block, k + from, count);
      if (!error) error = write_v(&place, in_block, used_in_block(used, at + done), v + from, count);
      done += count;
    }
  return error;
}

// The first positions of a block's K.
static int copy_k(const struct place *p, const struct kv_page *from, uint32_t positions) {
  struct duplex_kv_cache *cache = p->cache;
  const size_t bytes = positions * DUPLEX_BEAT_BYTES;
  struct row_set set;
  int error = DUPLEX_OK;
  for (uint32_t tile = 0; tile < cache->tiles && !error; tile++) {
    error =
        region_read(cache->stack, p->channel, k_region(cache, from, p->head, p->block, tile), 0, &set, bytes);
    if (!error)
      error = region_write(cache->stack, p->channel, k_region(cache, p->page, p->head, p->block, tile), 0,
                           &set, bytes);
  }
  return error;
}

// A block's V; behind the first positions it is zero.
static int copy_v(const struct place *p, const struct kv_page *from, uint32_t positions) {
  struct duplex_kv_cache *cache = p->cache;
  int error = DUPLEX_OK;
  for (uint32_t row_block = 0; row_block < cache->tiles && !error; row_block++) {
    const uint32_t rows = rows_of_v(cache, row_block);
    const size_t bytes = rows * DUPLEX_BEAT_BYTES;
    struct row_set set;
    error = region_read(cache->stack, p->channel, v_region(cache, from, p->head, p->block, row_block), 0,
                        &set, bytes);
    for (uint32_t row = 0; row < rows; row++)
      memset(&set.at[row][positions], 0, (DUPLEX_WIDTH - positions) * sizeof(duplex_f16));
    if (!error)
      error = region_write(cache->stack, p->channel, v_region(cache, p->page, p->head, p->block, row_block),
                           0, &set, bytes);
  }
  return error;
}

int kv_page_copy(const struct duplex_sequence *sequence, const struct kv_page *from, const struct kv_page *to,
                 size_t positions) {
  int error = DUPLEX_OK;
  for (uint32_t head = 0; head < sequence->cache->heads; head++)
    for (size_t done = 0; done < positions && !error; done += DUPLEX_WIDTH) {
      const struct place place = place_of(sequence, to, head, done);
      const uint32_t count = (uint32_t)duplex_smaller(positions - done, DUPLEX_WIDTH);
      error = copy_k(&place, from, count);
      if (!error) error = copy_v(&place, from, count);
    }
  return error;
}

// Positions from `at` on of a block's K, [positions][head_size].
static int read_k(const struct place *p, uint32_t at, duplex_f16 *k, uint32_t positions) {
  const struct duplex_kv_cache *cache = p->cache;
  int error = DUPLEX_OK;
  for (uint32_t tile = 0; tile < cache->tiles && !error; tile++) {
    struct row_set set;
    const uint32_t columns = (uint32_t)duplex_smaller(cache->head_size - tile * DUPLEX_WIDTH, DUPLEX_WIDTH);
    error = region_read(cache->stack, p->channel, k_region(cache, p->page, p->head, p->block, tile),
                        at * DUPLEX_BEAT_BYTES, &set, positions * DUPLEX_BEAT_BYTES);
    for (uint32_t i = 0; i < positions && !error; i++)
      memcpy(k + (size_t)i * cache->head_size + tile * DUPLEX_WIDTH, set.at[i], columns * sizeof *k);
  }
  return error;
}

// Of a row block of its V; the rows come whole.
static int read_v(const struct place *p, uint32_t row_block, uint32_t at, duplex_f16 *v, uint32_t positions) {
  const struct duplex_kv_cache *cache = p->cache;
  const uint32_t rows = rows_of_v(cache, row_block);
  struct row_set set;
  const int error =
      region_read(cache->stack, p->channel, v_region(cache, p->page, p->head, p->block, row_block), 0, &set,
                  rows * DUPLEX_BEAT_BYTES);
  for (uint32_t row = 0; row < rows && !error; row++)
    for (uint32_t i = 0; i < positions; i++)
      v[(size_t)i * cache->head_size + row_block * cache->block_rows + row] = set.at[row][at + i];
  return error;
}

int kv_page_read(const struct duplex_sequence *sequence, const struct kv_page *page, uint32_t head, size_t at,
                 duplex_f16 *k, duplex_f16 *v, size_t positions) {
  const struct duplex_kv_cache *cache = sequence->cache;
  int error = DUPLEX_OK;
  for (uint32_t pass = 0; pass <= cache->tiles; pass++)  // K, then V, so that row sets follow each other
    for (size_t done = 0; done < positions && !error;) {
      const uint32_t in_block = (uint32_t)((at + done) % DUPLEX_WIDTH);
      const uint32_t count = (uint32_t)duplex_smaller(positions - done, DUPLEX_WIDTH - in_block);
      const struct place place = place_of(sequence, page, head, at + done);
      error = pass == 0 ? read_k(&place, in_block, k + done * cache->head_size, count)
                        : read_v(&place, pass - 1, in_block, v + done * cache->head_size, count);
      done += count;
    }
  return error;
}
