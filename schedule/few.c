// SPDX-License-Identifier: Apache-2.0
// The policy `best` of few whole experts in pairs of bundles: all pairs of fronts (docs/schedule.md, "best").
//
// A histogram, bins and the search for a span take longer there than all there is to try.
#include <stddef.h>

#include "duplex/arithmetic.h"
#include "schedule/policies.h"

#define CLASS (SCHEDULE_FEW / 2)  // experts of a pair of bundles

// The times of both sides with the experts before a front on Logic-PIM, and the one behind it: its groups
// << 8, and which it is.
struct place {
  uint32_t pim, xpu, expert;
};

// Places of the fronts of a class, whose experts are in the order of their groups.
struct class {
  struct place place[CLASS + 1];
  uint32_t count;  // of experts
};

static void insert(struct class *class, uint32_t expert) {
  struct place *at = &class->place[class->count++];
  for (; at > class->place && at[-1].expert > expert; at--) at->expert = at[-1].expert;
  at->expert = expert;
}

// Called, so that the firmware is no longer for it. `moved`: tokens and sums of experts on Logic-PIM, which
// are work of the xPU.
__attribute__((noinline)) static void add_up(const struct schedule_times *times, struct class *class) {
  struct place *const last = &class->place[class->count];
  uint32_t all = 0;
  class->place->pim = class->place->xpu = 0;
  for (struct place *at = class->place; at < last; at++) {
    const uint32_t groups = at->expert >> 8;
    const struct schedule_row *row = &times->rows[duplex_smaller(groups, SCHEDULE_GROUPS)];
    const uint32_t more = groups - duplex_smaller(groups, SCHEDULE_GROUPS);
    const uint32_t whole = row->xpu[0][0] + more * times->slope.xpu[0][0];
    const uint32_t moved = row->xpu[0][1] + more * times->slope.xpu[0][1];
    all += whole;
    at[1].pim = at->pim + row->pim[0][1] + more * times->slope.pim[0][1];
    at[1].xpu = at->xpu - whole + moved;
  }
  for (struct place *at = class->place; at <= last; at++) at->xpu += all;
}

void schedule_few(const struct schedule_times *times, const uint16_t *counts,
                  struct schedule_decision *decision) {
  struct class classes[2];
  const struct place *chosen[2] = {NULL, NULL};
  uint32_t least = UINT32_MAX;
  classes[0].count = classes[1].count = 0;
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    decision->cut[0][e] = decision->cut[1][e] = 0;
    if (groups) insert(&classes[e % 2], groups << 8 | e);
  }
  add_up(times, &classes[0]);
  add_up(times, &classes[1]);
  for (const struct place *a = classes[0].place; a <= &classes[0].place[classes[0].count]; a++)
    for (const struct place *b = classes[1].place; b <= &classes[1].place[classes[1].count]; b++) {
      const uint32_t total = duplex_larger(a->pim, b->xpu) + duplex_larger(b->pim, a->xpu);
      if (total >= least) continue;
      least = total;
      chosen[0] = a;
      chosen[1] = b;
    }
  for (uint32_t q = 0; q < 2; q++) {
    decision->owned[q] = q ? 12 : 3;
    decision->pim[q] = chosen[q]->pim;
    decision->xpu[q] = chosen[q]->xpu;
    for (const struct place *at = classes[q].place; at < chosen[q]; at++)
      decision->cut[0][at->expert & 255] = 1;
  }
}
