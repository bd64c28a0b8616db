// SPDX-License-Identifier: Apache-2.0
// What `duplex run` tells a terminal at its end: rates, energy, who ran what.
#ifndef DUPLEX_CLI_RUN_SUMMARY_H
#define DUPLEX_CLI_RUN_SUMMARY_H

#include <stdbool.h>

#include "model/generation.h"

// Lines on standard error, if that is a terminal. seconds: of the host; timed: there were stacks.
void run_summary(const struct generation_statistics *statistics, double seconds, bool timed);

#endif
