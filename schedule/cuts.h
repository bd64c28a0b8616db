// SPDX-License-Identifier: Apache-2.0
// From ranks of experts to their cuts, four experts at a time.
#ifndef DUPLEX_SCHEDULE_CUTS_H
#define DUPLEX_SCHEDULE_CUTS_H

#include "schedule/schedule.h"

#define SCHEDULE_SHARE 127u        // most of `full` in a share of even or of odd experts
#define SCHEDULE_EACH 0x01010101u  // times a byte: four of it
#define SCHEDULE_EVEN 0x00010001u  // times a byte: that of the even experts among four

// Experts of one rank in their order: the first `full` have the cut `high`, the next one `cut`, the others
// `low`.
struct schedule_share {
  uint32_t full, high, cut, low;
};

// The cuts of a piece: `whole` of experts of ranks below `behind`, a share of those of the rank `behind`
// where it is `divided`, and none of the others. Even and odd experts have their own, or all have one share.
// Shares are counted down.
struct schedule_cuts {
  uint32_t whole;
  uint32_t behind, divided;  // a byte for each of four experts in turn; divided: 1 or 0
  struct schedule_share *share[2];
  struct schedule_share nobody;  // of those that have no divided rank
};

#define SCHEDULE_ODD 1u  // whose cuts are set
#define SCHEDULE_ALL 2u

static inline void schedule_clear_cuts(struct schedule_cuts *cuts) { cuts->behind = cuts->divided = 0; }

// Those of the even experts (0), or of the odd ones, or of all. No share: no rank is divided.
static inline void schedule_set_cuts(struct schedule_cuts *cuts, uint32_t whose, uint32_t behind,
                                     struct schedule_share *share) {
  const uint32_t bytes = whose == SCHEDULE_ALL ? SCHEDULE_EACH : SCHEDULE_EVEN << 8 * whose;
  cuts->behind += behind * bytes;
  if (share) {
    cuts->divided += bytes;
  } else {
    cuts->nobody = (struct schedule_share){SCHEDULE_SHARE, 0, 0, 0};
    share = &cuts->nobody;
  }
  if (whose != SCHEDULE_ODD) cuts->share[0] = share;
  if (whose) cuts->share[1] = share;
}

// `ranks` and `to` are aligned to 4 bytes and have whole words; ranks are below 127, or 255 of experts that
// have no cut.
void schedule_write_cuts(const struct schedule_cuts *cuts, const uint8_t *ranks, uint32_t experts,
                         uint8_t *to);

#endif
