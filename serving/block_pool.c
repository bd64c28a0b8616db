// SPDX-License-Identifier: Apache-2.0
// Blocks of K and V of one node (docs/serving.md, "Schedulers").
#include "serving/block_pool.h"

#include <search.h>
#include <stdlib.h>

void block_pool_open(struct block_pool *pool, uint64_t blocks, unsigned block_size, unsigned part_size) {
  *pool =
      (struct block_pool){.block_size = block_size, .part_size = part_size, .blocks = blocks, .free = blocks};
  TAILQ_INIT(&pool->idle);
}

void block_pool_close(struct block_pool *pool) { tdestroy(pool->parts, free); }

static uint64_t blocks_of_part(const struct block_pool *pool) { return pool->part_size / pool->block_size; }

uint64_t block_pool_used(const struct block_pool *pool) {
  return pool->blocks - pool->free - (pool->part_size ? pool->idle_count * blocks_of_part(pool) : 0);
}

static int by_hash(const void *a, const void *b) {
  const uint64_t left = ((const struct pool_part *)a)->hash;
  const uint64_t right = ((const struct pool_part *)b)->hash;
  return (left > right) - (left < right);
}

static struct pool_part *find(const struct block_pool *pool, uint64_t hash) {
  const struct pool_part key = {.hash = hash};
  void *const *found = tfind(&key, &pool->parts, by_hash);
  return found ? *found : NULL;
}

static void use(struct block_pool *pool, struct pool_part *part) {
  if (part->users++ > 0) return;
  TAILQ_REMOVE(&pool->idle, part, link);
  pool->idle_count--;
}

static void leave(struct block_pool *pool, struct pool_part *part) {
  if (--part->users > 0) return;
  TAILQ_INSERT_TAIL(&pool->idle, part, link);
  pool->idle_count++;
}

// The part that was not used for longest is no longer kept.
static void drop_oldest(struct block_pool *pool) {
  struct pool_part *part = TAILQ_FIRST(&pool->idle);
  TAILQ_REMOVE(&pool->idle, part, link);
  tdelete(part, &pool->parts, by_hash);
  free(part);
  pool->idle_count--;
  pool->free += blocks_of_part(pool);
}

void block_pool_match(struct block_pool *pool, struct sequence *s) {
  if (!pool->part_size) return;
  while (s->parts < s->request.hash_count &&
         (uint64_t)(s->parts + 1) * pool->part_size <= sequence_length(s)) {
    struct pool_part *part = find(pool, s->request.hashes[s->parts]);
    if (!part) break;
    use(pool, part);
    s->parts++;
  }
  s->computed = s->parts * pool->part_size;
  s->blocks = s->computed / pool->block_size;
  if (s->computed == sequence_length(s))
    s->computed -= pool->block_size;  // its token comes from the last one
}

bool block_pool_grow(struct block_pool *pool, struct sequence *s, unsigned positions) {
  const unsigned wanted = (positions + pool->block_size - 1) / pool->block_size;
  const unsigned more = wanted > s->blocks ? wanted - s->blocks : 0;
  if (more > pool->blocks - block_pool_used(pool)) return false;
  while (pool->free < more) drop_oldest(pool);
  pool->free -= more;
  s->blocks += more;
  return true;
}

bool block_pool_keep(struct block_pool *pool, struct sequence *s) {
  if (!pool->part_size) return true;
  const unsigned computed = s->computed < s->request.input ? s->computed : s->request.input;
  while (s->parts < s->request.hash_count && (uint64_t)(s->parts + 1) * pool->part_size <= computed) {
    struct pool_part *part = find(pool, s->request.hashes[s->parts]);
    if (part) {  // somebody else has computed it meanwhile: one of them is enough
      use(pool, part);
      pool->free += blocks_of_part(pool);
    } else {
      part = calloc(1, sizeof *part);
      if (!part) return false;
      part->hash = s->request.hashes[s->parts];
      part->users = 1;
      if (!tsearch(part, &pool->parts, by_hash)) {
        free(part);
        return false;
      }
    }
    s->parts++;
  }
  return true;
}

// From the end on, so that of what is kept ends go before begins.
void block_pool_release(struct block_pool *pool, struct sequence *s) {
  const uint64_t own = s->blocks - s->parts * (pool->part_size ? blocks_of_part(pool) : 0);
  while (s->parts > 0) leave(pool, find(pool, s->request.hashes[--s->parts]));
  pool->free += own;
  s->blocks = 0;
}
