// SPDX-License-Identifier: Apache-2.0
// From ranks of experts to their cuts: four bytes of a word at once, since this is most of a decision's work.
#include "schedule/cuts.h"

#define LOW 0x01010101u
#define HIGH 0x80808080u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first of four experts is the lowest byte");

static uint32_t take(struct schedule_share *share) {
  if (share->full) {
    share->full--;
    return share->high;
  }
  const uint32_t cut = share->cut;
  share->cut = share->low;
  return cut;
}

// Cuts of the experts of the divided ranks among four; `divided`: the lowest bits of their bytes.
static uint32_t divide_each(const struct schedule_cuts *cuts, uint32_t divided, uint32_t word) {
  for (uint32_t i = 0; i < 4; i++, divided >>= 8) {
    if (!(divided & 1)) continue;
    word &= ~(0xffu << 8 * i);
    word |= take(cuts->share[i % 2]) << 8 * i;
  }
  return word;
}

// The same; if all of them have the cut `high`, at once. Even and odd experts may have the same share.
static uint32_t divide(const struct schedule_cuts *cuts, uint32_t divided, uint32_t word) {
  struct schedule_share *even = cuts->share[0], *odd = cuts->share[1];
  if (even == odd) {
    const uint32_t count = divided * LOW >> 24;
    if (even->full < count) return divide_each(cuts, divided, word);
    even->full -= count;
    return word + divided * even->high;
  }
  const uint32_t evens = (divided & 1) + (divided >> 16 & 1), odds = (divided >> 8 & 1) + (divided >> 24);
  if (even->full < evens || odd->full < odds || even->high != odd->high)
    return divide_each(cuts, divided, word);
  even->full -= evens;
  odd->full -= odds;
  return word + divided * even->high;
}

// True if the experts of a divided rank that are left have nothing on Logic-PIM.
static bool exhausted(const struct schedule_share *share) {
  return (share->full | share->cut | share->low) == 0;
}

// The highest bits of the bytes that are 0.
static uint32_t zero_bytes(uint32_t word) { return ~(((word & ~HIGH) + ~HIGH) | word) & HIGH; }

void schedule_write_cuts(const struct schedule_cuts *cuts, const uint8_t *ranks, uint32_t experts,
                         uint8_t *to) {
  const uint32_t behind = cuts->behind, divided = cuts->divided, whole = cuts->whole;
  bool done = false;  // no expert of a divided rank has any more on Logic-PIM
  for (uint32_t e = 0; e < experts; e += 4) {
    uint32_t four;
    __builtin_memcpy(&four, __builtin_assume_aligned(ranks + e, 4), sizeof four);
    uint32_t word = ((~((four | HIGH) - behind) & HIGH) >> 7) * whole;  // bytes that are less
    const uint32_t some = done ? 0 : zero_bytes(four ^ divided) >> 7;
    if (some) {
      word = divide(cuts, some, word);
      done = cuts->share[0]->full == 0 && exhausted(cuts->share[0]) && exhausted(cuts->share[1]);
    }
    __builtin_memcpy(__builtin_assume_aligned(to + e, 4), &word, sizeof word);
  }
}
