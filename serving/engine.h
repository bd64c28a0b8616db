// SPDX-License-Identifier: Apache-2.0
// The events of a run: requests come, schedulers plan steps, and tokens come behind what these take.
#ifndef SERVING_ENGINE_H
#define SERVING_ENGINE_H

#include "serving/stage.h"
#include "serving/tally.h"

// Runs warm-up and measurement. On a split layout `stage` is of the machine of one half: one half prefills,
// the other decodes, and stages of a closed loop are those of the decoding half. Returns 0 or a code, with a
// line in `error`.
int engine_run(const struct serving_options *options, struct stage_model *stage, struct tally *tally,
               char *error, size_t size);

#endif
