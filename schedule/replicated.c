// SPDX-License-Identifier: Apache-2.0
// The policy `best` where each expert lies twice: both sides at once in one phase (docs/schedule.md, "best").
//
// Experts are in the order of their groups. Those before the front are on Logic-PIM and those behind it on
// the xPU. One expert is cut, or divided by its tokens, where both sides take equally long. Where that leaves
// them far apart, the one before it is cut too.
#include <stddef.h>

#include "duplex/arithmetic.h"
#include "schedule/classes.h"
#include "schedule/cuts.h"
#include "schedule/policies.h"

#define MOST_LINES 4u  // places that are sought along lines

// A second expert is cut where that makes no decision longer than the longest one: among so many experts, if
// the front came through so few ranks. It wins more than it takes if both sides are so many clocks apart.
#define SECOND_EXPERTS 8u
#define SECOND_RANKS 1u
#define SECOND_CLOCKS 1000u
#define MOST_PAIRS 4u  // of cuts that are tried

// Where the front is: so many of the ranks are before it; then experts of one more rank with their shares, if
// it is divided. `groups`: of the one with the share's cut, if it is divided by its tokens. `second_groups`:
// if not 0, the first expert with so many, which is before the front, has the cut `second_cut`. And the times
// of both sides.
struct front {
  uint32_t ranks;
  bool divided;
  struct schedule_share share;
  uint32_t groups, second_groups, second_cut;
  uint32_t pim, xpu;
};

// Both sides with so many groups of an expert on Logic-PIM, and the others on the xPU.
struct sides {
  uint32_t groups, pim, xpu;
};

// Cuts the first expert behind those that Logic-PIM has whole, with which it takes less than the xPU, and
// with one more it would take longer: the longer side of both is least at one of the cuts around that. Those
// before the middle one are passed over where it is too small.
static void cut_one(struct schedule_cut_times times, uint32_t last, struct front *front) {
  const uint32_t pim = front->pim;
  const uint32_t xpu = front->xpu - times.xpu[0];
  uint32_t cut = last / 2;
  if (pim + times.pim[cut + 1] >= xpu + times.xpu[cut]) cut = 0;
  while (pim + times.pim[cut + 1] < xpu + times.xpu[cut] && ++cut < last) continue;
  if (times.xpu[cut] == times.xpu[0]) cut = 0;  // a share that relieves nobody
  front->share.cut = cut;
  front->pim = pim + times.pim[cut];
  front->xpu = xpu + times.xpu[cut];
}

// True if cutting a second expert may win more than it takes, where the one at the front has that rank.
static bool may_cut_second(const struct schedule_times *times, uint32_t rank, const struct front *front) {
  const uint32_t apart = duplex_larger(front->pim, front->xpu) - duplex_smaller(front->pim, front->xpu);
  return front->ranks <= SECOND_RANKS && front->ranks + front->share.full && rank < SCHEDULE_GROUPS &&
         times->shape.experts <= SECOND_EXPERTS && times->placement.parts[0] > 1 &&
         apart > SECOND_CLOCKS / times->clocks_per_unit;
}

// Cuts an expert with so many groups, which is before the one that is cut, too, if that is shorter. Of all
// pairs of their cuts only those count that are next to where both sides take equally long, the first ones of
// which are tried: from each to the next one either the former gives a part to the xPU, or the latter one to
// Logic-PIM.
static void cut_second(const struct schedule_times *times, uint32_t groups, uint32_t latter_groups,
                       struct front *front) {
  const struct schedule_row *former = &times->rows[groups];
  const struct schedule_row *latter = &times->rows[latter_groups];
  const uint32_t last = times->placement.parts[0];
  uint32_t least = (uint32_t)duplex_larger(front->pim, front->xpu);
  uint32_t cut = front->share.cut;
  const uint32_t pim = front->pim - former->pim[0][last] - latter->pim[0][cut];
  const uint32_t xpu = front->xpu - former->xpu[0][last] - latter->xpu[0][cut];
  uint32_t second = last - 1;
  for (uint32_t left = MOST_PAIRS; left && second < last && cut <= last; left--) {
    const uint32_t both_pim = pim + former->pim[0][second] + latter->pim[0][cut];
    const uint32_t both_xpu = xpu + former->xpu[0][second] + latter->xpu[0][cut];
    const uint32_t longest = (uint32_t)duplex_larger(both_pim, both_xpu);
    if (longest < least) {
      least = longest;
      front->second_groups = groups;
      front->second_cut = second;
      front->share.cut = cut;
      front->pim = both_pim;
      front->xpu = both_xpu;
    }
    if (both_pim < both_xpu) {
      cut++;
    } else {
      second--;  // from 0 on beyond the last
    }
  }
}

static uint32_t longer(const struct sides *sides) { return (uint32_t)duplex_larger(sides->pim, sides->xpu); }

// `none`: both sides without an expert of so many groups, of which Logic-PIM is given some.
static struct sides give(const struct schedule_times *times, const struct sides *none, uint32_t all,
                         uint32_t groups) {
  const uint32_t last = times->placement.parts[0];
  const uint32_t others = all - groups;
  return (struct sides){
      groups, none->pim + SCHEDULE_TIME(times, groups, pim[0][last]),
      none->xpu + SCHEDULE_TIME(times, groups, xpu[0][last]) + SCHEDULE_TIME(times, others, xpu[0][0])};
}

