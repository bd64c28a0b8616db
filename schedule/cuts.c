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

// Cuts of the experts of the divided ranks among four; `differs`: bytes that are 0 for those.
static uint32_t divide(const struct schedule_cuts *cuts, uint32_t differs, uint32_t word) {
  for (uint32_t i = 0; i < 4; i++, differs >>= 8) {
    if (differs % 256) continue;
    word &= ~(0xffu << 8 * i);
    word |= take(cuts->share[i % 2]) << 8 * i;
  }
  return word;
}

void schedule_write_cuts(const struct schedule_cuts *cuts, const uint8_t *ranks, uint32_t experts, uint8_t *to) {
  const uint32_t behind = cuts->behind, divided = cuts->divided, whole = cuts->whole;
  for (uint32_t e = 0; e < experts; e += 4) {
    uint32_t four;
    __builtin_memcpy(&four, __builtin_assume_aligned(ranks + e, 4), sizeof four);
    const uint32_t before = ~((four | HIGH) - behind) & HIGH;  // bytes that are less
    const uint32_t differs = four ^ divided;
    uint32_t word = (before >> 7) * whole;
    if ((differs - LOW) & ~differs & HIGH) word = divide(cuts, differs, word);
    __builtin_memcpy(__builtin_assume_aligned(to + e, 4), &word, sizeof word);
  }
}
