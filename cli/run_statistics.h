// SPDX-License-Identifier: Apache-2.0
// What `duplex run` writes beside tokens: statistics, and the routing of its MoE layers.
#ifndef DUPLEX_CLI_RUN_STATISTICS_H
#define DUPLEX_CLI_RUN_STATISTICS_H

#include "cli/json_values.h"
#include "cli/output.h"
#include "cli/run_requests.h"

// What both sides did in all steps.
struct sides_work run_work(const struct generation_statistics *statistics);

// `seconds`: of the host, for all steps. Returns 0 or an exit status.
int write_run_stats(const struct option *options, struct outputs *outputs,
                    const struct run_requests *requests, const struct generation_statistics *statistics,
                    double seconds);

// Lines of --record-routing, as they come.
struct routing {
  unsigned experts;
  char *text;
  size_t size;
  FILE *stream;  // over `text`
};

// Begins the file of a model with so many experts. Returns 0 or an exit status.
int routing_begin(struct routing *routing, unsigned experts);
// Notes what a `routed` of struct network_options is told.
void routing_note(struct routing *routing, size_t step, unsigned layer, const uint16_t *tokens);
// Writes the file, if it is wanted. Returns 0 or an exit status.
int routing_write(struct routing *routing, const struct option *options, struct outputs *outputs);
void routing_free(struct routing *routing);

#endif
