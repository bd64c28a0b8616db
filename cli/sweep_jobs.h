// SPDX-License-Identifier: Apache-2.0
// Runs the points of a sweep, several at once, each as a process.
#ifndef DUPLEX_CLI_SWEEP_JOBS_H
#define DUPLEX_CLI_SWEEP_JOBS_H

#include <stdbool.h>

#include "cli/sweep_plan.h"

struct sweep_jobs {
  const struct sweep_plan *plan;
  const char *folder;  // of the results
  unsigned most;       // processes at once
  bool again;          // also those that have a result
  char **errors;       // [points]: the line of one that failed; NULL: it has a result
  size_t kept, failed;
};

// The file of a point's result; free it. NULL: too little memory.
char *sweep_result_path(const struct sweep_jobs *jobs, size_t point);

// Returns 0, also if points failed, or an exit status.
int sweep_jobs_run(struct sweep_jobs *jobs);
void sweep_jobs_free(struct sweep_jobs *jobs);

#endif
