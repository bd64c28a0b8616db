// SPDX-License-Identifier: Apache-2.0
// A lower bound of the time of a layer whose experts are cut by their columns anywhere, that knows what a
// share of an expert costs Logic-PIM at least, however small it is: x is broadcast to all channels, a word a
// clock, once for each group of 8 tokens, and results are written. Experts whose sums take the xPU longer
// than its reads may be divided by their tokens instead, of which a share costs as much of the whole.
#ifndef DUPLEX_TEST_SCHEDULE_ATTAINABLE_H
#define DUPLEX_TEST_SCHEDULE_ATTAINABLE_H

#include "duplex/arithmetic.h"
#include "schedule/formula.h"

#define ATTAINABLE_EXPERTS 8u  // so many of them are shared or not in all ways
#define ATTAINABLE_RUNS 256u

// A run of shares of an expert for which Logic-PIM and the xPU take that much a share.
struct attainable_run {
  double share, pim, xpu;
};

// Experts with the same number of groups that both sides may share: `fixed`: Logic-PIM's time of a share of
// nothing of one, and runs in the order of what Logic-PIM takes a share.
struct attainable_expert {
  double fixed, xpu;
  uint32_t groups, count;
  uint32_t runs;
  struct attainable_run run[ATTAINABLE_RUNS];
};

struct attainable_point {
  double share, time;
};

// Appends a point to a lower convex hull.
static inline uint32_t attainable_hull(struct attainable_point *hull, uint32_t count,
                                       struct attainable_point point) {
  while (count >= 2) {
    const struct attainable_point a = hull[count - 2];
    const struct attainable_point b = hull[count - 1];
    if ((b.time - a.time) * (point.share - a.share) < (point.time - a.time) * (b.share - a.share)) break;
    count--;
  }
  hull[count] = point;
  return count + 1;
}

// Logic-PIM's time of a share of that many columns, at its best: of one matrix of as many, beside the xPU or
// without it; or of the first columns of the matrix of the whole slice, which may take less, since its blocks
// have other rows.
static inline double attainable_pim(const struct schedule_times *times, uint32_t columns, uint32_t groups) {
  const struct schedule_shape *shape = &times->shape;
  const uint64_t beside = formula_pim_clocks(shape, &columns, 1, groups, SCHEDULE_BUNDLES - 1);
  const uint64_t alone = formula_pim_clocks(shape, &columns, 1, groups, SCHEDULE_BUNDLES);
  const uint64_t first =
      formula_prefix_clocks(shape, formula_slice(shape), columns, groups, SCHEDULE_BUNDLES - 1);
  const uint64_t least = duplex_smaller_u64(duplex_smaller_u64(beside, alone), first);
  return (double)least / times->clocks_per_unit;
}

// The lower convex hull of the times of all numbers of columns: they rise with every row of a channel. With
// `none` it begins with an expert that Logic-PIM has nothing of, which takes it no time: then what a share of
// nothing costs is spread over the first run, which only makes the bound lower. So it is with an expert that
// may be divided by its tokens.
static inline void attainable_fill(const struct schedule_times *times, bool none,
                                   struct attainable_expert *expert) {
  const uint32_t groups = expert->groups;
  const bool by_tokens =
      groups > 1 && SCHEDULE_TIME(times, groups - 1, whole) < SCHEDULE_TIME(times, groups, whole);
  const uint32_t even = by_tokens ? groups - groups % 2 : groups;  // two groups in a pass cost least
  static _Thread_local struct attainable_point hull[ATTAINABLE_RUNS + 2];
  const uint32_t slice = formula_slice(&times->shape);
  const uint32_t step = times->shape.channels;
  uint32_t count = 1;
  hull[0] = (struct attainable_point){0, none || by_tokens ? 0 : attainable_pim(times, 1, groups)};
  for (uint32_t columns = step; columns < slice + step; columns += step) {
    const uint32_t whole = columns < slice ? columns : slice;
    const struct attainable_point point = {(double)whole / slice,
                                           attainable_pim(times, whole, even) * groups / even};
    count = attainable_hull(hull, count, point);
  }
  expert->fixed = hull[0].time;
  expert->xpu = SCHEDULE_TIME(times, groups, whole);
  expert->runs = count - 1;
  for (uint32_t i = 0; i + 1 < count; i++) {
    const double share = hull[i + 1].share - hull[i].share;
    expert->run[i] = (struct attainable_run){share, (hull[i + 1].time - hull[i].time) / share, expert->xpu};
  }
}

#define ATTAINABLE_ALL UINT32_MAX  // a mask of any number of experts

static inline bool attainable_shared(uint32_t mask, uint32_t expert) {
  return mask == ATTAINABLE_ALL || mask >> expert & 1;
}

// The least time if Logic-PIM takes something of the experts of the mask: the next run is that which costs it
// least for what it takes off the xPU.
static inline double attainable_of(const struct attainable_expert *experts, uint32_t count, uint32_t mask) {
  uint32_t next[SCHEDULE_EXPERTS] = {0};
  double pim = 0;
  double xpu = 0;
  for (uint32_t e = 0; e < count; e++) {
    xpu += experts[e].count * experts[e].xpu;
    if (attainable_shared(mask, e)) pim += experts[e].count * experts[e].fixed;
  }
  while (pim < xpu) {
    const struct attainable_run *best = NULL;
    uint32_t of = 0;
    for (uint32_t e = 0; e < count; e++) {
      const struct attainable_run *run = &experts[e].run[next[e]];
      if (!attainable_shared(mask, e) || next[e] == experts[e].runs) continue;
      if (best && run->pim * best->xpu >= best->pim * run->xpu) continue;
      best = run;
      of = e;
    }
    if (!best) break;
    next[of]++;
    double share = (xpu - pim) / (best->pim + best->xpu);
    if (share > experts[of].count * best->share) share = experts[of].count * best->share;
    pim += share * best->pim;
    xpu -= share * best->xpu;
  }
  return pim > xpu ? pim : xpu;
}

// The experts with tokens, each by itself, or those with the same number of groups as one; how many.
static inline uint32_t attainable_list(const uint16_t *counts, uint32_t experts, bool apart,
                                       struct attainable_expert *list) {
  uint32_t count = 0;
  for (uint32_t e = 0; e < experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    uint32_t at = apart ? count : 0;
    while (at < count && list[at].groups != groups) at++;
    if (groups == 0) continue;
    if (at == count) list[count++] = (struct attainable_expert){.groups = groups};
    list[at].count++;
  }
  return count;
}

// Of few experts over all choices of those that Logic-PIM takes something of, of more by the hulls with none.
static inline double attainable_time(const struct schedule_times *times, const uint16_t *counts) {
  static _Thread_local struct attainable_expert experts[SCHEDULE_EXPERTS];
  uint32_t active = 0;
  double least = 1e30;
  for (uint32_t e = 0; e < times->shape.experts; e++) active += counts[e] != 0;
  const bool few = active <= ATTAINABLE_EXPERTS;
  const uint32_t count = attainable_list(counts, times->shape.experts, few, experts);
  for (uint32_t e = 0; e < count; e++) attainable_fill(times, !few, &experts[e]);
  if (!few) return attainable_of(experts, count, ATTAINABLE_ALL);
  for (uint32_t mask = 0; mask < 1u << count; mask++) {
    const double time = attainable_of(experts, count, mask);
    if (time < least) least = time;
  }
  return count ? least : 0;
}

#endif
