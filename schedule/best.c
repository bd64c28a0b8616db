// SPDX-License-Identifier: Apache-2.0
// The policy `best`: both sides at once in both phases, cut by the inner size (docs/schedule.md, "best").
//
// Each class has a *front*: experts before it are on Logic-PIM, those behind it on the xPU. For any time of
// phase 0, its `span`, the front of class 0 is as far as Logic-PIM comes, and that of class 1 where the xPU
// can do the rest.
#include "duplex/arithmetic.h"
#include "schedule/classes.h"
#include "schedule/cuts.h"
#include "schedule/policies.h"

#define WINDOW 2u      // places of a front that are tried with those of the other
#define FEW_HALVES 1u  // bins of a class with which the ends are tried too
#define FEW_PAIRS 3u

// The bin that a front is in, and the times of both sides with all bins before it on Logic-PIM.
struct front {
  uint32_t bin;
  uint32_t pim, xpu;
};

// A place in the bin of a front: `full` of its experts have the cut `high`, the next one `cut`, the others
// `low`.
struct place {
  uint32_t full, low, cut, high;
  uint32_t pim, xpu;  // times of both sides
};

// The times of the cuts of the experts of a bin.
struct cuts {
  const uint32_t *pim, *xpu;
};

static struct front front_of(const struct schedule_class *class) { return (struct front){0, 0, class->xpu}; }

static void step(const struct schedule_class *class, struct front *front) {
  const struct schedule_bin *bin = &class->bins[front->bin++];
  front->pim += bin->experts * bin->pim;
  front->xpu -= bin->experts * bin->relief;
}

// part / whole of `of`, to a 128th; part is less than whole, and no time of an expert has more than 24 bits.
static uint32_t share(uint32_t part, uint32_t whole, uint32_t of) { return ((part << 7) / whole * of) >> 7; }

// Halves: both fronts come to the place where both sides take equally long in all. `amount`: what Logic-PIM
// takes of the bin there.
static void meet(const struct schedule_class classes[2], struct front fronts[2], uint32_t amount[2]) {
  amount[0] = amount[1] = 0;
  while (fronts[0].bin < classes[0].count) {
    const struct schedule_bin *a = &classes[0].bins[fronts[0].bin], *b = &classes[1].bins[fronts[1].bin];
    const uint32_t left = fronts[0].xpu + fronts[1].xpu - fronts[0].pim - fronts[1].pim;
    const uint32_t each = a->pim + a->relief + b->pim + b->relief, experts = left / each;
    if (experts < a->experts) {
      amount[0] = experts * a->pim + share(left - experts * each, each, a->pim);
      amount[1] = experts * b->pim + share(left - experts * each, each, b->pim);
      return;
    }
    step(&classes[0], &fronts[0]);
    step(&classes[1], &fronts[1]);
  }
}

// Moves a front on to the bin in which Logic-PIM's time reaches the span; returns the xPU's time there.
static uint32_t reach_pim(const struct schedule_class *class, uint32_t span, struct front *front) {
  while (front->bin < class->count) {
    const struct schedule_bin *bin = &class->bins[front->bin];
    const uint32_t left = span - front->pim, experts = left / bin->pim;
    if (experts < bin->experts)
      return front->xpu - experts * bin->relief - share(left - experts * bin->pim, bin->pim, bin->relief);
    step(class, front);
  }
  return front->xpu;
}

// Moves a front on to the bin in which the xPU's time falls to the span; returns Logic-PIM's time there.
static uint32_t reach_xpu(const struct schedule_class *class, uint32_t span, struct front *front) {
  while (front->bin < class->count && front->xpu > span) {
    const struct schedule_bin *bin = &class->bins[front->bin];
    const uint32_t left = front->xpu - span;
    if (left < bin->experts * bin->relief) {
      const uint32_t experts = left / bin->relief;
      return front->pim + experts * bin->pim + share(left - experts * bin->relief, bin->relief, bin->pim);
    }
    step(class, front);
  }
  return front->pim;
}

// True if a longer phase 0 shortens phase 1 by more: by its longer side, of which the front's bin tells the
// rate.
static bool longer_pays(const struct schedule_class classes[2], const struct front fronts[2], uint32_t pim,
                        uint32_t xpu) {
  if (pim > xpu) {
    const struct schedule_bin *bin = &classes[1].bins[fronts[1].bin - (fronts[1].bin == classes[1].count)];
    return bin->pim > bin->relief;
  }
  if (fronts[0].bin == classes[0].count) return false;
  const struct schedule_bin *bin = &classes[0].bins[fronts[0].bin];
  return bin->pim < bin->relief;
}

