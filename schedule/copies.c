// SPDX-License-Identifier: Apache-2.0
// Where an expert that lies twice may be cut: for each number of parts the ends with which samples of layers
// lose least.
//
// In a sample one expert is cut, and all others are whole on either side. Of two ends next to each other, the
// one before the place where both sides would take equally long and the one behind it, the better one is
// taken. So a sample loses by the part alone that has this place, and the least sum for each number of parts
// follows from those for one part fewer.
#include "duplex/arithmetic.h"
#include "schedule/place.h"

#define PLACES 128u  // for ends of parts
#define GROUPS 40u   // of the expert that is cut; one with more is divided by its tokens
#define OTHERS 15u   // samples with other experts, for each number of groups
#define SAMPLES (GROUPS * (OTHERS + 1))
// Weights: of a lone expert, spread over the experts of the layer; of numbers of groups, as numbers of tokens
// are by their logarithm, those up to 8 as three octaves, and powers of two, as batches are, twice.
#define LONE 16u
#define OCTAVE 12u
#define FEW_TOKENS 3u
#define BATCH 2u
#define SQUARE 128u  // what is lost, in parts of PLACE_SCALE, whose square counts as much as itself

// An expert with a number of groups: Logic-PIM's time of the columns before each place, and the xPU's of
// those behind it.
struct expert {
  uint64_t pim[PLACES + 1], xpu[PLACES + 1], bound;
};

// What the other experts take on both sides, and the least time with one cut anywhere.
struct sample {
  const struct expert *expert;
  uint64_t pim, xpu, least;
  uint32_t weight, next;
};

// first: by the place from which on Logic-PIM takes no less than the xPU, a list that ends with sample 0.
struct samples {
  struct expert expert[GROUPS];
  struct sample sample[1 + SAMPLES];
  uint32_t count, places, step;
  uint32_t first[PLACES + 1];
};

// The least sums for so many parts up to a place, and where the last of them begins.
struct least {
  uint64_t loss[SCHEDULE_PARTS + 1][PLACES + 1];
  uint32_t from[SCHEDULE_PARTS + 1][PLACES + 1];
};

// Columns before a place.
static uint32_t columns_at(const struct schedule_shape *shape, const struct samples *samples,
                           uint32_t place) {
  return (uint32_t)duplex_smaller(place * samples->step, formula_slice(shape));
}

static void fill_expert(const struct schedule_shape *shape, const struct samples *samples, uint32_t groups,
                        struct expert *expert) {
  const uint32_t slice = formula_slice(shape);
  const uint32_t last = samples->places;
  expert->pim[0] = 0;
  expert->xpu[0] = formula_xpu_clocks(shape, slice, groups);
  for (uint32_t place = 1; place <= last; place++) {
    const uint32_t columns = columns_at(shape, samples, place);
    const uint64_t pim = formula_prefix_clocks(shape, slice, columns, groups, SCHEDULE_BUNDLES - 1);
    expert->pim[place] = duplex_larger_u64(pim, expert->pim[place - 1]);
    expert->xpu[place] = formula_xpu_clocks(shape, slice - columns, groups);
  }
  expert->bound = expert->pim[last] * expert->xpu[0] / (expert->pim[last] + expert->xpu[0]) + 1;
}

static void add_sample(struct samples *samples, const struct expert *expert, uint64_t pim, uint64_t xpu,
                       uint32_t weight) {
  uint32_t place = 1;
  while (expert->pim[place] + pim < expert->xpu[place] + xpu) place++;
  const uint64_t least = duplex_smaller_u64(expert->xpu[place - 1] + xpu, expert->pim[place] + pim);
  samples->sample[++samples->count] = (struct sample){expert, pim, xpu, least, weight, samples->first[place]};
  samples->first[place] = samples->count;
}

static uint32_t weight_of(uint32_t groups) {
  const uint32_t often = groups == 1 ? FEW_TOKENS : groups & (groups - 1) ? 1 : BATCH;
  return duplex_divide_up(OCTAVE, groups) * often;
}

// A lone expert; and, in a layer of more, with others that make it equally likely to be cut anywhere.
static void add_samples(const struct schedule_shape *shape, uint32_t groups, struct samples *samples) {
  struct expert *expert = &samples->expert[groups - 1];
  const uint32_t weight = weight_of(groups);
  fill_expert(shape, samples, groups, expert);
  const uint64_t whole = expert->pim[samples->places];
  add_sample(samples, expert, 0, 0, weight * duplex_divide_up(LONE, shape->experts));
  for (uint32_t i = 0; i < OTHERS && shape->experts > 1; i++)
    add_sample(samples, expert, (whole + expert->xpu[0]) * (2 * i + 1) / (2 * OTHERS), whole, weight);
}

static void make_samples(const struct schedule_shape *shape, struct samples *samples) {
  const uint32_t slice = formula_slice(shape);
  const uint32_t unit = schedule_cut_unit(shape->channels);
  samples->step = duplex_divide_up(duplex_divide_up(slice, unit), PLACES) * unit;
  samples->places = duplex_divide_up(slice, samples->step);
  samples->count = 0;
  for (uint32_t place = 0; place <= PLACES; place++) samples->first[place] = 0;
  for (uint32_t groups = 1; groups <= GROUPS; groups++) add_samples(shape, groups, samples);
}

// What is lost if a part has all columns between these places.
static uint64_t part_loss(const struct samples *samples, uint32_t from, uint32_t to) {
  uint64_t sum = 0;
  for (uint32_t place = from + 1; place <= to; place++)
    for (uint32_t i = samples->first[place]; i; i = samples->sample[i].next) {
      const struct sample *s = &samples->sample[i];
      const uint64_t time = duplex_smaller_u64(s->expert->xpu[from] + s->xpu, s->expert->pim[to] + s->pim);
      const uint64_t excess = (time - s->least) * PLACE_SCALE / s->expert->bound;
      sum += s->weight * (excess + excess * excess / SQUARE);
    }
  return sum;
}

static void find_least(const struct samples *samples, struct least *least) {
  for (uint32_t parts = 0; parts <= SCHEDULE_PARTS; parts++)
    for (uint32_t place = 0; place <= samples->places; place++)
      least->loss[parts][place] = parts || place ? UINT64_MAX : 0;
  for (uint32_t to = 1; to <= samples->places; to++)
    for (uint32_t from = 0; from < to; from++) {
      const uint64_t loss = part_loss(samples, from, to);
      for (uint32_t parts = 1; parts <= SCHEDULE_PARTS && parts <= to; parts++) {
        const uint64_t before = least->loss[parts - 1][from];
        if (before == UINT64_MAX || before + loss >= least->loss[parts][to]) continue;
        least->loss[parts][to] = before + loss;
        least->from[parts][to] = from;
      }
    }
}

uint32_t place_copies(const struct schedule_shape *shape, struct schedule_placement found[SCHEDULE_PARTS]) {
  struct samples samples;
  struct least least;
  make_samples(shape, &samples);
  find_least(&samples, &least);
  const uint32_t most = (uint32_t)duplex_smaller(samples.places, SCHEDULE_PARTS);
  for (uint32_t parts = 1; parts <= most; parts++) {
    struct schedule_placement *placement = &found[parts - 1];
    uint32_t to = samples.places;
    *placement = (struct schedule_placement){.layout = SCHEDULE_REPLICATED, .pieces = 1, .parts = {parts}};
    for (uint32_t part = parts; part > 0; part--) {
      const uint32_t from = least.from[part][to];
      placement->width[0][part - 1] = columns_at(shape, &samples, to) - columns_at(shape, &samples, from);
      to = from;
    }
  }
  return most;
}
