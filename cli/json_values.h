// SPDX-License-Identifier: Apache-2.0
// Values that the statistics of several commands have, and the file that they go to.
#ifndef DUPLEX_CLI_JSON_VALUES_H
#define DUPLEX_CLI_JSON_VALUES_H

#include <jansson.h>
#include <stdint.h>

#include "cli/options.h"
#include "cli/output.h"
#include "duplex/device.h"
#include "duplex/params.h"

#define XPU_BYTES (DUPLEX_COLUMN_BYTES / 8)  // of a read or write by the xPU: one bank of a column

// part / whole, 0 if there is no whole.
double ratio(uint64_t part, double whole);
// What the option says, or what counts without it.
const char *value_or(const struct option *options, const char *name, const char *otherwise);

json_t *commands_json(const struct duplex_dram_commands *commands);
// Of Logic-PIM's commands and useful MACs, by the constants of duplex/energy.h.
json_t *energy_json(const struct duplex_dram_commands *commands, uint64_t macs);
// Of both sides of a layer: what each has of DRAM and MACs, and their sum.
json_t *layer_energy_json(const struct duplex_moe_stats *stats);

// One object of these parts, in this order, to the output of this path; nothing if the path is NULL. The
// parts are given away. Returns 0 or an exit status.
int write_json(const char *path, struct outputs *outputs, json_t *parts[], unsigned count);

#endif
