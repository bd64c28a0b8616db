// SPDX-License-Identifier: Apache-2.0
// What the parts of the xPU's side share: times, and the row command that a bank may have.
#ifndef DUPLEX_CMODEL_XPU_ROWS_H
#define DUPLEX_CMODEL_XPU_ROWS_H

#include "duplex/enumerations.h"
#include "duplex/xpu_traffic.h"

enum {
  XPU_NOTHING = DUPLEX_ROW_COMMAND_REF + 1,
  XPU_BANKS = 8,
  XPU_PIECE_BYTES = DUPLEX_COLUMN_BYTES / XPU_BANKS
};

enum { XPU_URGENT = 6 };  // so many refreshes that are owed do not wait for reads or writes any more

static inline unsigned xpu_clocks(unsigned tck) { return (tck + 1) / 2; }

// Whether the xPU can move these bytes of a channel: whole pieces, and there.
bool xpu_is_range(uint64_t address, size_t size);

// A closed bank may be refreshed now, and activated if the window of four activations allows it too.
bool xpu_rank_ready(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank);

// What a bank needs, and may have in this clock, to have this row open.
struct duplex_xpu_candidate xpu_open_row(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank,
                                         unsigned row);

#endif