// Pairs: the span that makes both phases shortest, by halving, since their sum is convex in it. Fronts come
// to it. `amount`: what Logic-PIM takes of the bin there, or for class 1 what is taken off the xPU.
static void find_span(const struct schedule_class classes[2], struct front fronts[2], uint32_t amount[2]) {
  uint32_t low = 0, range = duplex_larger(classes[0].pim, classes[1].xpu);
  while (range >
         duplex_smaller(classes[0].bins[fronts[0].bin].pim, classes[1].bins[fronts[1].bin].relief) / 4) {
    range /= 2;
    struct front tried[2] = {fronts[0], fronts[1]};
    const uint32_t xpu = reach_pim(&classes[0], low + range, &tried[0]);
    const uint32_t pim = reach_xpu(&classes[1], low + range, &tried[1]);
    if (longer_pays(classes, tried, pim, xpu)) {
      low += range;
      fronts[0] = tried[0];
    } else {
      fronts[1] = tried[1];
    }
  }
  reach_pim(&classes[0], low, &fronts[0]);
  reach_xpu(&classes[1], low, &fronts[1]);
  amount[0] = low - fronts[0].pim;
  amount[1] = fronts[1].xpu > low ? fronts[1].xpu - low : 0;
}

// The times of all cuts of piece q of the experts of a rank.
static struct cuts cuts_of(const struct schedule_times *times, const struct schedule_counted *counted,
                           uint32_t rank, uint32_t q, uint32_t hot[2][SCHEDULE_CUTS]) {
  if (rank < SCHEDULE_GROUPS)
    return (struct cuts){times->rows[rank + 1].pim[q], times->rows[rank + 1].xpu[q]};
  const uint32_t groups = counted->hot[rank - SCHEDULE_GROUPS];
  for (uint32_t cut = 0; cut <= times->placement.parts[q]; cut++) {
    hot[0][cut] = SCHEDULE_TIME(times, groups, pim[q][cut]);
    hot[1][cut] = SCHEDULE_TIME(times, groups, xpu[q][cut]);
  }
  return (struct cuts){hot[0], hot[1]};
}

// The last place of a bin that takes at most `amount` of Logic-PIM's time (of_pim), or off the xPU's, of its
// experts; and the next place, if there is one. `last`: the last cut. Returns how many places there are.
static inline uint32_t places_at(uint32_t knee, uint32_t last, uint32_t experts, const struct front *front,
                                 struct cuts cuts, uint32_t amount, bool of_pim,
                                 struct place places[WINDOW]) {
  const uint32_t *time = of_pim ? cuts.pim : cuts.xpu;
  const uint32_t to_knee = of_pim ? time[knee] : time[0] - time[knee];
  uint32_t low = 0, high = knee ? knee : last;
  if (knee && amount >= experts * to_knee) {
    amount -= experts * to_knee;
    low = knee;
    high = last;
  }
  const uint32_t base = time[low], each = of_pim ? time[high] - base : base - time[high];
  uint32_t full = each ? amount / each : 0, cut = low;
  if (full < experts) {
    const uint32_t rest = amount - full * each;
    while ((of_pim ? time[cut + 1] - base : base - time[cut + 1]) <= rest && cut + 1 < high) cut++;
  } else {
    full = experts;
  }
  const uint32_t pim_low = cuts.pim[low], xpu_low = cuts.xpu[low];
  const uint32_t pim =
      front->pim + experts * pim_low + full * (cuts.pim[high] - pim_low) + (cuts.pim[cut] - pim_low);
  const uint32_t xpu = front->xpu - experts * (cuts.xpu[0] - xpu_low) - full * (xpu_low - cuts.xpu[high]) -
                       (xpu_low - cuts.xpu[cut]);
  places[0] = (struct place){full, low, cut, high, pim, xpu};
  if (full == experts) return 1;
  const bool done = cut + 1 == high;
  places[1] = (struct place){full + done,
                             low,
                             done ? low : cut + 1,
                             high,
                             pim + cuts.pim[cut + 1] - cuts.pim[cut],
                             xpu - (cuts.xpu[cut] - cuts.xpu[cut + 1])};
  return 2;
}

