// SPDX-License-Identifier: Apache-2.0
// What the memory of a system has room for: K and V of requests, and a second copy of each expert.
#ifndef SERVING_CAPACITY_H
#define SERVING_CAPACITY_H

#include "serving/machine.h"

// The weights have to fit; the longest request an empty system, and its prompt the nodes that only prefill.
// Returns 0, or DUPLEX_ERROR_OUT_OF_SPACE with a line in `error`: of a trace that of the request.
int capacity_check(const struct machine *machine, const struct serving_model *model,
                   const struct serving_options *options, bool prompts_only, char *error, size_t size);

// Whether two copies of each expert leave room for K and V of all requests that may be in flight, of the
// greatest length each; never with a prefix cache, which has use for all room.
bool capacity_holds_copies(const struct machine *machine, const struct serving_model *model,
                           const struct serving_options *options);

// Requests that may be in flight on a node.
unsigned capacity_places(const struct machine *machine, const struct serving_options *options);

#endif
