// SPDX-License-Identifier: Apache-2.0
// Options of a sweep that are of some of its systems and models alone.
#ifndef DUPLEX_CLI_SWEEP_NEEDS_H
#define DUPLEX_CLI_SWEEP_NEEDS_H

#include "cli/sweep_plan.h"

// Refuses a plan without a required option, an option without another one that it needs, and one that would
// change nothing at any point. Returns 0 or an exit status.
int sweep_needs_check(const struct sweep_plan *plan);

// As sweep_plan_arguments, without what would change nothing at this point. What asks for something that is
// not there stays, for the point to fail.
char **sweep_needs_arguments(const struct sweep_plan *plan, size_t point);

#endif
