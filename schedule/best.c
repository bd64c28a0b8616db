// SPDX-License-Identifier: Apache-2.0
// The policy `best`: both sides at once in both phases, cut by the inner size (docs/schedule.md, "best").
//
// Each class has a *front*: experts before it are on Logic-PIM, those behind it on the xPU. For any time of
// phase 0, its `span`, the front of class 0 is as far as Logic-PIM comes, and that of class 1 where the xPU
// can do the rest.
#include "schedule/classes.h"
#include "schedule/cuts.h"
#include "schedule/policies.h"

#define WINDOW 3u  // places of a front that are tried in all combinations with those of the other

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

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

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
  uint32_t low = 0, range = schedule_larger(classes[0].pim, classes[1].xpu);
  while (range > smaller(classes[0].bins[fronts[0].bin].pim, classes[1].bins[fronts[1].bin].relief) / 4) {
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

static struct cuts cuts_of(const struct schedule_times *times, const struct schedule_population *population,
                           uint32_t groups, uint32_t hot[2][SCHEDULE_CUTS]) {
  const uint32_t q = population->piece;
  if (groups <= SCHEDULE_GROUPS) return (struct cuts){times->rows[groups].pim[q], times->rows[groups].xpu[q]};
  for (uint32_t cut = 0; cut <= population->cuts; cut++) {
    hot[0][cut] = SCHEDULE_TIME(times, groups, pim[q][cut]);
    hot[1][cut] = SCHEDULE_TIME(times, groups, xpu[q][cut]);
  }
  return (struct cuts){hot[0], hot[1]};
}

// The last place of a bin that takes at most `amount` of Logic-PIM's time (of_pim), or off the xPU's.
static struct place place_at(const struct schedule_population *population, uint32_t experts,
                             const struct front *front, struct cuts cuts, uint32_t amount, bool of_pim) {
  const uint32_t knee = population->knee;
  const uint32_t *time = of_pim ? cuts.pim : cuts.xpu;
  struct place place = {.low = 0, .high = knee ? knee : population->cuts};
  const uint32_t to_knee = of_pim ? time[knee] : time[0] - time[knee];
  if (knee && amount >= experts * to_knee) {
    amount -= experts * to_knee;
    place.low = knee;
    place.high = population->cuts;
  }
  const uint32_t base = time[place.low];
  const uint32_t each = of_pim ? time[place.high] - base : base - time[place.high];
  place.full = each ? amount / each : 0;
  if (place.full >= experts) place.full = experts;
  uint32_t rest = amount - place.full * each;
  place.cut = place.low;
  if (place.full < experts)
    while ((of_pim ? time[place.cut + 1] - base : base - time[place.cut + 1]) <= rest &&
           place.cut + 1 < place.high)
      place.cut++;
  const uint32_t others = experts - place.full;
  place.pim = front->pim + place.full * cuts.pim[place.high] + others * cuts.pim[place.low] +
              cuts.pim[place.cut] - cuts.pim[place.low];
  place.xpu = front->xpu - place.full * (cuts.xpu[0] - cuts.xpu[place.high]) -
              others * (cuts.xpu[0] - cuts.xpu[place.low]) - (cuts.xpu[place.low] - cuts.xpu[place.cut]);
  return place;
}

static bool next_place(struct place *place, uint32_t experts, struct cuts cuts) {
  if (place->full == experts) return false;
  place->pim += cuts.pim[place->cut + 1] - cuts.pim[place->cut];
  place->xpu -= cuts.xpu[place->cut] - cuts.xpu[place->cut + 1];
  if (++place->cut == place->high) {
    place->full++;
    place->cut = place->low;
  }
  return true;
}

static void previous_place(struct place *place, struct cuts cuts) {
  if (place->cut == place->low) {
    if (place->full == 0) return;
    place->full--;
    place->cut = place->high;
  }
  place->cut--;
  place->pim -= cuts.pim[place->cut + 1] - cuts.pim[place->cut];
  place->xpu += cuts.xpu[place->cut] - cuts.xpu[place->cut + 1];
}

// The places around one; returns how many.
static uint32_t window(struct place place, uint32_t experts, struct cuts cuts, struct place places[WINDOW]) {
  uint32_t count = 0;
  previous_place(&place, cuts);
  do {
    places[count++] = place;
  } while (count < WINDOW && next_place(&place, experts, cuts));
  return count;
}

// Places around the fronts of a class around that amount of their bin.
static uint32_t places_of(const struct schedule_times *times, const struct schedule_class *class,
                          const struct front *front, uint32_t amount, bool of_pim,
                          const struct schedule_counted *counted, uint32_t hot[2][SCHEDULE_CUTS],
                          struct place places[WINDOW]) {
  if (front->bin == class->count) {
    places[0] = (struct place){.pim = front->pim, .xpu = front->xpu};
    return 1;
  }
  const struct schedule_bin *bin = &class->bins[front->bin];
  const struct schedule_population *population = &class->population[bin->rank >> SCHEDULE_POPULATION];
  const uint32_t rank = bin->rank % (1u << SCHEDULE_POPULATION);
  const uint32_t groups =
      rank < SCHEDULE_GROUPS ? rank + 1 : counted[population->first].hot[rank - SCHEDULE_GROUPS];
  const struct cuts cuts = cuts_of(times, population, groups, hot);
  return window(place_at(population, bin->experts, front, cuts, amount, of_pim), bin->experts, cuts, places);
}

// The pair of places with the shortest phases.
static void choose(const struct place *a, uint32_t a_count, const struct place *b, uint32_t b_count,
                   const struct place *chosen[2]) {
  uint32_t least = UINT32_MAX;
  for (const struct place *x = a; x < a + a_count; x++)
    for (const struct place *y = b; y < b + b_count; y++) {
      const uint32_t total = schedule_larger(x->pim, y->xpu) + schedule_larger(y->pim, x->xpu);
      if (total >= least) continue;
      least = total;
      chosen[0] = x;
      chosen[1] = y;
    }
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
  const uint32_t behind = first_behind(class->bins, bin, index);
  uint32_t rank = SCHEDULE_NO_RANK;
  if (bin < class->count && class->bins[bin].rank >> SCHEDULE_POPULATION == index)
    rank = class->bins[bin].rank % (1u << SCHEDULE_POPULATION);
  cuts->whole = population->cuts;
  for (uint32_t parity = population->first; parity < 2; parity += population->step)
    schedule_set_cuts(cuts, parity, behind, rank, share);
}

void schedule_best(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                   struct schedule_decision *decision) {
  const uint32_t experts = times->shape.experts, layout = times->placement.layout;
  const bool halved = layout == SCHEDULE_HALVED;
  struct schedule_class classes[2];
  struct place places[2][WINDOW];
  const struct place *chosen[2];
  struct schedule_cuts cuts[SCHEDULE_PIECES] = {0};
  struct schedule_share shares[2];
  uint32_t tried[2], amount[2];
  if (layout == SCHEDULE_STRIPED) {
    schedule_turns(times, counts, decision);
    return;
  }
  schedule_classes(times, counts, work, classes);
  struct front fronts[2] = {front_of(&classes[0]), front_of(&classes[1])};
  if (halved) {
    meet(classes, fronts, amount);
  } else {
    find_span(classes, fronts, amount);
  }
  for (uint32_t q = 0; q < 2; q++)
    tried[q] = places_of(times, &classes[q], &fronts[q], amount[q], halved || q == 0, work->counted,
                         work->marginal[q], places[q]);
  choose(places[0], tried[0], places[1], tried[1], chosen);
  for (uint32_t q = 0; q < 2; q++) {
    decision->owned[q] = q ? 12 : 3;
    decision->pim[q] = chosen[q]->pim;
    decision->xpu[q] = chosen[q]->xpu;
    shares[q] = (struct schedule_share){chosen[q]->full, chosen[q]->high, chosen[q]->cut, chosen[q]->low};
    for (uint32_t i = 0; i < classes[q].populations; i++)
      set_cuts(&classes[q], i, fronts[q].bin, &shares[q], &cuts[classes[q].population[i].piece]);
  }
  if (layout == SCHEDULE_ALTERNATE) cuts[1].divided = SCHEDULE_NO_RANK * 0x01010101u;
  for (uint32_t q = 0; q < SCHEDULE_PIECES; q++)
    schedule_write_cuts(&cuts[q], work->rank, experts, decision->cut[q]);
}
