// SPDX-License-Identifier: Apache-2.0
// Results of a job that have not reached the shared buffer, as rtl/control/result_pending.v.
#ifndef DUPLEX_CMODEL_RESULT_PENDING_H
#define DUPLEX_CMODEL_RESULT_PENDING_H

#include "cmodel/channel/job_timing.h"

struct result_pending {
  bool active, load, interleaved;
  uint32_t low, high, step;  // units
  uint32_t done;             // channels, shifted down as the range shrinks
  unsigned first;
};

void result_pending_start(struct result_pending *p, const struct job_timing *job, uint32_t units,
                          uint32_t step_units, uint32_t none);
// What was written: a word of a LOAD, a word of interleaved results in turn, a channel's last result.
void result_pending_clock(struct result_pending *p, bool stop, bool load_word, bool in_turn, bool done,
                          unsigned done_channel);
bool result_pending_waits(const struct result_pending *p, uint32_t word, uint32_t first_group);

#endif
