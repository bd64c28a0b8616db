// SPDX-License-Identifier: Apache-2.0
// Mode full: the experts of a layer by tables of the cycle model, and all that a layer of them costs beside.
#ifndef SERVING_MEASURED_H
#define SERVING_MEASURED_H

#include "schedule/schedule.h"
#include "serving/experts.h"

struct measured;

// Opens the tables of the machine's slices: the built-in ones, or those of a file in the folder `tables` (may
// be NULL), or measured on the C model, which takes half a minute, and kept there. Returns 0 or a code, with
// a line in `error`.
int measured_open(struct measured **measured, const struct machine *machine,
                  const struct serving_model *model, const struct serving_options *options, char *error,
                  size_t size);
// The same experts over all four bundles, for one side alone or one after the other: from these tables, since
// they have such a slice, too. *striped is NULL where the policy is another than `best`, they lie so, or
// their times are too long for a table. Returns 0 or a code, with a line in `error`; *striped is to be closed
// then, too.
int measured_stripe(const struct measured *measured, struct measured **striped,
                    const struct serving_options *options, char *error, size_t size);
// Whether each expert lies twice: the schedule has a use for the room of a second copy.
bool measured_has_copies(const struct measured *measured);
// Whether each expert lies over all bundles of devices with Logic-PIM: one side has all, or they take turns.
bool measured_is_striped(const struct measured *measured);
void measured_close(struct measured *measured);

// counts[e]: tokens of each expert. Adds what is charged beside the sides to charge[SERVING_CHARGES], which
// is part of the cost's seconds.
struct experts_cost measured_run(struct measured *measured, const unsigned *counts, double *charge);

// Seconds of such a layer with everything charged.
double measured_seconds(struct measured *measured, const unsigned *counts);

#endif
