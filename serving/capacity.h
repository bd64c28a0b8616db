// SPDX-License-Identifier: Apache-2.0
// What the memory of a system has room for: K and V of requests, and a second copy of each expert.
#ifndef SERVING_CAPACITY_H
#define SERVING_CAPACITY_H

#include "serving/machine.h"

// The weights have to fit; the longest request an empty system, and its prompt the nodes that only prefill.
// Returns 0, or DUPLEX_ERROR_OUT_OF_SPACE with a line in `error`: of a trace that of the request.
int capacity_check(const struct machine *machine, const struct serving_model *model,
                   const struct serving_options *options, bool prompts_only, char *error, size_t size);

// Sets the copies of each expert that the machine has: those of the options, or two if these leave room for K
// and V of all requests that may be in flight, of the greatest length each. A prefix cache has use for all
// room, so it is left one. Returns 0, or DUPLEX_ERROR_ARGUMENT with a line in `error`: two of what has use
// for one alone.
int capacity_set_copies(struct machine *machine, const struct serving_model *model,
                        const struct serving_options *options, char *error, size_t size);

// Requests that may be in flight on a node.
unsigned capacity_places(const struct machine *machine, const struct serving_options *options);

#endif
