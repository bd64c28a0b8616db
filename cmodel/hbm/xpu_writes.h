// SPDX-License-Identifier: Apache-2.0
// Writes of the xPU that wait.
#ifndef DUPLEX_CMODEL_XPU_WRITES_H
#define DUPLEX_CMODEL_XPU_WRITES_H

#include "cmodel/hbm/xpu_rows.h"

// Whether writes keep a bank from its refresh; the row command that they want most; one column
// command.
bool xpu_writes_want(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank);
struct duplex_xpu_candidate xpu_writes_row(const struct duplex_xpu_traffic *x);
void xpu_writes_column(struct duplex_xpu_traffic *x);

#endif
