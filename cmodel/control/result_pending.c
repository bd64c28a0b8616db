// SPDX-License-Identifier: Apache-2.0
// The range of results that have not arrived, as rtl/control/result_pending.v.
#include "cmodel/control/result_pending.h"

void result_pending_start(struct result_pending *p, const struct job_timing *job, uint32_t units,
                          uint32_t step_units, uint32_t none) {
  *p = (struct result_pending){.active = true,
                               .load = job->load,
                               .interleaved = job->interleaved,
                               .low = job->dst_address,
                               .high = job->dst_address + units,
                               .step = step_units,
                               .done = none};
}

void result_pending_clock(struct result_pending *p, bool stop, bool load_word, bool in_turn, bool done,
                          unsigned done_channel) {
  const bool shift = p->active && !p->load && !p->interleaved && (p->done & 1);
  if (done) p->done |= 1u << ((done_channel - p->first) & 31);
  if (shift) {
    p->done >>= 1;
    p->first++;
    p->low += p->step;
  } else if (p->interleaved && in_turn) {
    p->low += p->step;
  } else if (p->load && load_word) {
    p->low += 4;
  }
  if (stop) p->active = false;
}

bool result_pending_waits(const struct result_pending *p, uint32_t word, uint32_t first_group) {
  const uint32_t unit = 4 * (p->load ? word : first_group);
  return p->active && unit + 3 >= p->low && unit < p->high;
}
