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

uint64_t block_pool_used(const struct block_pool *pool) {
  return pool->blocks - pool->free - pool->idle_blocks;
}

// That the next part of a prompt fills; 0: there is none.
static unsigned next_blocks(const struct block_pool *pool, const struct sequence *s) {
  const uint64_t begin = (uint64_t)s->parts * pool->part_size;
  if (s->parts >= s->request.hash_count || begin >= s->request.input) return 0;
  const uint64_t left = s->request.input - begin;
  return (unsigned)(left < pool->part_size ? left : pool->part_size) / pool->block_size;
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
  pool->idle_blocks -= part->blocks;
}

static void leave(struct block_pool *pool, struct pool_part *part) {
  if (--part->users > 0) return;
  TAILQ_INSERT_TAIL(&pool->idle, part, link);
  pool->idle_blocks += part->blocks;
}

// The part that was not used for longest is no longer kept.
static void drop_oldest(struct block_pool *pool) {
  struct pool_part *part = TAILQ_FIRST(&pool->idle);
  TAILQ_REMOVE(&pool->idle, part, link);
  tdelete(part, &pool->parts, by_hash);
  pool->idle_blocks -= part->blocks;
  pool->free += part->blocks;
  free(part);
}

void block_pool_match(struct block_pool *pool, struct sequence *s) {
  if (!pool->part_size) return;
  for (unsigned blocks; (blocks = next_blocks(pool, s)) > 0; s->shared += blocks) {
    struct pool_part *part = find(pool, s->request.hashes[s->parts]);
    if (!part || part->blocks != blocks) break;
    use(pool, part);
    s->parts++;
  }
  s->computed = s->shared * pool->block_size;
  s->blocks = s->shared;
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

// A part that nobody has kept, with its one user. NULL: too little memory.
static struct pool_part *add_part(struct block_pool *pool, uint64_t hash, unsigned blocks) {
  struct pool_part *part = calloc(1, sizeof *part);
  if (!part) return NULL;
  *part = (struct pool_part){.hash = hash, .users = 1, .blocks = blocks};
  if (tsearch(part, &pool->parts, by_hash)) return part;
  free(part);
  return NULL;
}

bool block_pool_keep(struct block_pool *pool, struct sequence *s) {
  if (!pool->part_size) return true;
  for (unsigned blocks; (blocks = next_blocks(pool, s)) > 0; s->shared += blocks) {
    const uint64_t hash = s->request.hashes[s->parts];
    struct pool_part *part = find(pool, hash);
    if ((uint64_t)(s->shared + blocks) * pool->block_size > s->computed) break;
    if (part && part->blocks != blocks) break;  // the same number of another length: one of them counts
    if (part) {  // somebody else has computed it meanwhile: one of them is enough
      use(pool, part);
      pool->free += blocks;
    } else if (!add_part(pool, hash, blocks)) {
      return false;
    }
    s->parts++;
  }
  return true;
}

// From the end on, so that of what is kept ends go before begins.
void block_pool_release(struct block_pool *pool, struct sequence *s) {
  pool->free += s->blocks - s->shared;
  while (s->parts > 0) leave(pool, find(pool, s->request.hashes[--s->parts]));
  s->blocks = s->shared = 0;
}
