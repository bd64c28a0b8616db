// SPDX-License-Identifier: Apache-2.0
// Reads of the xPU: those that wait, and the read of one column.
#ifndef DUPLEX_CMODEL_XPU_READS_H
#define DUPLEX_CMODEL_XPU_READS_H

#include "cmodel/hbm/xpu_rows.h"

// Whether this row of a bank may be read now: it is open and all rules allow it; and the read.
bool xpu_may_read(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank, uint16_t row);
void xpu_read_column(struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank, unsigned column);

// Whether queued reads keep a bank from its refresh; the row command that they want most; one column command.
bool xpu_reads_want(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank);
struct duplex_xpu_candidate xpu_reads_row(const struct duplex_xpu_traffic *x);
void xpu_reads_column(struct duplex_xpu_traffic *x);

#endif