// A place of a front behind all bins.
static uint32_t behind_all(const struct front *front, struct place places[WINDOW]) {
  places[0] = (struct place){.pim = front->pim, .xpu = front->xpu};
  return 1;
}

// Places around the front of a class around that amount of its bin.
static uint32_t places_of(const struct schedule_times *times, const struct schedule_class *class,
                          const struct front *front, uint32_t amount, bool of_pim, struct schedule_work *work,
                          struct place places[WINDOW]) {
  if (front->bin == class->count) return behind_all(front, places);
  const struct schedule_bin *bin = &class->bins[front->bin];
  const struct schedule_population *population = &class->population[bin->rank >> SCHEDULE_POPULATION];
  const struct cuts cuts =
      cuts_of(times, &work->counted[population->first], bin->rank % (1u << SCHEDULE_POPULATION),
              population->piece, work->marginal[!of_pim]);
  return places_at(population->knee, population->cuts, bin->experts, front, cuts, amount, of_pim, places);
}

// The front behind all bins of a class.
static struct front end_of(const struct schedule_class *class) {
  struct front front = front_of(class);
  while (front.bin < class->count) step(class, &front);
  return front;
}

static uint32_t phases(uint32_t first_pim, uint32_t first_xpu, uint32_t second_pim, uint32_t second_xpu) {
  return duplex_larger(first_pim, second_xpu) + duplex_larger(second_pim, first_xpu);
}

// Logic-PIM has nothing, or one class whole and nothing of the other, if that is shorter than `least`: where
// there are few bins, the places around the fronts may be far from it. Fronts go to where it is.
static void choose_ends(const struct schedule_class classes[2], uint32_t least, struct front fronts[2],
                        struct place places[2][WINDOW + 1], const struct place *chosen[2]) {
  for (uint32_t i = 0; i < 3; i++) {
    const struct front ends[2] = {i == 1 ? end_of(&classes[0]) : front_of(&classes[0]),
                                  i == 2 ? end_of(&classes[1]) : front_of(&classes[1])};
    const uint32_t total = phases(ends[0].pim, ends[0].xpu, ends[1].pim, ends[1].xpu);
    if (total >= least) continue;
    least = total;
    for (uint32_t q = 0; q < 2; q++) {
      fronts[q] = ends[q];
      behind_all(&ends[q], &places[q][WINDOW]);
      chosen[q] = &places[q][WINDOW];
    }
  }
}

// The pair of places with the shortest phases.
static void choose(const struct schedule_class classes[2], uint32_t few, const uint32_t count[2],
                   struct front fronts[2], struct place places[2][WINDOW + 1],
                   const struct place *chosen[2]) {
  uint32_t least = UINT32_MAX;
  chosen[0] = places[0];
  chosen[1] = places[1];
  for (const struct place *x = places[0]; x < places[0] + count[0]; x++)
    for (const struct place *y = places[1]; y < places[1] + count[1]; y++) {
      const uint32_t total = phases(x->pim, x->xpu, y->pim, y->xpu);
      if (total >= least) continue;
      least = total;
      chosen[0] = x;
      chosen[1] = y;
    }
  if (classes[0].count <= few || least > classes[0].xpu + classes[1].xpu)
    choose_ends(classes, least, fronts, places, chosen);
}

// The rank from which on the experts of a population are behind the front, that of the front's bin too.
static uint32_t first_behind(const struct schedule_bin *bins, uint32_t bin, uint32_t population) {
  while (bin-- > 0)
    if (bins[bin].rank >> SCHEDULE_POPULATION == population)
      return bins[bin].rank % (1u << SCHEDULE_POPULATION) + 1;
  return 0;
}

// The cuts of a population of a class, whose front is in that bin.
static void set_cuts(const struct schedule_class *class, uint32_t index, uint32_t bin,
                     struct schedule_share *share, struct schedule_cuts *cuts) {
  const struct schedule_population *population = &class->population[index];
  const uint32_t rank = class->bins[bin].rank;  // that of the last one, which is none, is in no population
  const bool here = rank >> SCHEDULE_POPULATION == index;
  const uint32_t divided = here ? rank % (1u << SCHEDULE_POPULATION) : SCHEDULE_NO_RANK;
  cuts->whole = population->cuts;
  schedule_set_cuts(cuts, population->first, first_behind(class->bins, bin, index), divided, share);
}

