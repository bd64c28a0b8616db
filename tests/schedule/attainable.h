// SPDX-License-Identifier: Apache-2.0
// A lower bound of the time of few experts that knows what a share of one costs Logic-PIM at least: however
// little it takes of an expert, x is broadcast to all channels, a word a clock, once for each group of 8
// tokens.
#ifndef DUPLEX_TEST_SCHEDULE_ATTAINABLE_H
#define DUPLEX_TEST_SCHEDULE_ATTAINABLE_H

#include "schedule/schedule.h"

// An expert that both sides may share. A share a > 0 takes Logic-PIM at least fixed + a * down, and a *
// whole: gate and up by the broadcast of x and their own sums, and down by its own.
struct attainable_expert {
  double fixed, down, whole, xpu;
};

// A run of shares of an expert for which Logic-PIM takes that much a share.
struct attainable_run {
  double share, pim, xpu;
};

// The least time if Logic-PIM takes something of the experts of the mask: runs are convex, so the cheapest
// come first.
static inline double attainable_of(const struct attainable_expert *experts, uint32_t count, uint32_t mask) {
  struct attainable_run runs[16];
  uint32_t many = 0;
  double pim = 0, xpu = 0;
  for (uint32_t e = 0; e < count; e++) {
    const struct attainable_expert *x = &experts[e];
    xpu += x->xpu;
    if (!(mask >> e & 1)) continue;
    pim += x->fixed;
    const double bend = x->whole > x->down ? x->fixed / (x->whole - x->down) : 1;
    const double first = bend < 1 ? bend : 1;
    runs[many++] = (struct attainable_run){first, x->down, x->xpu};
    runs[many++] = (struct attainable_run){1 - first, x->whole, x->xpu};
  }
  for (uint32_t turn = 0; turn < many && pim < xpu; turn++) {
    for (uint32_t i = turn + 1; i < many; i++)
      if (runs[i].pim * runs[turn].xpu < runs[turn].pim * runs[i].xpu) {
        const struct attainable_run swapped = runs[i];
        runs[i] = runs[turn];
        runs[turn] = swapped;
      }
    double share = (xpu - pim) / (runs[turn].pim + runs[turn].xpu);
    if (share > runs[turn].share) share = runs[turn].share;
    pim += share * runs[turn].pim;
    xpu -= share * runs[turn].xpu;
  }
  return pim > xpu ? pim : xpu;
}

// Clocks of gate and up with that many rows of a channel, of down with all columns of a slice.
static inline double attainable_up(const struct schedule_times *times, uint32_t groups, uint32_t rows) {
  return (double)((times->shape.hidden + 63) / 64 * rows * groups) / times->clocks_per_unit;
}
static inline double attainable_down(const struct schedule_times *times, uint32_t groups) {
  const struct schedule_shape *s = &times->shape;
  return (double)s->inner / s->stacks / 64 * (s->hidden / s->channels) * groups / times->clocks_per_unit;
}

// Over all choices of the experts that Logic-PIM takes something of.
static inline double attainable_time(const struct schedule_times *times, const uint16_t *counts) {
  struct attainable_expert experts[8];
  uint32_t count = 0;
  double least = 1e30;
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    if (groups == 0) continue;
    const double whole = SCHEDULE_TIME(times, groups, striped[SCHEDULE_BUNDLES - 1]);
    const double xpu = SCHEDULE_TIME(times, groups, whole);
    experts[count++] = (struct attainable_expert){attainable_up(times, groups, 16),
                                                  attainable_down(times, groups), whole, xpu};
  }
  for (uint32_t mask = 0; mask < 1u << count; mask++) {
    const double time = attainable_of(experts, count, mask);
    if (time < least) least = time;
  }
  return count ? least : 0;
}

#endif
