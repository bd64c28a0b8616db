// SPDX-License-Identifier: Apache-2.0
// Mode full: how the experts of a machine lie, chosen by what layers take.
#ifndef SERVING_PLACEMENT_H
#define SERVING_PLACEMENT_H

#include "duplex/random.h"
#include "serving/measured.h"

// Draws a layer of so many tokens: those of each expert, which stay the caller's.
typedef const unsigned *placement_draw(void *context, struct duplex_random *random, unsigned layer,
                                       unsigned tokens);

// Opens the tables of the way in which layers of the usual stages take least time, of those that a device
// has: one copy of each expert, two if machine->copies has room for them, or one over all bundles, for one
// side alone. If options->copies asks for two, it is those where the schedule has a use for them. Sets
// machine->copies. Returns 0 or a code, with a line in `error`.
int placement_open(struct measured **measured, struct machine *machine, const struct serving_model *model,
                   const struct serving_options *options, placement_draw *draw, void *context, char *error,
                   size_t size);

#endif
