// SPDX-License-Identifier: Apache-2.0
// Jobs in flight, as the other parts of the driver ask for them.
#ifndef DUPLEX_DRIVER_JOB_H
#define DUPLEX_DRIVER_JOB_H

#include "driver/stack.h"

// A job in flight streams these weights.
bool job_uses(const struct duplex_stack *stack, const struct duplex_weights *weights);

#endif
