// SPDX-License-Identifier: Apache-2.0
// Statistics of an MoE layer as a JSON file.
#ifndef DUPLEX_CLI_MOE_STATISTICS_H
#define DUPLEX_CLI_MOE_STATISTICS_H

#include "cli/options.h"
#include "cli/output.h"
#include "duplex/device.h"

// To the file of --stats, if there is one. Returns 0 or an exit status.
int write_moe_stats(const struct option *options, struct outputs *outputs,
                    const struct duplex_device *device);

#endif
