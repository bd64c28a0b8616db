// SPDX-License-Identifier: Apache-2.0
// Blocks of K and V of one node, and the beginnings of prompts that are kept in them for others.
#ifndef SERVING_BLOCK_POOL_H
#define SERVING_BLOCK_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "serving/scheduler.h"

// A part of a prompt by its hash, in as many blocks as its positions fill.
struct pool_part {
  TAILQ_ENTRY(pool_part) link;  // of those that nobody uses, the one that was used last at the end
  uint64_t hash;
  unsigned users, blocks;
};
TAILQ_HEAD(pool_parts, pool_part);

struct block_pool {
  // Positions of a block, of a part but for the last one of a prompt; a part of 0: none are kept.
  unsigned block_size, part_size;
  uint64_t blocks, free;  // in all; neither in use nor kept
  void *parts;            // by hash, of search.h
  struct pool_parts idle;
  uint64_t idle_blocks;
};

// part_size: a multiple of block_size, or 0.
void block_pool_open(struct block_pool *pool, uint64_t blocks, unsigned block_size, unsigned part_size);
void block_pool_close(struct block_pool *pool);

// Blocks that sequences use.
uint64_t block_pool_used(const struct block_pool *pool);

// A sequence without blocks gets the parts of its prompt that are kept, from its begin on: these are
// computed. Of a sequence that is kept to its end the last block is computed anew.
void block_pool_match(struct block_pool *pool, struct sequence *sequence);
// Blocks for so many positions in all, at the cost of parts that nobody uses; false, and nothing is changed,
// if there are too few.
bool block_pool_grow(struct block_pool *pool, struct sequence *sequence, unsigned positions);
// Parts of its prompt that a sequence has computed are kept from now on. False: too little memory for more.
bool block_pool_keep(struct block_pool *pool, struct sequence *sequence);
// A sequence gives back its blocks; kept parts stay until others need the room.
void block_pool_release(struct block_pool *pool, struct sequence *sequence);

#endif
