// SPDX-License-Identifier: Apache-2.0
// The policies, each of which fills in a cleared decision but for its total.
#ifndef DUPLEX_SCHEDULE_POLICIES_H
#define DUPLEX_SCHEDULE_POLICIES_H

#include "schedule/schedule.h"

// The sides take turns over weights that are striped over four bundles: each expert on its faster side.
void schedule_turns(const struct schedule_times *times, const uint16_t *counts,
                    struct schedule_decision *decision);
// Whole bundles on either side, both at once.
void schedule_spaces(const struct schedule_times *times, const uint16_t *counts,
                     struct schedule_decision *decision);
void schedule_paper(const struct schedule_times *times, const uint16_t *counts,
                    struct schedule_decision *decision);
void schedule_best(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                   struct schedule_decision *decision);
// `best` of up to SCHEDULE_FEW experts that lie whole in pairs of bundles (ALTERNATE, one part).
void schedule_few(const struct schedule_times *times, const uint16_t *counts,
                  struct schedule_decision *decision);
// `best` where each expert lies twice, of experts that are counted.
void schedule_replicated(const struct schedule_times *times, struct schedule_work *work,
                         struct schedule_decision *decision);

#endif
