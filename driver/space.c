// SPDX-License-Identifier: Apache-2.0
// Which rows of the bundles are taken.
#include "driver/space.h"

#include "duplex/geometry.h"

#define MAILBOX (DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS)

static uint32_t rows_of(uint32_t stripe, uint32_t row_sets) {
  return (row_sets + duplex_bundles_of(stripe) - 1) / duplex_bundles_of(stripe);
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
    *region = (struct region){first * duplex_bundles_of(stripe), stripe};
    return true;
  }
  return false;
}

uint32_t space_whole_rows(uint32_t stripe, uint32_t row_sets) {
  return rows_of(stripe, row_sets) * duplex_bundles_of(stripe);
}

uint32_t space_longest(const struct space *space, uint32_t stripe) {
  uint32_t run = 0;
  uint32_t longest = 0;
  for (uint32_t row = 0; row < MAILBOX; row++) {
    run = space->taken[row] & stripe ? 0 : run + 1;
    if (run > longest) longest = run;
  }
  return longest * duplex_bundles_of(stripe);
}

bool space_take(struct space *space, uint32_t stripe, uint32_t row_sets, struct region *region) {
  return take_rows(space, stripe, row_sets, 0, MAILBOX, region);
}

bool space_take_mailbox(struct space *space, uint32_t stripe, uint32_t row_sets, struct region *region) {
  return take_rows(space, stripe, row_sets, MAILBOX, DUPLEX_BANK_ROWS, region) ||
         space_take(space, stripe, row_sets, region);
}

void space_give(struct space *space, struct region region, uint32_t row_sets) {
  const uint32_t first = region.base / duplex_bundles_of(region.stripe);
  const uint32_t rows = rows_of(region.stripe, row_sets);
  for (uint32_t i = first; i < first + rows; i++) space->taken[i] &= (uint8_t)~region.stripe;
}

uint64_t space_address(struct region region, uint64_t offset) {
  const uint64_t row_set = region.base + offset / DUPLEX_ROW_SET_BYTES;
  return duplex_row_set_address((uint32_t)row_set, region.stripe) | offset % DUPLEX_ROW_SET_BYTES;
}
