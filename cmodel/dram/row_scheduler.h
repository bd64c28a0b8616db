// SPDX-License-Identifier: Apache-2.0
// Row commands of a channel, as rtl/dram/row_scheduler.v with bundle_state.v.
#ifndef DUPLEX_CMODEL_ROW_SCHEDULER_H
#define DUPLEX_CMODEL_ROW_SCHEDULER_H

#include "cmodel/dram/bundle_controller.h"

// Which bundles may be read and written now, and the row command of this clock (c->pins take it).
struct row_scheduler_in {
  bool settled, late, soon, write_here, write_ahead;
};
void row_scheduler_open(const struct bundle_controller *c, const struct row_scheduler_in *in,
                        unsigned *rd_open, unsigned *wr_open);
// Returns in which ranks the xPU may activate (bits 0 and 1) and refresh (2 and 3) a bank.
unsigned row_scheduler_clock(struct bundle_controller *c, const struct row_scheduler_in *in,
                             const struct bundle_controller_in *xpu, unsigned rd, unsigned wr, bool pop);

#endif