// The times of both phases, and the shares of the front's bins.
static void set_times(const struct place *const chosen[2], struct schedule_share shares[2],
                      struct schedule_decision *decision) {
  for (uint32_t q = 0; q < 2; q++) {
    decision->owned[q] = q ? 12 : 3;
    decision->pim[q] = chosen[q]->pim;
    decision->xpu[q] = chosen[q]->xpu;
    shares[q] = (struct schedule_share){chosen[q]->full, chosen[q]->high, chosen[q]->cut, chosen[q]->low};
  }
}

// Of halves, which have the same bins.
static void best_of_halves(const struct schedule_times *times, const uint16_t *counts,
                           struct schedule_work *work, struct schedule_decision *decision) {
  struct schedule_class classes[2];
  struct place places[2][WINDOW + 1];
  const struct place *chosen[2];
  struct schedule_share shares[2];
  uint32_t tried[2], amount[2];
  schedule_halves(times, counts, work, classes);
  struct front fronts[2] = {front_of(&classes[0]), front_of(&classes[1])};
  meet(classes, fronts, amount);
  for (uint32_t q = 0; q < 2; q++) {
    const struct schedule_bin *bin = &classes[q].bins[fronts[q].bin];
    if (fronts[q].bin == classes[q].count) {
      tried[q] = behind_all(&fronts[q], places[q]);
      continue;
    }
    const struct cuts cuts = cuts_of(times, work->counted, bin->rank, q, work->marginal[q]);
    tried[q] =
        places_at(0, times->placement.parts[q], bin->experts, &fronts[q], cuts, amount[q], true, places[q]);
  }
  choose(classes, FEW_HALVES, tried, fronts, places, chosen);
  set_times(chosen, shares, decision);
  for (uint32_t q = 0; q < 2; q++) {
    const struct schedule_bin *bin = &classes[q].bins[fronts[q].bin];
    const uint32_t behind = fronts[q].bin ? bin[-1].rank + 1 : 0;
    const uint32_t divided = fronts[q].bin < classes[q].count ? bin->rank : SCHEDULE_NO_RANK;
    const struct schedule_cuts cuts = {
        times->placement.parts[q], behind * SCHEDULE_EACH, divided * SCHEDULE_EACH, {&shares[q], &shares[q]}};
    schedule_write_cuts(&cuts, work->rank, times->shape.experts, decision->cut[q]);
  }
}

// The least time of pieces in pairs of bundles: both classes' places are tried, the best two become cuts.
static void best_of_pairs(const struct schedule_times *times, const uint16_t *counts,
                          struct schedule_work *work, struct schedule_decision *decision) {
  struct schedule_class classes[2];
  struct place places[2][WINDOW + 1];
  const struct place *chosen[2];
  struct schedule_cuts cuts[SCHEDULE_PIECES] = {0};
  struct schedule_share shares[2];
  uint32_t tried[2], amount[2];
  schedule_pairs(times, counts, work, classes);
  struct front fronts[2] = {front_of(&classes[0]), front_of(&classes[1])};
  find_span(classes, fronts, amount);
  for (uint32_t q = 0; q < 2; q++)
    tried[q] = places_of(times, &classes[q], &fronts[q], amount[q], q == 0, work, places[q]);
  choose(classes, FEW_PAIRS, tried, fronts, places, chosen);
  set_times(chosen, shares, decision);
  for (uint32_t q = 0; q < 2; q++)
    for (uint32_t i = 0; i < classes[q].populations; i++)
      set_cuts(&classes[q], i, fronts[q].bin, &shares[q], &cuts[classes[q].population[i].piece]);
  for (uint32_t q = 0; q < times->placement.pieces; q++)
    schedule_write_cuts(&cuts[q], work->rank, times->shape.experts, decision->cut[q]);
}

void schedule_best(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                   struct schedule_decision *decision) {
  switch (times->placement.layout) {
    case SCHEDULE_STRIPED:
      schedule_turns(times, counts, decision);
      break;
    case SCHEDULE_HALVED:
      best_of_halves(times, counts, work, decision);
      break;
    default:
      best_of_pairs(times, counts, work, decision);
  }
}
