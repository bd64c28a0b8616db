// SPDX-License-Identifier: Apache-2.0
// Experts that lie over all four bundles: their table, from one of another placement.
#include "schedule/formula.h"

// A slice is one piece, whole on either side.
static void stripe_row(struct schedule_row *row) {
  const uint32_t *of = row->striped;
  *row = (struct schedule_row){.pim = {{0, of[SCHEDULE_BUNDLES - 1]}},
                               .xpu = {{row->whole}},
                               .striped = {of[0], of[1], of[2], of[3]},
                               .whole = row->whole};
}

void schedule_stripe(struct schedule_times *times) {
  times->placement = (struct schedule_placement){SCHEDULE_STRIPED, 1, {1}, {{formula_slice(&times->shape)}}};
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++) stripe_row(&times->rows[groups]);
  stripe_row(&times->slope);
  times->costs[SCHEDULE_OF_PIECE] = times->costs[SCHEDULE_OF_STRIPES];
  schedule_seal(times);
}
