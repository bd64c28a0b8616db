// SPDX-License-Identifier: Apache-2.0
// Attention as a job among others.
#ifndef DUPLEX_CLI_ATTENTION_H
#define DUPLEX_CLI_ATTENTION_H

#include <stdbool.h>

#include "cli/npy.h"
#include "cli/options.h"
#include "duplex/duplex.h"

// Attention of the files that the options --q, --k, --v, --lengths and --scale name, into a new tensor *o.
// make_room: called when the stack has no room for K and V; false if there is nothing to free. Returns 0 or
// an exit status.
int attention_on(struct duplex_stack *stack, const struct option *options, bool (*make_room)(void *context),
                 void *context, struct tensor *o);

#endif
