// SPDX-License-Identifier: Apache-2.0
// Values of a sweep's options, whichever points have them.
#ifndef DUPLEX_CLI_SWEEP_VALUES_H
#define DUPLEX_CLI_SWEEP_VALUES_H

#include "cli/sweep_plan.h"

// Refuses a value that no run takes, before any point runs, also one that is left out of all of them. Returns
// 0 or an exit status.
int sweep_values_check(const struct sweep_plan *plan);

#endif
