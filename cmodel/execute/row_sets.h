// SPDX-License-Identifier: Apache-2.0
// Cells of a channel by logical row sets of a stripe set.
#ifndef DUPLEX_CMODEL_ROW_SETS_H
#define DUPLEX_CMODEL_ROW_SETS_H

#include "cmodel/execute/channel_job.h"

// Bytes from logical row set `row_set` on; cells that nobody wrote are zero.
void read_row_sets(const struct channel_job *job, uint32_t row_set, uint32_t stripe, uint8_t *bytes,
                   size_t size);

#endif
