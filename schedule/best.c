// SPDX-License-Identifier: Apache-2.0
// The policy `best`: both sides at once in both phases, cut by the inner size (docs/schedule.md, "best").
//
// Each class has a *front*: experts before it are on Logic-PIM, those behind it on the xPU. For any time of
// phase 0, its `span`, the front of class 0 is as far as Logic-PIM comes, and that of class 1 where the xPU
// can do the rest.
#include <stddef.h>

#include "duplex/arithmetic.h"
#include "schedule/classes.h"
#include "schedule/cuts.h"
#include "schedule/policies.h"

#define WINDOW 2u      // places of a front that are tried with those of the other
#define FEW_HALVES 1u  // bins of a class with which the ends are tried too, and experts
#define FEW_EXPERTS 4u
#define FEW_PAIRS 3u
#define MOST_TRIES 8u  // of spans: more win nothing and take long where many experts are hot
#define MOST_SAME 2u   // tries in one direction before the middle is tried
#define LITTLE 4u      // the span is found to this part of what an expert at a front takes
#define FAR (UINT32_MAX / 2)
#define RATE_BITS 6u  // of a rate behind the point

// The bin that a front is in, and the times of both sides with all bins before it on Logic-PIM.
struct front {
  uint32_t bin;
  uint32_t pim, xpu;
};

// A place in the bin of a front: what its experts have, and the times of both sides.
struct place {
  struct schedule_share share;
  uint32_t pim, xpu;
};

static struct front front_of(const struct schedule_class *class) { return (struct front){0, 0, class->xpu}; }

static void step(const struct schedule_class *class, struct front *front) {
  const struct schedule_bin *bin = &class->bins[front->bin++];
  front->pim += bin->experts * bin->pim;
  front->xpu -= bin->experts * bin->relief;
}

static void step_back(const struct schedule_class *class, struct front *front) {
  const struct schedule_bin *bin = &class->bins[--front->bin];
  front->pim -= bin->experts * bin->pim;
  front->xpu += bin->experts * bin->relief;
}

// part / whole of `of`, to a 128th; part is less than whole, and no time of an expert has more than 24 bits.
static uint32_t share(uint32_t part, uint32_t whole, uint32_t of) { return ((part << 7) / whole * of) >> 7; }

// Moves a front to the bin in which Logic-PIM's time reaches the span; returns the xPU's time there.
static uint32_t reach_pim(const struct schedule_times *times, struct schedule_class *class, uint32_t span,
                          struct front *front) {
  while (front->pim > span) step_back(class, front);
  while (schedule_has_bin(times, class, front->bin)) {
    const struct schedule_bin *bin = &class->bins[front->bin];
    const uint32_t left = span - front->pim;
    const uint32_t experts = left / bin->pim;
    if (experts < bin->experts)
      return front->xpu - experts * bin->relief - share(left - experts * bin->pim, bin->pim, bin->relief);
    step(class, front);
  }
  return front->xpu;
}

