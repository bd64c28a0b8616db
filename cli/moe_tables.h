// SPDX-License-Identifier: Apache-2.0
// The table of time of duplex moe: read from a file, or made and written to it.
#ifndef DUPLEX_CLI_MOE_TABLES_H
#define DUPLEX_CLI_MOE_TABLES_H

#include "cli/options.h"
#include "cli/output.h"
#include "duplex/device_tables.h"

struct table_file {
  const char *path;  // of --tables; NULL: none
  bool made;         // it was not there, and is an output
};

// All return 0 or an exit status, with a line on standard error. Without a path they do nothing.

// No file has tables of gathered h.
int check_table(const struct option *options, enum duplex_partials partials);
// Looks whether the file is there; if not it becomes an output.
int add_table(const struct option *options, struct outputs *outputs, struct table_file *table);
// The device gets the table of the file.
int read_table(const struct table_file *table, struct duplex_device *device,
               const struct duplex_moe_form *form);
// The table of the device goes to the output.
int write_table(const struct table_file *table, const struct outputs *outputs, struct duplex_device *device,
                const struct duplex_moe_form *form);

#endif
