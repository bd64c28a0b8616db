// SPDX-License-Identifier: Apache-2.0
// Chooses how a layer is done: how its sums come together, and how many copies of its experts there are, by
// what the tables of time predict.
#include "device/charges.h"
#include "device/decide.h"
#include "device/measure.h"
#include "device/tables.h"
#include "device/xpu_works.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define PLACEMENTS 3u  // one copy, two, one over all bundles
#define WAYS (2 * PLACEMENTS)
// Ways that take longer than the fastest one by more than one part in so many, by formulas, and so many
// clocks, are not measured: what jobs and transfers begin with is more than the formulas have.
#define FORMULA_ERROR 14u
#define FORMULA_CLOCKS 1000u

#define EXPECTED 16u  // layers that a way is predicted for

// Pairs of a layer that is expected.
static size_t expected_pairs(const struct duplex_moe *moe) {
  const size_t experts = moe->shape.experts;
  const size_t wanted = moe->device->options.expected_pairs;
  return duplex_smaller(wanted ? wanted : experts, RUN_TOKENS_MOST * experts);
}

// The decision, and the launches of so many phases, of which the first goes on beside it.
static uint64_t decision_and_launches(const struct moe_run *run, unsigned phases) {
  return charges_decide(run) + charges_first_launch(run) + (phases - 1) * charges_launch(run);
}

static uint64_t predict_whole(struct moe_run *run) {
  unsigned phases;
  const uint64_t clocks = run_predict(run, &phases);
  return clocks + decision_and_launches(run, phases);
}

uint64_t moe_predict(const struct duplex_moe *moe, uint16_t *counts) {
  const struct duplex_device_options *options = &moe->device->options;
  struct moe_run run = run_expected(moe, counts);
  if (options->policy != DUPLEX_POLICY_BEST) {
    run_decide(&run);
    return predict_whole(&run);
  }
  run_decide_by(&run, SCHEDULE_BEST);
  const uint64_t best = predict_whole(&run);
  if (options->always_decide) return best;
  run_decide_by(&run, SCHEDULE_XPU_ALONE);
  const uint64_t xpu = predict_whole(&run);
  run_decide_by(&run, SCHEDULE_PIM_ALONE);
  return duplex_smaller(best, duplex_smaller(xpu, predict_whole(&run)));
}

// One layer that is spread evenly would not do: its experts may happen to balance where those of others do
// not.
uint64_t moe_predict_expected(const struct duplex_moe *moe) {
  uint64_t clocks = 0;
  for (unsigned i = 0; i < EXPECTED; i++) {
    uint16_t counts[DUPLEX_EXPERTS_MOST];
    schedule_expect((uint32_t)moe->shape.experts, (uint32_t)expected_pairs(moe), i, counts);
    clocks += moe_predict(moe, counts);
  }
  return clocks / EXPECTED;
}

// Layers that are to have two copies if this one has: those that are not there yet.
static size_t layers_to_come(const struct duplex_moe *moe) {
  size_t there = 0;
  for (const struct duplex_moe *layer = moe->device->layers; layer; layer = layer->next)
    there += layer->way.copies > 1;
  const size_t all = moe->device->options.moe_layers;
  return all > there ? all - there : 1;
}

// Whether a second copy can be had and can pay: the schedule has a use for it, the device is free to take it
// and has room, or is told to. The layer is laid out with it then.
static int can_copy(struct duplex_moe *moe, const struct duplex_moe_form *form, enum duplex_partials partials,
                    size_t pairs, bool *can) {
  const struct duplex_device_options *options = &moe->device->options;
  *can = false;
  if (options->copies == 1 || options->policy != DUPLEX_POLICY_BEST) return DUPLEX_OK;
  const int error = moe_lay_out(moe, form, (struct moe_way){partials, 2, false});
  *can = !error && moe->way.copies > 1;
  if (error || options->copies || !*can) return error;
  const size_t largest = RUN_TOKENS_MOST * moe->shape.experts;  // that a layer takes
  const size_t most = options->most_pairs ? duplex_smaller(options->most_pairs, largest) : pairs;
  return moe_has_room(moe, layers_to_come(moe), most, can);
}

// What is to be tried: ways, and the clocks that each is predicted to take.
struct candidates {
  struct moe_way way[WAYS];
  uint64_t clocks[WAYS];
  unsigned count;
  int none;     // why the last way that is none cannot be had; 0: all can
  bool slower;  // the xPU tells of longer times than the formulas have
};

// Whether the xPU tells of a longer time for an expert with so many tokens. Errors: those of its estimate.
static int compare_xpu(const struct duplex_moe *moe, unsigned tokens, bool *slower) {
  const struct schedule_times *times = &moe->times;
  const unsigned groups = schedule_groups(tokens);
  uint64_t told;
  const int error =
      device_xpu_expert_clocks(moe->device->xpu, moe->device->clock_khz, groups * DUPLEX_LANES,
                               times->shape.hidden, times->shape.inner, times->shape.gated, &told);
  *slower = *slower || told > (uint64_t)SCHEDULE_TIME(times, groups, whole) * times->clocks_per_unit;
  return device_xpu_note(moe->device, "estimate", error);
}