// Moves a front to the bin in which the xPU's time falls to the span; returns Logic-PIM's time there.
static uint32_t reach_xpu(const struct schedule_times *times, struct schedule_class *class, uint32_t span,
                          struct front *front) {
  while (front->xpu < span && front->bin) step_back(class, front);
  while (front->xpu > span && schedule_has_bin(times, class, front->bin)) {
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

// Moves a front to the bin in which both sides take equally long for its class alone; returns that time.
static uint32_t meet_alone(const struct schedule_times *times, struct schedule_class *class,
                           struct front *front) {
  while (schedule_has_bin(times, class, front->bin)) {
    const struct schedule_bin *bin = &class->bins[front->bin];
    const uint32_t experts = (front->xpu - front->pim) / (bin->pim + bin->relief);
    if (experts < bin->experts) return front->pim + experts * bin->pim;
    step(class, front);
  }
  return front->pim;
}

// How far a span is from the one with which both sides of phase 1 are equally long, by the rates of the
// fronts' bins. `gap`: how much longer the one is than the other.
static uint32_t distance(const struct schedule_bin *a, const struct schedule_bin *b, uint32_t gap) {
  if (b->relief == 0) return FAR;
  const uint32_t falls = (a->relief << RATE_BITS) / a->pim;
  const uint32_t other = (b->pim << RATE_BITS) / b->relief;
  const uint32_t closes = falls > other ? falls - other : other - falls;
  if (closes == 0) return FAR;
  return (gap / closes << RATE_BITS) + (gap % closes << RATE_BITS) / closes;
}

// True if both fronts stay in their bins with that span.
static bool in_bins(const struct front fronts[2], const struct schedule_bin *a, const struct schedule_bin *b,
                    uint32_t span) {
  return span >= fronts[0].pim && span - fronts[0].pim <= a->experts * a->pim && span <= fronts[1].xpu &&
         fronts[1].xpu - span <= b->experts * b->relief;
}

// What there is at a span: the bins of both fronts, with `in` if there are any; the times of phase 1; whether
// a longer phase 0 shortens phase 1 by more; whether both bins are for the same side; how far it is to where
// both sides of phase 1 are equally long; and how much of a time is little.
struct at_span {
  const struct schedule_bin *bin[2];
  bool in[2], pays, one_side;
  uint32_t pim, xpu, distance, little;
};

// Moves the fronts to a span, and fills in what there is.
static void look(const struct schedule_times *times, struct schedule_class classes[2], uint32_t span,
                 struct front fronts[2], struct at_span *at) {
  at->xpu = reach_pim(times, &classes[0], span, &fronts[0]);
  at->pim = reach_xpu(times, &classes[1], span, &fronts[1]);
  for (uint32_t q = 0; q < 2; q++) {
    at->in[q] = schedule_has_bin(times, &classes[q], fronts[q].bin);
    at->bin[q] = &classes[q].bins[fronts[q].bin];
  }
  const struct schedule_bin *a = at->bin[0];
  const struct schedule_bin *b = at->bin[1];
  const struct schedule_bin *last = b - (!at->in[1] && fronts[1].bin);
  const bool both = at->in[0] && at->in[1];
  at->pays = at->pim > at->xpu ? last->pim > last->relief : at->in[0] && a->pim < a->relief;
  at->one_side = both && (a->pim < a->relief) == (b->pim < b->relief);
  at->little = duplex_smaller(a->pim, last->relief) / LITTLE;
  at->distance =
      both ? distance(a, b, duplex_larger(at->pim, at->xpu) - duplex_smaller(at->pim, at->xpu)) : FAR;
}

// How far it is to the end of the bin that tells how phase 1 changes.
static uint32_t to_edge(const struct at_span *at, const struct front fronts[2], uint32_t span) {
  const struct schedule_bin *a = at->bin[0];
  const struct schedule_bin *b = at->bin[1];
  if (at->pim > at->xpu)
    return at->pays ? fronts[1].xpu - span : span - fronts[1].xpu + b->experts * b->relief;
  return at->pays ? fronts[0].pim + a->experts * a->pim - span : span - fronts[0].pim;
}

// Pairs: the span that makes both phases shortest, since their sum is convex in it. A longer phase 0 shortens
// phase 1 by its longer side, of which the front's bin tells the rate. If the bins of both fronts are for the
// same side, the least sum is where both sides of phase 1 are equally long. That place is tried next, or the
// end of a bin if it comes before; the middle of what is left if that went the same way too often. Fronts
// come to the span. `amount`: what Logic-PIM takes of the bin there, or for class 1 what is taken off the
// xPU.
static void find_span(const struct schedule_times *times, struct schedule_class classes[2],
                      struct front fronts[2], uint32_t amount[2]) {
  uint32_t low = 0;
  uint32_t high = classes[0].xpu + classes[1].xpu;
  uint32_t same = 0;
  uint32_t span = meet_alone(times, &classes[0], &fronts[0]);
  bool paid = false;
  struct at_span at;
  for (uint32_t tries = 0; tries < MOST_TRIES; tries++) {
    look(times, classes, span, fronts, &at);
    const uint32_t meeting = at.pays ? span + at.distance : span - at.distance;
    if (at.one_side && at.distance <= at.little && in_bins(fronts, at.bin[0], at.bin[1], meeting)) {
      low = span = meeting;
      break;
    }
    if (at.pays) low = span;
    if (!at.pays) high = span;
    const uint32_t room = high - low;
    if (room <= at.little + 1) break;
    same = at.pays == paid ? same + 1 : 0;
    paid = at.pays;
    uint32_t by = at.distance;
    if (!at.one_side) by = duplex_smaller(by, to_edge(&at, fronts, span) + 1);
    if (same > MOST_SAME || room <= 2 * at.little) {
      by = room / 2;
    } else if (by >= room) {
      by = room - at.little;
    }
    span = at.pays ? span + by : span - by;
  }
  if (low != span) {
    reach_pim(times, &classes[0], low, &fronts[0]);
    reach_xpu(times, &classes[1], low, &fronts[1]);
  }
  amount[0] = low - fronts[0].pim;
  amount[1] = fronts[1].xpu > low ? fronts[1].xpu - low : 0;
}

// The last place of a bin that takes at most `amount` of Logic-PIM's time (of_pim), or off the xPU's, of its
// experts; and the next place, if there is one. `last`: the last cut. Returns how many places there are.
static inline uint32_t places_at(uint32_t knee, uint32_t last, uint32_t experts, const struct front *front,
                                 struct schedule_cut_times cuts, uint32_t amount, bool of_pim,
                                 struct place places[WINDOW]) {
  const uint32_t *time = of_pim ? cuts.pim : cuts.xpu;
  const uint32_t to_knee = of_pim ? time[knee] : time[0] - time[knee];
  uint32_t low = 0;
  uint32_t high = knee ? knee : last;
  if (knee && amount >= experts * to_knee) {
    amount -= experts * to_knee;
    low = knee;
    high = last;
  }
  const uint32_t base = time[low];
  const uint32_t each = of_pim ? time[high] - base : base - time[high];
  uint32_t full = each ? amount / each : 0;
  uint32_t cut = low;
  const bool all = full >= experts;
  if (all) {
    full = experts - 1;
    cut = high;
  } else {
    const uint32_t rest = amount - full * each;
    while (cut + 1 < high && (of_pim ? time[cut + 1] - base : base - time[cut + 1]) <= rest) cut++;
  }
  const uint32_t pim_low = cuts.pim[low];
  const uint32_t xpu_low = cuts.xpu[low];
  const uint32_t pim =
      front->pim + experts * pim_low + full * (cuts.pim[high] - pim_low) + (cuts.pim[cut] - pim_low);
  const uint32_t xpu = front->xpu - experts * (cuts.xpu[0] - xpu_low) - full * (xpu_low - cuts.xpu[high]) -
                       (xpu_low - cuts.xpu[cut]);
  places[0] = (struct place){{full, high, cut, low}, pim, xpu};
  if (all) return 1;
  places[1] = (struct place){{full, high, cut + 1, low},
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
static uint32_t places_of(const struct schedule_times *times, struct schedule_class *class,
                          const struct front *front, uint32_t amount, bool of_pim,
                          uint32_t marginal[2][SCHEDULE_CUTS], struct place places[WINDOW]) {
  if (!schedule_has_bin(times, class, front->bin)) return behind_all(front, places);
  const struct schedule_bin *bin = &class->bins[front->bin];
  const struct schedule_population *population = &class->population[bin->rank >> SCHEDULE_POPULATION];
  const struct schedule_cut_times cuts = schedule_cut_times(
      times, population->counted, bin->rank % (1u << SCHEDULE_POPULATION), population->piece, marginal);
  return places_at(times->knee[population->piece], population->cuts, bin->experts, front, cuts, amount,
                   of_pim, places);
}

// The front behind all bins of a class.
SCHEDULE_RARELY static struct front end_of(const struct schedule_times *times, struct schedule_class *class) {
  struct front front = front_of(class);
  while (schedule_has_bin(times, class, front.bin)) step(class, &front);
  return front;
}

static uint32_t phases(uint32_t first_pim, uint32_t first_xpu, uint32_t second_pim, uint32_t second_xpu) {
  return duplex_larger(first_pim, second_xpu) + duplex_larger(second_pim, first_xpu);
}

// Logic-PIM has nothing, or one class whole and nothing of the other, if that is shorter than `least`: where
// there are few bins, the places around the fronts may be far from it. `ends`: of the classes. Fronts go to
// where it is.
static void choose_ends(const struct front starts[2], const struct front ends[2], uint32_t least,
                        struct front fronts[2], struct place places[2][WINDOW + 1], struct place *chosen[2]) {
  const struct front *shortest[2] = {NULL, NULL};
  for (uint32_t i = 0; i < 3; i++) {
    const struct front *first = i == 1 ? &ends[0] : &starts[0];
    const struct front *second = i == 2 ? &ends[1] : &starts[1];
    const uint32_t total = phases(first->pim, first->xpu, second->pim, second->xpu);
    if (total >= least) continue;
    least = total;
    shortest[0] = first;
    shortest[1] = second;
  }
  for (uint32_t q = 0; q < 2 && shortest[q]; q++) {
    fronts[q] = *shortest[q];
    behind_all(shortest[q], &places[q][WINDOW]);
    chosen[q] = &places[q][WINDOW];
  }
}

// The pair of places with the shortest phases, which it returns.
static uint32_t choose(const uint32_t count[2], struct place places[2][WINDOW + 1], struct place *chosen[2]) {
  uint32_t least = UINT32_MAX;
  for (struct place *x = places[0]; x < places[0] + count[0]; x++)
    for (struct place *y = places[1]; y < places[1] + count[1]; y++) {
      const uint32_t total = phases(x->pim, x->xpu, y->pim, y->xpu);
      if (total >= least) continue;
      least = total;
      chosen[0] = x;
      chosen[1] = y;
    }
  return least;
}

// True if an end may be shorter than `least`, none of which is shorter than what the xPU takes for one of the
// classes; asked for where there are few bins, or the xPU alone takes less.
static bool ends_may_be_shorter(const struct front starts[2], bool few, uint32_t least) {
  return least > duplex_smaller(starts[0].xpu, starts[1].xpu) &&
         (few || least > starts[0].xpu + starts[1].xpu);
}

// The rank from which on the experts of a population are behind the front in that bin.
SCHEDULE_RARELY static uint32_t first_behind(const struct schedule_bin *bins, uint32_t bin,
                                             uint32_t population) {
  while (bin-- > 0)
    if (bins[bin].rank >> SCHEDULE_POPULATION == population)
      return bins[bin].rank % (1u << SCHEDULE_POPULATION) + 1;
  return 0;
}

// The cuts of a population of a class, whose front is in that bin, by the share of its place.
static void set_cuts(const struct schedule_class *class, uint32_t index, uint32_t bin,
                     struct schedule_share *share, struct schedule_cuts *cuts) {
  const struct schedule_population *population = &class->population[index];
  const uint32_t rank = class->bins[bin].rank;  // that of the last one, which is none, is in no population
  cuts->whole = population->cuts;
  if (rank >> SCHEDULE_POPULATION == index) {
    schedule_set_cuts(cuts, population->whose, rank % (1u << SCHEDULE_POPULATION), share);
  } else {
    schedule_set_cuts(cuts, population->whose, first_behind(class->bins, bin, index), NULL);
  }
}

// From both fronts and places to the cuts of all experts.
static void write_cuts(const struct schedule_times *times, const struct schedule_class classes[2],
                       const struct front fronts[2], struct place *const chosen[2], const uint8_t *ranks,
                       struct schedule_decision *decision) {
  struct schedule_cuts cuts[SCHEDULE_PIECES];
  for (uint32_t q = 0; q < times->placement.pieces; q++) schedule_clear_cuts(&cuts[q]);
  for (uint32_t q = 0; q < 2; q++)
    for (uint32_t i = 0; i < classes[q].populations; i++)
      set_cuts(&classes[q], i, fronts[q].bin, &chosen[q]->share, &cuts[classes[q].population[i].piece]);
  for (uint32_t q = 0; q < times->placement.pieces; q++)
    schedule_write_cuts(&cuts[q], ranks, times->shape.experts, decision->cut[q]);
}

static void set_times(struct place *const chosen[2], struct schedule_decision *decision) {
  for (uint32_t q = 0; q < 2; q++) {
    decision->owned[q] = q ? 12 : 3;
    decision->pim[q] = chosen[q]->pim;
    decision->xpu[q] = chosen[q]->xpu;
  }
}

// Halves: moves both fronts, whose bins are the ranks of all experts, to where both sides take equally long
// in all. `amount`: what Logic-PIM takes of the bin there; `cuts`: its times.
static void meet(const struct schedule_times *times, struct schedule_work *work, struct front fronts[2],
                 uint32_t amount[2], struct schedule_cut_times cuts[2]) {
  const struct schedule_counted *counted = &work->counted[0];
  const uint32_t last[2] = {times->placement.parts[0], times->placement.parts[1]};
  struct front a = fronts[0];
  struct front b = fronts[1];
  for (; a.bin < counted->ranks; a.bin++) {
    const uint32_t rank = counted->rank[a.bin];
    const uint32_t experts = schedule_rank_experts(counted, rank);
    cuts[0] = schedule_cut_times(times, counted, rank, 0, work->marginal[0]);
    cuts[1] = schedule_cut_times(times, counted, rank, 1, work->marginal[1]);
    const uint32_t a_pim = cuts[0].pim[last[0]];
    const uint32_t a_relief = cuts[0].xpu[0] - cuts[0].xpu[last[0]];
    const uint32_t b_pim = cuts[1].pim[last[1]];
    const uint32_t b_relief = cuts[1].xpu[0] - cuts[1].xpu[last[1]];
    const uint32_t left = a.xpu + b.xpu - a.pim - b.pim;
    const uint32_t each = a_pim + a_relief + b_pim + b_relief;
    const uint32_t taken = left / each;
    const uint32_t rest = left - taken * each;
    if (taken < experts) {
      amount[0] = taken * a_pim + share(rest, each, a_pim);
      amount[1] = taken * b_pim + share(rest, each, b_pim);
      break;
    }
    a.pim += experts * a_pim;
    a.xpu -= experts * a_relief;
    b.pim += experts * b_pim;
    b.xpu -= experts * b_relief;
  }
  fronts[0] = a;
  fronts[1] = (struct front){a.bin, b.pim, b.xpu};
}

// The front behind all halves in a pair of bundles. Called, so that the firmware is no longer for it.
__attribute__((noinline)) static void end_of_halves(const struct schedule_times *times,
                                                    struct schedule_work *work, uint32_t q,
                                                    struct front *front) {
  const struct schedule_counted *counted = &work->counted[0];
  const uint32_t last = times->placement.parts[q];
  uint32_t bin = 0;
  uint32_t pim = 0;
  uint32_t xpu = counted->xpu[q];
  for (; bin < counted->ranks; bin++) {
    const uint32_t rank = counted->rank[bin];
    const uint32_t experts = schedule_rank_experts(counted, rank);
    const struct schedule_cut_times cuts = schedule_cut_times(times, counted, rank, q, work->marginal[q]);
    pim += experts * cuts.pim[last];
    xpu -= experts * (cuts.xpu[0] - cuts.xpu[last]);
  }
  *front = (struct front){bin, pim, xpu};
}

// The least time of halves, which are counted: both fronts are in the same bin.
static void best_of_halves(const struct schedule_times *times, struct schedule_work *work,
                           struct schedule_decision *decision) {
  const struct schedule_counted *counted = &work->counted[0];
  struct place places[2][WINDOW + 1], *chosen[2];
  struct schedule_cut_times cuts[2];
  uint32_t tried[2], amount[2];
  const struct front starts[2] = {{0, 0, counted->xpu[0]}, {0, 0, counted->xpu[1]}};
  struct front fronts[2] = {starts[0], starts[1]};
  meet(times, work, fronts, amount, cuts);
  for (uint32_t q = 0; q < 2; q++)
    tried[q] = fronts[q].bin == counted->ranks
                   ? behind_all(&fronts[q], places[q])
                   : places_at(0, times->placement.parts[q],
                               schedule_rank_experts(counted, counted->rank[fronts[q].bin]), &fronts[q],
                               cuts[q], amount[q], true, places[q]);
  const uint32_t least = choose(tried, places, chosen);
  const bool few = counted->ranks <= FEW_HALVES || times->shape.experts <= FEW_EXPERTS;
  if (ends_may_be_shorter(starts, few, least)) {
    struct front ends[2];
    for (uint32_t q = 0; q < 2; q++) end_of_halves(times, work, q, &ends[q]);
    choose_ends(starts, ends, least, fronts, places, chosen);
  }
  set_times(chosen, decision);
  for (uint32_t q = 0; q < 2; q++) {
    const uint32_t bin = fronts[q].bin;
    struct schedule_cuts written;
    schedule_clear_cuts(&written);
    written.whole = times->placement.parts[q];
    if (bin < counted->ranks) {
      schedule_set_cuts(&written, SCHEDULE_ALL, counted->rank[bin], &chosen[q]->share);
    } else {
      schedule_set_cuts(&written, SCHEDULE_ALL, bin ? counted->rank[bin - 1] + 1u : 0, NULL);
    }
    schedule_write_cuts(&written, work->rank, times->shape.experts, decision->cut[q]);
  }
}

// The least time of pieces in pairs of bundles: both classes' places are tried, the best two become cuts.
static void best_of_pairs(const struct schedule_times *times, const uint16_t *counts,
                          struct schedule_work *work, struct schedule_decision *decision) {
  struct schedule_class classes[2];
  struct place places[2][WINDOW + 1], *chosen[2];
  uint32_t tried[2], amount[2];
  schedule_pairs(times, counts, work, classes);
  const struct front starts[2] = {front_of(&classes[0]), front_of(&classes[1])};
  struct front fronts[2] = {starts[0], starts[1]};
  find_span(times, classes, fronts, amount);
  for (uint32_t q = 0; q < 2; q++)
    tried[q] = places_of(times, &classes[q], &fronts[q], amount[q], q == 0, work->marginal[q], places[q]);
  const uint32_t least = choose(tried, places, chosen);
  if (ends_may_be_shorter(starts, classes[0].all <= FEW_PAIRS, least)) {
    const struct front ends[2] = {end_of(times, &classes[0]), end_of(times, &classes[1])};
    choose_ends(starts, ends, least, fronts, places, chosen);
  }
  set_times(chosen, decision);
  write_cuts(times, classes, fronts, chosen, work->rank, decision);
}

// Experts over all bundles, or in pairs of them.
static void best_of_pieces(const struct schedule_times *times, const uint16_t *counts,
                           struct schedule_work *work, struct schedule_decision *decision) {
  const struct schedule_placement *placement = &times->placement;
  if (placement->layout == SCHEDULE_STRIPED) {
    schedule_turns(times, counts, decision);
  } else if (placement->layout == SCHEDULE_ALTERNATE && placement->parts[0] == 1 &&
             times->shape.experts <= SCHEDULE_FEW) {
    schedule_few(times, counts, decision);
  } else {
    best_of_pairs(times, counts, work, decision);
  }
}

void schedule_best(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                   struct schedule_decision *decision) {
  const uint32_t layout = times->placement.layout;
  if (layout < SCHEDULE_HALVED) {
    best_of_pieces(times, counts, work, decision);
    return;
  }
  schedule_count_all(times, counts, work);
  if (layout == SCHEDULE_HALVED) {
    best_of_halves(times, work, decision);
  } else {
    schedule_replicated(times, work, decision);
  }
}
