// SPDX-License-Identifier: Apache-2.0
// Times of what moves for Logic-PIM's share of a layer: tokens, sums, bundles.
#ifndef DEVICE_MEASURE_TRANSFERS_H
#define DEVICE_MEASURE_TRANSFERS_H

#include "device/stage.h"
#include "duplex/duplex.h"

// Measures them with such a piece, and fills in all of *costs but `job`, `pass` and `reads`; of products,
// which are binary32, those of rounded sums alone. `text` (may be NULL) gets what failed. Errors: those of
// probe_open and probe_transfer.
int measure_transfers(enum stage_kind kind, const struct schedule_shape *shape,
                      const struct duplex_stack_options *options, const struct duplex_layer_piece *piece,
                      struct schedule_costs *costs, char *text, size_t size);

#endif
