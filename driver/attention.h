// SPDX-License-Identifier: Apache-2.0
// Decode attention of a batch over one layer, as the parts of the driver hand it on.
#ifndef DUPLEX_DRIVER_ATTENTION_H
#define DUPLEX_DRIVER_ATTENTION_H

#include "driver/attention_plan.h"
#include "driver/counters.h"

// The first fields are the arguments of duplex_stack_attention, the next two say what is Logic-PIM's and what
// the xPU does meanwhile; attention_run fills in the others.
struct attention {
  struct duplex_kv_cache *cache;
  unsigned layer;
  struct duplex_sequence *const *sequences;
  size_t batch, q_heads;
  const duplex_f16 *q;
  double scale;
  duplex_f16 *o;

  unsigned bundles;  // Logic-PIM's during the job, all of the KV spaces among them; 0: the client's
  // Called when they are its own, at the first clock: the xPU begins its work in the others. NULL: it has
  // none.
  int (*begin)(void *context);
  void *context;

  duplex_f32 score_factor;  // c of numerics N5
  struct plan plan;
  struct region region;               // q and o of all units, as firmware.h has them, then scores
  struct region score_region;         // of it, scores that do not fit their slices
  uint32_t row_sets, score_row_sets;  // of each
  uint32_t descriptors;
};

// The arguments, when each sequence has `appended` positions more than now. Errors: as
// duplex_stack_attention.
int attention_check(const struct attention *a, size_t appended);

// Attends. With `begun` it is measured from there on, and the bundles are the xPU's; NULL: from their
// hand-over on.
int attention_run(struct attention *a, const struct measurement *begun);

static inline unsigned attention_bundles(const struct attention *a) {
  return a->bundles ? a->bundles : a->cache->stack->bundles;
}

// A sequence of the unit's; all members have the same channels and spread.
static inline const struct duplex_sequence *attention_sequence_of(const struct attention *a, size_t unit) {
  return a->sequences[a->plan.units[unit].members[0].index];
}

#endif