// The number of groups, up to `most`, with which the longer side is least: where both take equally long. With
// `low`, which has none, Logic-PIM takes less. of_group: what a group moves from the one side to the other,
// as far as both are straight lines. They nearly are: the next place is sought along the line between the two
// that are known, or halfway if that did not lead to it.
static struct sides meet_in_tokens(const struct schedule_times *times, const struct sides *none, uint32_t all,
                                   uint32_t most, struct sides low, uint32_t of_group) {
  struct sides high = give(times, none, all, most);
  if (high.pim <= high.xpu) low = give(times, none, all, most - 1);
  for (uint32_t tries = 0; high.groups - low.groups > 1; tries++) {
    const uint32_t between = high.groups - low.groups;
    const uint32_t gap = low.xpu - low.pim;
    uint32_t step = between / 2;
    if (tries) of_group = (gap + high.pim - high.xpu) / between;
    if (tries < MOST_LINES) step = (uint32_t)duplex_smaller(gap / (of_group | 1), between - 1);
    const struct sides next = give(times, none, all, low.groups + step + (step == 0));
    if (next.pim > next.xpu) {
      high = next;
    } else {
      low = next;
    }
  }
  return low.groups && longer(&low) <= longer(&high) ? low : high;
}

// Divides the same expert by its tokens instead, if that is shorter. `low`: both sides with all of it on the
// xPU; `cut`: the front with its cut. An xPU whose reads take longer than its sums is not relieved by fewer
// tokens, so it keeps as many as take it as long as its reads.
static void divide_one(const struct schedule_times *times, struct schedule_cut_times cuts, uint32_t groups,
                       struct sides low, struct front *cut) {
  const uint32_t last = times->placement.parts[0];
  const uint32_t relief = times->slope.xpu[0][0];
  const uint32_t kept = relief ? times->rows[1].xpu[0][0] / relief : groups;
  if (kept >= groups) return;
  const struct sides none = {0, low.pim, low.xpu - cuts.xpu[0]};
  const struct sides met =
      meet_in_tokens(times, &none, groups, groups - kept, low, cuts.pim[last] / groups + relief);
  if (longer(&met) >= duplex_larger(cut->pim, cut->xpu)) return;
  cut->share.cut = last;
  cut->groups = met.groups;
  cut->pim = met.pim;
  cut->xpu = met.xpu;
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
    const struct sides all_xpus = {0, front->pim, front->xpu};
    cut_one(cuts, last, front);
    if (cuts.xpu[0] > times->rows[1].xpu[0][0]) {
      divide_one(times, cuts, schedule_rank_groups(counted, rank), all_xpus, front);
    } else if (may_cut_second(times, rank, front)) {
      const uint32_t before = whole ? rank : counted->rank[front->ranks - 1];
      cut_second(times, before + 1, rank + 1, front);
    }
    return;
  }
}

// The expert of a rank behind so many others of it.
static uint32_t expert_of(const uint8_t *ranks, uint32_t rank, uint32_t others) {
  uint32_t expert = 0;
  while (ranks[expert] != rank || others-- > 0) expert++;
  return expert;
}

// The cuts once more, eight bytes at a time.
static void copy_cuts(uint32_t experts, struct schedule_decision *decision) {
  uint32_t e = 0;
  for (; e + 4 < experts; e += 8)
    __builtin_memcpy(__builtin_assume_aligned(decision->cut[1] + e, 4),
                     __builtin_assume_aligned(decision->cut[0] + e, 4), 8);
  if (e < experts)
    __builtin_memcpy(__builtin_assume_aligned(decision->cut[1] + e, 4),
                     __builtin_assume_aligned(decision->cut[0] + e, 4), 4);
}

// The cuts of all experts, and once more for the copies.
static void write_cuts(const struct schedule_times *times, const struct schedule_work *work,
                       const struct front *front, struct schedule_decision *decision) {
  const uint8_t *rank = work->counted[0].rank;
  const uint32_t experts = times->shape.experts;
  struct schedule_share share;  // which is counted down
  struct schedule_cuts cuts;
  schedule_clear_cuts(&cuts);
  cuts.whole = times->placement.parts[0];
  if (front->divided) {
    share = front->share;
    schedule_set_cuts(&cuts, SCHEDULE_ALL, rank[front->ranks], &share);
  } else {
    schedule_set_cuts(&cuts, SCHEDULE_ALL, front->ranks ? rank[front->ranks - 1] + 1u : 0, NULL);
  }
  schedule_write_cuts(&cuts, work->rank, experts, decision->cut[0]);
  if (front->second_groups)
    decision->cut[0][expert_of(work->rank, front->second_groups - 1, 0)] = (uint8_t)front->second_cut;
  copy_cuts(experts, decision);
  decision->groups = front->groups;
  if (front->groups) decision->divided = expert_of(work->rank, rank[front->ranks], front->share.full);
}

// Called, so that the firmware is no longer for it.
__attribute__((noinline)) void schedule_replicated(const struct schedule_times *times,
                                                   struct schedule_work *work,
                                                   struct schedule_decision *decision) {
  struct front front;
  front.ranks = front.groups = front.second_groups = front.pim = 0;
  front.divided = false;
  front.xpu = work->counted[0].xpu[0];
  meet(times, work, &front);
  write_cuts(times, work, &front, decision);
  decision->owned[0] = SCHEDULE_COPIED_BUNDLES;
  decision->pim[0] = front.pim;
  decision->xpu[1] = front.xpu;
}
