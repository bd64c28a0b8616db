// SPDX-License-Identifier: Apache-2.0
// q and o of an attention job: between the host and the stack's DRAM.
#ifndef DUPLEX_DRIVER_ATTENTION_VECTORS_H
#define DUPLEX_DRIVER_ATTENTION_VECTORS_H

#include "driver/attention.h"

// Every unit's q to its channels, and o back into the user's order.
int attention_upload_q(const struct attention *a);
int attention_read_o(const struct attention *a);

#endif
