// SPDX-License-Identifier: Apache-2.0
// Continuous batching: requests come in by capacity, and each gets a token a stage.
#ifndef SERVING_BATCHING_H
#define SERVING_BATCHING_H

#include "serving/stage.h"
#include "serving/tally.h"

// Runs warm-up and measurement. Returns 0 or a code, with a line in `error`.
int batching_run(const struct serving_options *options, struct stage_model *stage, struct tally *tally,
                 char *error, size_t size);

#endif
