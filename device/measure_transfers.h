// SPDX-License-Identifier: Apache-2.0
// Times of what moves for Logic-PIM's share of a layer: tokens, sums, bundles.
#ifndef DEVICE_MEASURE_TRANSFERS_H
#define DEVICE_MEASURE_TRANSFERS_H

#include "duplex/duplex.h"
#include "schedule/schedule.h"

// Measures them with pieces in these bundles, and fills in all of *costs but `job` and `reads`. `text` (may
// be NULL) gets what failed. Errors: those of probe_open and probe_transfer.
int measure_transfers(const struct schedule_shape *shape, const struct duplex_stack_options *options,
                      unsigned bundles, struct schedule_costs *costs, char *text, size_t size);

#endif
