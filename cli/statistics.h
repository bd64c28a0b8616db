// SPDX-License-Identifier: Apache-2.0
// Statistics of a job as a JSON file.
#ifndef DUPLEX_CLI_STATISTICS_H
#define DUPLEX_CLI_STATISTICS_H

#include "cli/options.h"
#include "cli/output.h"
#include "duplex/duplex.h"

// Of the commands that run one job.
#define STATS_OPTION \
  { "--stats", "FILE.json", "clocks, bytes, commands, utilisation, energy of the job", 0, 0 }

// To the file of --stats, if there is one. Returns 0 or an exit status.
int write_stats(const struct option *options, struct outputs *outputs, const char *command,
                const struct duplex_stack_stats *stats);

#endif
