// SPDX-License-Identifier: Apache-2.0
// Half of the devices prefill and the other half decodes: K and V of a prompt move in between.
#ifndef SERVING_SPLIT_H
#define SERVING_SPLIT_H

#include "serving/stage.h"
#include "serving/tally.h"

// `stage` is of the machine of one half. Warm-up and measurement of a closed loop count stages of the
// decoding half. Returns 0 or a code, with a line in `error`.
int split_run(const struct serving_options *options, struct stage_model *stage, struct tally *tally,
              char *error, size_t size);

#endif
