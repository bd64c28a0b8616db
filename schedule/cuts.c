// SPDX-License-Identifier: Apache-2.0
// From ranks of experts to their cuts: four bytes of a word at once, since this is most of a decision's work.
#include "schedule/cuts.h"

#define HIGH 0x80808080u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first of four experts is the lowest byte");

// How the experts with the cut `high` that are left are counted down, in a word `left`: those of share i from
// bit 8 i on, behind a guard bit that falls when there are not enough. The experts of a
// divided rank, a bit in each byte, are added up by times * factor >> shift.
struct countdown {
  uint32_t factor, shift, guards, start;
};

static const struct countdown apart = {SCHEDULE_EVEN, 16, 0x8080, 0x8080};
static const struct countdown together = {SCHEDULE_EACH, 24, 0x8000, 0x8000};

// The cuts of the experts of a share among four, whose bytes have the lowest bit in `some`: behind the one
// with the cut `cut` all have `low`.
static uint32_t take(struct schedule_share *share, uint32_t some) {
  uint32_t word = 0;
  for (; some && share->full; share->full--) {
    const uint32_t rest = some & (some - 1);
    word += (some - rest) * share->high;
    some = rest;
  }
  if (some == 0) return word;
  const uint32_t rest = some & (some - 1);
  word += (some - rest) * share->cut + rest * share->low;
  share->high = share->cut = share->low;
  share->full = SCHEDULE_SHARE;
  return word;
}

// What is left of both shares, as `countdown` has it.
static uint32_t left_of(struct schedule_share *const share[2]) {
  if (share[0] == share[1]) return together.start + share[0]->full;
  return apart.start + share[0]->full + (share[1]->full << 8);
}

// The cuts `high`, a byte for each of four experts in turn.
static uint32_t high_of(struct schedule_share *const share[2]) {
  return (share[0]->high | share[1]->high << 8) * SCHEDULE_EVEN;
}

// The cuts of experts of divided ranks among four, where a share may come to its end.
static uint32_t take_last(uint32_t left, uint32_t some, struct schedule_share *const share[2]) {
  if (share[0] == share[1]) {
    share[0]->full = left - together.start;
    return take(share[0], some);
  }
  share[0]->full = (left - apart.start) % 256;
  share[1]->full = (left - apart.start) >> 8;
  return take(share[0], some & SCHEDULE_EVEN) + take(share[1], some & SCHEDULE_EVEN << 8);
}

// No rank is divided.
static void write_whole(const struct schedule_cuts *cuts, const uint8_t *ranks, uint32_t experts,
                        uint8_t *to) {
  const uint32_t behind = cuts->behind;
  const uint32_t whole = cuts->whole;
  for (uint32_t e = 0; e < experts; e += 4) {
    uint32_t four;
    __builtin_memcpy(&four, __builtin_assume_aligned(ranks + e, 4), sizeof four);
    const uint32_t word = ((~((four | HIGH) - behind) & HIGH) >> 7) * whole;
    __builtin_memcpy(__builtin_assume_aligned(to + e, 4), &word, sizeof word);
  }
}

// Experts of a divided rank have their shares.
static void write_divided(const struct schedule_cuts *cuts, const uint8_t *ranks, uint32_t experts,
                          uint8_t *to) {
  struct schedule_share *const share[2] = {cuts->share[0], cuts->share[1]};
  const struct countdown countdown = share[0] == share[1] ? together : apart;
  const uint32_t behind = cuts->behind;
  const uint32_t divided = cuts->divided;
  const uint32_t whole = cuts->whole;
  uint32_t high = high_of(share);
  uint32_t left = left_of(share);
  for (uint32_t e = 0; e < experts; e += 4) {
    uint32_t four;
    __builtin_memcpy(&four, __builtin_assume_aligned(ranks + e, 4), sizeof four);
    // in the highest bits
    const uint32_t at_least = (four | HIGH) - behind;
    const uint32_t more = at_least - divided;
    const uint32_t some = ((at_least ^ more) & HIGH) >> 7;
    uint32_t word = ((~at_least & HIGH) >> 7) * whole;
    if (some) {
      const uint32_t next = left - (some * countdown.factor >> countdown.shift);
      if ((next & countdown.guards) == countdown.guards) {
        word |= ((some << 8) - some) & high;
        left = next;
      } else {
        word |= take_last(left, some, share);
        high = high_of(share);
        left = left_of(share);
      }
    }
    __builtin_memcpy(__builtin_assume_aligned(to + e, 4), &word, sizeof word);
  }
}

void schedule_write_cuts(const struct schedule_cuts *cuts, const uint8_t *ranks, uint32_t experts,
                         uint8_t *to) {
  if (cuts->divided) {
    write_divided(cuts, ranks, experts, to);
  } else {
    write_whole(cuts, ranks, experts, to);
  }
}
