// SPDX-License-Identifier: Apache-2.0
// Rates that mode full cannot take from a file, because clocks of the cycle model stand for them.
#ifndef SERVING_COVERED_H
#define SERVING_COVERED_H

#include <stdbool.h>
#include <stddef.h>

#include "serving/serving.h"

// A system with Logic-PIM has the built-in rates of its stacks, of which the clocks are: those of Logic-PIM,
// and the bandwidth of the xPU on the same stacks (not `apart`: with stacks of its own). The xPU's peak is
// its own matter. Returns 0, or a code of duplex/error.h with a line in `error`, which names file and line.
int covered_check(const struct serving_options *options, bool apart, char *error, size_t size);

#endif
