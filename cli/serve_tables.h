// SPDX-License-Identifier: Apache-2.0
// Requests and stages of a simulation as tables, and as a trace.
#ifndef DUPLEX_CLI_SERVE_TABLES_H
#define DUPLEX_CLI_SERVE_TABLES_H

#include <stdio.h>

#include "cli/options.h"
#include "cli/output.h"
#include "serving/serving.h"

// Where rows go until the run has ended; NULL: nowhere.
struct serve_tables {
  struct serve_table {
    FILE *file;
    char *text;
    size_t size;
  } requests, stages, timeline;
};

// The tables of the options --requests-out and --stages-out and the trace of --timeline, which are outputs
// then, and the callbacks that fill them. Returns 0 or an exit status.
int serve_tables_open(struct serve_tables *tables, const struct option *options, struct outputs *outputs,
                      struct serving_options *serving);
int serve_tables_write(struct serve_tables *tables, const struct option *options, struct outputs *outputs);
void serve_tables_close(struct serve_tables *tables);

#endif
