// SPDX-License-Identifier: Apache-2.0
// How many channels share a KV head of a sequence, and how many lanes the hardware keeps.
#ifndef DUPLEX_DRIVER_KV_SPREAD_H
#define DUPLEX_DRIVER_KV_SPREAD_H

#include "driver/kv_cache.h"

// The fewest channels of a KV head with which the scores of so many lanes fit their slices (the most that it
// can have, if none do).
unsigned kv_spread_for(const struct duplex_kv_cache *cache, size_t positions, uint32_t lanes);

// Binary logarithm of the lanes that the hardware keeps for so many.
static inline uint32_t stored_lanes(uint32_t lanes) {
  uint32_t stored = 0;
  while (1u << stored < lanes && stored < DUPLEX_LANE_BITS) stored++;
  return stored;
}

#endif
