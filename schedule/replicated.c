// SPDX-License-Identifier: Apache-2.0
// The policy `best` where each expert lies twice: both sides at once in one phase (docs/schedule.md, "best").
//
// Experts are in the order of their groups. Those before the front are on Logic-PIM and those behind it on
// the xPU. One expert is cut, where both sides take equally long.
#include <stddef.h>

#include "schedule/classes.h"
#include "schedule/cuts.h"
#include "schedule/policies.h"

// Where the front is: so many of the ranks are before it; then experts of one more rank with their shares, if
// it is divided. And the times of both sides.
struct front {
  uint32_t ranks;
  bool divided;
  struct schedule_share share;
  uint32_t pim, xpu;
};

// Cuts the first expert behind those that Logic-PIM has whole, with which it takes less than the xPU, and
// with one more it would take longer: the longer side of both is least at one of the cuts around that.
static void cut_one(struct schedule_cut_times times, uint32_t last, struct front *front) {
  const uint32_t pim = front->pim;
  const uint32_t xpu = front->xpu - times.xpu[0];
  uint32_t cut = 0;
  while (pim + times.pim[cut + 1] < xpu + times.xpu[cut] && ++cut < last) continue;
  if (times.xpu[cut] == times.xpu[0]) cut = 0;  // a share that relieves nobody
  front->share.cut = cut;
  front->pim = pim + times.pim[cut];
  front->xpu = xpu + times.xpu[cut];
}

// Moves the front to where both sides take equally long, or as far as Logic-PIM relieves the xPU.
static void meet(const struct schedule_times *times, struct schedule_work *work, struct front *front) {
  const struct schedule_counted *counted = &work->counted[0];
  const uint32_t last = times->placement.parts[0];
  for (; front->ranks < counted->ranks; front->ranks++) {
    const uint32_t rank = counted->rank[front->ranks];
    uint32_t experts = schedule_rank_experts(counted, rank);
    if (experts == 0) experts = SCHEDULE_EXPERTS;  // more than a byte counts
    const struct schedule_cut_times cuts = schedule_cut_times(times, counted, rank, 0, work->marginal[0]);
    const uint32_t pim = cuts.pim[last];
    const uint32_t relief = cuts.xpu[0] - cuts.xpu[last];
    if (relief == 0) return;
    const uint32_t whole = (front->xpu - front->pim) / (pim + relief);
    front->divided = whole < experts;
    const uint32_t taken = front->divided ? whole : experts;
    front->pim += taken * pim;
    front->xpu -= taken * relief;
    if (!front->divided) continue;
    front->share = (struct schedule_share){whole, last, 0, 0};
    cut_one(cuts, last, front);
    return;
  }
}

// The cuts of all experts, and once more for the copies.
static void write_cuts(const struct schedule_times *times, const struct schedule_work *work,
                       struct front *front, struct schedule_decision *decision) {
  const uint8_t *rank = work->counted[0].rank;
  const uint32_t experts = times->shape.experts;
  struct schedule_cuts cuts;
  schedule_clear_cuts(&cuts);
  cuts.whole = times->placement.parts[0];
  if (front->divided) {
    schedule_set_cuts(&cuts, SCHEDULE_ALL, rank[front->ranks], &front->share);
  } else {
    schedule_set_cuts(&cuts, SCHEDULE_ALL, front->ranks ? rank[front->ranks - 1] + 1u : 0, NULL);
  }
  schedule_write_cuts(&cuts, work->rank, experts, decision->cut[0]);
  for (uint32_t e = 0; e < experts; e += 4)
    __builtin_memcpy(__builtin_assume_aligned(decision->cut[1] + e, 4),
                     __builtin_assume_aligned(decision->cut[0] + e, 4), 4);
}

// Called, so that the firmware is no longer for it.
__attribute__((noinline)) void schedule_replicated(const struct schedule_times *times,
                                                   struct schedule_work *work,
                                                   struct schedule_decision *decision) {
  struct front front = {.xpu = work->counted[0].xpu[0]};
  meet(times, work, &front);
  write_cuts(times, work, &front, decision);
  decision->owned[0] = SCHEDULE_COPIED_BUNDLES;
  decision->pim[0] = front.pim;
  decision->xpu[1] = front.xpu;
}
