// SPDX-License-Identifier: Apache-2.0
// The tile words on their way to all channels, clock by clock, as rtl/control/broadcast.v.
#ifndef DUPLEX_CMODEL_BROADCAST_H
#define DUPLEX_CMODEL_BROADCAST_H

#include "cmodel/channel/job_timing.h"

#define BROADCAST_ROOM 4  // words in and on their way to the FIFO

struct broadcast {
  bool reading, second, half;
  uint32_t first;  // word of the first group
  unsigned word, k, blocks, room;
  unsigned words, arriving;  // in the FIFO; granted reads on their way, one bit a clock
  uint32_t taken;            // channels that have the word at the output
};

void broadcast_start(struct broadcast *b, const struct job_timing *job);
static inline uint32_t broadcast_address(const struct broadcast *b, const struct job_timing *job) {
  return (b->first + (b->second ? job->x_stride : 0)) & 0x7fff;
}
static inline bool broadcast_busy(const struct broadcast *b) {
  return b->reading || b->room != BROADCAST_ROOM;
}
static inline bool broadcast_wants(const struct broadcast *b) { return b->reading && b->room != 0; }
void broadcast_clock(struct broadcast *b, const struct job_timing *job, bool read, uint32_t ready,
                     unsigned channels);

#endif
