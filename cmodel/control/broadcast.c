// SPDX-License-Identifier: Apache-2.0
// The tile words on their way to all channels, as rtl/control/broadcast.v.
#include "cmodel/control/broadcast.h"

#include "duplex/params.h"

void broadcast_start(struct broadcast *b, const struct job_timing *job) {
  b->reading = true;
  b->first = job->x_address;
  b->second = b->half = false;
  b->word = 0;
  b->k = job->k_tiles - 1;
  b->blocks = job->blocks - 1;
}

// Moves to the word that is read next: word of the tile, tiles of a stream in pairs, group of tokens, block.
// Ends the reading behind the last word of the last block.
static void next_read(struct broadcast *b, const struct job_timing *job) {
  const bool tile_end = b->word == DUPLEX_TILE_WORDS - 1;
  const bool group_end = !job->two_groups || b->second;
  const unsigned k_step = job->two_groups && job->x_stride == DUPLEX_TILE_WORDS ? DUPLEX_TILE_WORDS + 1 : 1;
  b->word = (b->word + 1) % DUPLEX_TILE_WORDS;
  if (!tile_end) {
    b->first++;
    return;
  }
  const bool half = b->half;
  const bool turn_end = !job->two_streams || half || b->k == 0;
  b->half = !turn_end;
  if (!turn_end) {
    b->first += k_step;
    b->k--;
    return;
  }
  if (job->two_groups) b->second = !b->second;
  if (!group_end) {
    b->first -= half ? 2 * (DUPLEX_TILE_WORDS - 1) + k_step : DUPLEX_TILE_WORDS - 1;
    b->k += half;
    return;
  }
  b->first = b->k == 0 ? job->x_address : b->first + k_step;
  if (b->k--) return;
  b->k = job->k_tiles - 1;
  if (b->blocks-- == 0) b->reading = false;
}

void broadcast_clock(struct broadcast *b, const struct job_timing *job, bool read, uint32_t ready,
                     unsigned channels) {
  const uint32_t all = channels == 32 ? UINT32_MAX : (1u << channels) - 1;
  const uint32_t taken = b->taken | ready;
  const bool pop = b->words != 0 && (taken & all) == all;
  b->room += (unsigned)pop - (unsigned)read;
  b->taken = pop || b->words == 0 ? 0 : taken;
  b->words += (b->arriving >> 1 & 1) - (unsigned)pop;
  b->arriving = b->arriving << 1 | read;
  if (read) next_read(b, job);
}
