// SPDX-License-Identifier: Apache-2.0
// Whose the bundles are: Logic-PIM's or the xPU's, which is the host's side.
#ifndef DUPLEX_DRIVER_BUNDLE_OWNER_H
#define DUPLEX_DRIVER_BUNDLE_OWNER_H

#include "driver/stack.h"

// The bundles of the mask become Logic-PIM's, all others the xPU's. Returns when Logic-PIM has closed its
// rows in those that it gives away.
int bundle_owner_set(struct duplex_stack *stack, unsigned logic_pim_bundles);

#endif
