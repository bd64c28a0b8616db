// SPDX-License-Identifier: Apache-2.0
// Which rows of the bundles are taken. An allocation covers the same rows in every channel.
#ifndef DUPLEX_DRIVER_SPACE_H
#define DUPLEX_DRIVER_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/params.h"
#include "firmware/layout.h"

struct space {
  uint8_t taken[DUPLEX_BANK_ROWS];  // bit b: the row of bundle b
};

// Takes row_sets logical row sets of the stripe set; false if no run of rows is free in all its bundles. The
// last rows of every bundle are its mailbox: what a job brings and takes away lies there, and elsewhere only
// if it is too large.
bool space_take(struct space *space, uint32_t stripe, uint32_t row_sets, struct region *region);
uint32_t space_longest(const struct space *space,
                       uint32_t stripe);  // row sets of the longest free run, mailbox apart
// Row sets of the stripe set that an allocation of so many takes: those of whole rows.
uint32_t space_whole_rows(uint32_t stripe, uint32_t row_sets);
bool space_take_mailbox(struct space *space, uint32_t stripe, uint32_t row_sets, struct region *region);
void space_give(struct space *space, struct region region, uint32_t row_sets);

// Physical address in a channel of a byte of a region.
uint64_t space_address(struct region region, uint64_t offset);

#endif
