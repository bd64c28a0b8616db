// SPDX-License-Identifier: Apache-2.0
// Statistics of an MoE layer as a JSON file.
#ifndef DUPLEX_CLI_MOE_STATISTICS_H
#define DUPLEX_CLI_MOE_STATISTICS_H

#include "cli/options.h"
#include "cli/output.h"
#include "duplex/device.h"

#define MOE_PLACES_MOST 100

// Clocks of so many runs of the layer, each from another place between two refreshes.
struct moe_places {
  unsigned runs;
  uint64_t least, sum, most;
};

// To the file of --stats, if there is one. Returns 0 or an exit status.
int write_moe_stats(const struct option *options, struct outputs *outputs, const struct moe_places *places,
                    const struct duplex_device *device);

#endif
