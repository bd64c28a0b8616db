// SPDX-License-Identifier: Apache-2.0
// From ranks of experts to their cuts, four experts at a time.
#ifndef DUPLEX_SCHEDULE_CUTS_H
#define DUPLEX_SCHEDULE_CUTS_H

#include "schedule/schedule.h"

#define SCHEDULE_NO_RANK 254u      // of no expert
#define SCHEDULE_EACH 0x01010101u  // times a byte: four of it

// Experts of one rank in their order: the first `full` have the cut `high`, the next one `cut`, the others
// `low`.
struct schedule_share {
  uint32_t full, high, cut, low;
};

// The cuts of a piece. Even and odd experts may have their own ranks from which on they are behind the front,
// and their own rank that is divided, as the share says that is counted down.
struct schedule_cuts {
  uint32_t whole;            // the cut of those before the front
  uint32_t behind, divided;  // a byte for each of four experts in turn
  struct schedule_share *share[2];
};

// Those of the even experts, or of the odd ones.
static inline void schedule_set_cuts(struct schedule_cuts *cuts, uint32_t parity, uint32_t behind,
                                     uint32_t divided, struct schedule_share *share) {
  const uint32_t both = 0x00010001u << 8 * parity;
  cuts->behind |= behind * both;
  cuts->divided |= divided * both;
  cuts->share[parity] = share;
}

// `ranks` and `to` are aligned to 4 bytes and have whole words; ranks are below 127, or at least
// SCHEDULE_NO_RANK.
void schedule_write_cuts(const struct schedule_cuts *cuts, const uint8_t *ranks, uint32_t experts,
                         uint8_t *to);

#endif
