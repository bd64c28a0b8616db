// SPDX-License-Identifier: Apache-2.0
// The work of an attention job, for its statistics.
#ifndef DUPLEX_DRIVER_ATTENTION_WORK_H
#define DUPLEX_DRIVER_ATTENTION_WORK_H

#include "driver/attention.h"

// Adds to the statistics of the stack: useful bytes, and positions and MACs of each channel.
void attention_note_work(const struct attention *a);

#endif