// Adds a way, by formulas, unless there is no room for it or its times are too long for a table: then it is
// none, whose text the device has, and nothing was measured for it.
static int add(struct duplex_moe *moe, const struct duplex_moe_form *form, struct moe_way way,
               struct candidates *candidates) {
  const size_t experts = moe->shape.experts;
  int error = moe_lay_out(moe, form, way);
  if (!error) error = moe_need_room(moe);
  if (!error) error = moe_use_formulas(moe);
  if (error == MEASURE_TOO_LONG || error == DUPLEX_ERROR_OUT_OF_SPACE) {
    candidates->none = error;
    return DUPLEX_OK;
  }
  if (error) return error;
  candidates->way[candidates->count] = moe->way;
  candidates->clocks[candidates->count++] = moe_predict_expected(moe);
  return compare_xpu(moe, (unsigned)((expected_pairs(moe) + experts - 1) / experts), &candidates->slower);
}

// Placements of these sums that may be chosen, as the bits of tables_from_file. The one for a side alone is
// none where every layer is decided. A file with the table of one of them decides for that.
static int find_placements(struct duplex_moe *moe, const struct duplex_moe_form *form,
                           enum duplex_partials partials, unsigned *placements) {
  const struct duplex_device_options *options = &moe->device->options;
  bool two;
  const int error = can_copy(moe, form, partials, expected_pairs(moe), &two);
  const bool one = !two || !options->copies;
  const bool alone = one && options->policy == DUPLEX_POLICY_BEST && !options->always_decide;
  *placements = (unsigned)one | (unsigned)two << 1 | (unsigned)alone << 2;
  if (error || __builtin_popcount(*placements) == 1) return error;
  const unsigned from_file =
      *placements & tables_from_file(moe->device, form, partials == DUPLEX_PARTIALS_F32);
  if (__builtin_popcount(from_file) == 1) *placements = from_file;
  return DUPLEX_OK;
}

// Adds the ways with these sums.
static int add_placements(struct duplex_moe *moe, const struct duplex_moe_form *form,
                          enum duplex_partials partials, struct candidates *candidates) {
  unsigned placements;
  int error = find_placements(moe, form, partials, &placements);
  for (unsigned i = 0; i < PLACEMENTS && !error; i++)
    if (placements >> i & 1)
      error = add(moe, form, (struct moe_way){partials, i == 1 ? 2 : 1, i == 2}, candidates);
  return error;
}

// Keeps those that may take the least time: the formulas are off by little, unless the xPU is another.
static void keep_near(struct candidates *candidates) {
  uint64_t least = UINT64_MAX;
  unsigned kept = 0;
  if (candidates->slower) return;
  for (unsigned i = 0; i < candidates->count; i++)
    if (candidates->clocks[i] < least) least = candidates->clocks[i];
  for (unsigned i = 0; i < candidates->count; i++)
    if (candidates->clocks[i] - least <= least / FORMULA_ERROR + FORMULA_CLOCKS)
      candidates->way[kept++] = candidates->way[i];
  candidates->count = kept;
}

// The one that is predicted to take the least time by measured tables, of those that fit tables; the first,
// if there is no other.
static int choose_best(struct duplex_moe *moe, const struct duplex_moe_form *form,
                       const struct candidates *candidates, struct moe_way *best) {
  uint64_t least = UINT64_MAX;
  *best = candidates->way[0];
  for (unsigned i = 0; i < candidates->count && candidates->count > 1; i++) {
    const int error = moe_place(moe, form, candidates->way[i]);
    if (error && error != MEASURE_TOO_LONG) return error;
    const uint64_t clocks = error ? UINT64_MAX : moe_predict_expected(moe);
    const uint64_t wins = moe->way.striped ? least / SCHEDULE_STRIPED_GAIN : 0;
    if (clocks < least - wins) {
      least = clocks;
      *best = moe->way;
    }
  }
  moe->device->error_text[0] = 0;
  return DUPLEX_OK;
}

int moe_choose(struct duplex_moe *moe, const struct duplex_moe_form *form) {
  const enum duplex_partials wanted = moe->device->options.partials;
  const bool chooses = wanted == DUPLEX_PARTIALS_AUTO;
  struct candidates candidates = {.count = 0};
  struct moe_way best;
  int error = add_placements(moe, form, chooses ? DUPLEX_PARTIALS_ACC : wanted, &candidates);
  if (!error && chooses && moe->device->stacks > 1)
    error = add_placements(moe, form, DUPLEX_PARTIALS_GATHERED, &candidates);
  if (!error && candidates.count == 0) error = candidates.none;
  if (error) return measure_code(error);
  keep_near(&candidates);
  error = choose_best(moe, form, &candidates, &best);
  if (!error) error = moe_place(moe, form, best);
  if (!error && moe->device->options.policy == DUPLEX_POLICY_BEST) run_weigh(moe);
  return measure_code(error);
}
