#include "driver/space.h"

#define MAILBOX (DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS)

static uint32_t bundles_of(uint32_t stripe) { return (uint32_t)__builtin_popcount(stripe); }

static uint32_t rows_of(uint32_t stripe, uint32_t row_sets) {
  return (row_sets + bundles_of(stripe) - 1) / bundles_of(stripe);
}

// The first run of free rows from `begin` to before `end`.
static bool take_rows(struct space *space, uint32_t stripe, uint32_t row_sets, uint32_t begin, uint32_t end,
                      struct region *region) {
  const uint32_t rows = rows_of(stripe, row_sets);
  uint32_t run = 0;
  for (uint32_t row = begin; row < end; row++) {
    run = space->taken[row] & stripe ? 0 : run + 1;
    if (run < rows || rows == 0) continue;
    const uint32_t first = row + 1 - rows;
    for (uint32_t i = first; i <= row; i++) space->taken[i] |= (uint8_t)stripe;
    *region = (struct region){first * bundles_of(stripe), stripe};
    return true;
  }
  return false;
}

uint32_t space_longest(const struct space *space, uint32_t stripe) {
  uint32_t run = 0, longest = 0;
  for (uint32_t row = 0; row < MAILBOX; row++) {
    run = space->taken[row] & stripe ? 0 : run + 1;
    if (run > longest) longest = run;
  }
  return longest * bundles_of(stripe);
}

bool space_take(struct space *space, uint32_t stripe, uint32_t row_sets, struct region *region) {
  return take_rows(space, stripe, row_sets, 0, MAILBOX, region);
}

bool space_take_mailbox(struct space *space, uint32_t stripe, uint32_t row_sets, struct region *region) {
  return take_rows(space, stripe, row_sets, MAILBOX, DUPLEX_BANK_ROWS, region) ||
         space_take(space, stripe, row_sets, region);
}

void space_give(struct space *space, struct region region, uint32_t row_sets) {
  const uint32_t first = region.base / bundles_of(region.stripe), rows = rows_of(region.stripe, row_sets);
  for (uint32_t i = first; i < first + rows; i++) space->taken[i] &= (uint8_t)~region.stripe;
}

uint64_t space_address(struct region region, uint64_t offset) {
  const uint64_t row_set = region.base + offset / DUPLEX_ROW_SET_BYTES;
  uint32_t place = (uint32_t)(row_set % bundles_of(region.stripe)), bundle = 0;
  while (!(region.stripe >> bundle & 1) || place--) bundle++;
  return (uint64_t)bundle << DUPLEX_BUNDLE_BYTE_BITS |
         row_set / bundles_of(region.stripe) << DUPLEX_ROW_SET_BYTE_BITS | offset % DUPLEX_ROW_SET_BYTES;
}
