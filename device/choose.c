// SPDX-License-Identifier: Apache-2.0
// Chooses how a layer is done: how its sums come together, and how many copies of its experts there are, by
// what the tables of time predict.
#include <string.h>

#include "device/charges.h"
#include "device/model.h"
#include "device/tables.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define XPU_BEAT 32u  // bytes of a channel's pins in a clock
// Two ways whose times by formulas differ by more than one part in so many are not both measured: the
// formulas are off by less (docs/schedule.md, "Formulas").
#define FORMULA_ERROR 40u
#define JOB_CLOCKS 300u  // a job of Logic-PIM, by the formulas

// Pairs of the expected layer, and the tokens of each expert: as many as of the others, or one more.
static size_t expect(const struct duplex_moe *moe, uint16_t counts[DUPLEX_EXPERTS_MOST]) {
  const size_t experts = moe->shape.experts;
  const size_t wanted = moe->device->options.expected_pairs;
  const size_t pairs = duplex_smaller(wanted ? wanted : experts, RUN_TOKENS_MOST * experts);
  for (size_t e = 0; e < experts; e++) counts[e] = (uint16_t)(pairs / experts + (e < pairs % experts));
  return pairs;
}

// The run of such a layer, which has as many tokens as its largest expert at least.
static struct moe_run run_of(const struct duplex_moe *moe, uint16_t *counts) {
  struct moe_run run = {
      .device = moe->device, .moe = moe, .stage = moe->stage, .dispatch = {.count = counts}};
  for (size_t e = 0; e < moe->shape.experts; e++) {
    run.counts[e] = counts[e];
    run.tokens = duplex_larger(run.tokens, counts[e]);
    run.dispatch.pairs += counts[e];
  }
  return run;
}

// The decision, and the launches of so many phases, of which the first goes on beside it.
static uint64_t decision_and_launches(const struct moe_run *run, unsigned phases) {
  return charges_decide(run) + charges_first_launch(run) + (phases - 1) * charges_launch(run);
}

// The layer as it is decided, without the decision and the launches, of which there are *phases.
static uint64_t predict_run(struct moe_run *run, unsigned *phases) {
  struct duplex_moe_stats stats = {0};
  model_predict(run, &stats);
  *phases = (unsigned)__builtin_popcount(run_phases(run)) * run->moe->stages;
  return stats.predicted;
}

uint64_t moe_predict(const struct duplex_moe *moe, uint16_t *counts) {
  struct moe_run run = run_of(moe, counts);
  unsigned phases;
  run_decide(&run);
  const uint64_t clocks = predict_run(&run, &phases);
  return clocks + decision_and_launches(&run, phases);
}

static uint64_t predict_under(void *context, enum schedule_policy policy, uint16_t *counts) {
  const struct duplex_moe *moe = context;
  struct moe_run run = run_of(moe, counts);
  unsigned phases;
  run_decide_by(&run, policy);
  const uint64_t clocks = predict_run(&run, &phases);
  return clocks + (uint64_t)phases * moe->worth.launch;
}

void moe_weigh(struct duplex_moe *moe) {
  const struct moe_run run = {.device = moe->device, .moe = moe};
  schedule_weigh((uint32_t)moe->shape.experts, (uint32_t)charges_launch(&run), predict_under, moe,
                 &moe->worth);
}

// Clocks of so many bytes of every token on a channel of each stack.
static uint32_t clocks_of(const struct schedule_shape *shape, uint64_t bytes) {
  return (uint32_t)((bytes + XPU_BEAT * shape->channels - 1) / (XPU_BEAT * shape->channels));
}

// What moves for a group of 8 tokens and for 1 to 8, and a job: x and exact or rounded sums; or x, products
// and h of both stages together.
static void fill_costs(const struct duplex_moe *moe, struct schedule_costs *costs) {
  const struct schedule_shape *shape = &moe->times.shape;
  const bool gathered = moe->stages > 1;
  const uint64_t inner = shape->inner;
  const uint64_t h = gathered ? 2 * inner : 0;
  const uint64_t products = (4 * (1 + shape->gated) * inner + 4 * (uint64_t)shape->hidden) / shape->stacks;
  const uint64_t sums[SCHEDULE_FORMATS] = {[SCHEDULE_EXACT] = 16 * (uint64_t)shape->hidden,
                                           [SCHEDULE_ROUNDED] = gathered ? products : 4 * shape->hidden};
  costs->job = moe->stages * JOB_CLOCKS;
  costs->tokens = clocks_of(shape, DUPLEX_LANES * (2 * (uint64_t)shape->hidden + h));
  for (unsigned format = 0; format < SCHEDULE_FORMATS; format++)
    for (unsigned tokens = 1; tokens <= DUPLEX_LANES; tokens++)
      costs->sums[format][tokens] = clocks_of(shape, tokens * sums[format]);
}

// With the decision and the launches, under a policy.
static uint64_t estimate_under(struct moe_run *run, enum schedule_policy policy) {
  const struct moe_stage *stage = run->stage;
  struct schedule_phase phases[STAGE_PHASES];
  struct schedule_prediction prediction;
  run_decide_by(run, policy);
  schedule_phases(&stage->times, stage->format, run->dispatch.count, &run->decision, phases);
  schedule_predict(&stage->times.costs[SCHEDULE_OF_PIECE], stage->format, phases, &prediction);
  const unsigned launched =
      (schedule_phase_works(&phases[0]) + schedule_phase_works(&phases[1])) * run->moe->stages;
  return prediction.total + decision_and_launches(run, launched);
}

// By formulas: the decision is made by their table. Where h is gathered the table of whole experts tells of
// both stages together. The memory of `moe` is used; its tables are those of the formulas afterwards.
uint64_t moe_estimate(struct duplex_moe *moe, uint16_t *counts) {
  struct schedule_times *measured = &moe->stage->times;
  schedule_formula(&moe->times.shape, &moe->times.placement, measured);
  fill_costs(moe, &measured->costs[SCHEDULE_OF_PIECE]);
  schedule_seal(measured);
  if (!schedule_charge(measured, moe->stage->format, &moe->charged)) return UINT64_MAX;
  struct moe_run run = run_of(moe, counts);
  const uint64_t best = estimate_under(&run, SCHEDULE_BEST);
  if (moe->device->options.always_decide) return best;
  return duplex_smaller(best, estimate_under(&run, SCHEDULE_ALONE));
}

// Whether gathering can pay: the xPU needs longer for the exact sums of so many pairs than for the launches
// of the two phases that it has more.
static bool gathering_can_pay(const struct duplex_moe *moe, size_t pairs) {
  const struct moe_run run = {.device = moe->device, .moe = moe};
  const uint64_t bytes = (uint64_t)16 * moe->shape.hidden * pairs * moe->times.placement.pieces;
  const uint64_t sums = bytes / (XPU_BEAT * moe->times.shape.channels);
  return moe->device->stacks > 1 && sums > STAGE_PHASES * charges_launch(&run);
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
  const int error = moe_lay_out(moe, form, (struct moe_way){partials, 2});
  *can = !error && moe->way.copies > 1;
  if (error || options->copies || !*can) return error;
  const size_t largest = RUN_TOKENS_MOST * moe->shape.experts;  // that a layer takes
  const size_t most = options->most_pairs ? duplex_smaller(options->most_pairs, largest) : pairs;
  return moe_has_room(moe, layers_to_come(moe), most, can);
}

// The numbers of copies with which such a layer may take the least time, as bits; by formulas where both may
// be.
static int copies_to_try(struct duplex_moe *moe, const struct duplex_moe_form *form,
                         enum duplex_partials partials, unsigned *tried) {
  uint16_t counts[DUPLEX_EXPERTS_MOST];
  const size_t pairs = expect(moe, counts);
  bool can;
  int error = can_copy(moe, form, partials, pairs, &can);
  *tried = can ? 2 : 1;
  if (error || !can || moe->device->options.copies) return error;
  const unsigned from_file = tables_from_file(moe->device, form, partials == DUPLEX_PARTIALS_F32);
  if (from_file && partials != DUPLEX_PARTIALS_GATHERED) {
    *tried = from_file;
    return DUPLEX_OK;
  }
  const uint64_t two = moe_estimate(moe, counts);
  error = moe_lay_out(moe, form, (struct moe_way){partials, 1});
  if (error) return error;
  const uint64_t one = moe_estimate(moe, counts);
  *tried = (one < two || one - two <= two / FORMULA_ERROR) | (two < one || two - one <= one / FORMULA_ERROR)
                                                                 << 1;
  return DUPLEX_OK;
}

// The best way so far, and the clocks that it is predicted to take.
struct best {
  struct moe_way way;
  uint64_t clocks;
};

// Takes the ways with these sums that are better, by measured tables.
static int consider(struct duplex_moe *moe, const struct duplex_moe_form *form, enum duplex_partials partials,
                    struct best *best) {
  uint16_t counts[DUPLEX_EXPERTS_MOST];
  unsigned tried;
  int error = copies_to_try(moe, form, partials, &tried);
  expect(moe, counts);
  for (unsigned copies = 1; copies <= 2 && !error; copies++) {
    if (!(tried >> (copies - 1) & 1)) continue;
    error = moe_place(moe, form, (struct moe_way){partials, copies});
    const uint64_t clocks = error ? UINT64_MAX : moe_predict(moe, counts);
    if (clocks < best->clocks) *best = (struct best){moe->way, clocks};
  }
  return error;
}

int moe_choose(struct duplex_moe *moe, const struct duplex_moe_form *form) {
  const enum duplex_partials wanted = moe->device->options.partials;
  const bool chooses = wanted == DUPLEX_PARTIALS_AUTO;
  uint16_t counts[DUPLEX_EXPERTS_MOST];
  struct best best = {.clocks = UINT64_MAX};
  int error = consider(moe, form, chooses ? DUPLEX_PARTIALS_ACC : wanted, &best);
  if (error) return error;
  if (chooses && gathering_can_pay(moe, expect(moe, counts))) {
    error = consider(moe, form, DUPLEX_PARTIALS_GATHERED, &best);
    if (error && error != DUPLEX_ERROR_ARGUMENT) return error;
    moe->device->error_text[0] = 0;  // that a time is too long for the tables of products
  }
  return moe_place(moe, form, best.way);
}

int moe_choose_copies(struct duplex_device *device, const struct duplex_moe_form *form, unsigned *copies) {
  for (const struct duplex_moe *layer = device->layers; layer; layer = layer->next)
    if (memcmp(&layer->shape, &form->shape, sizeof form->shape) == 0 && layer->gated == form->gated) {
      *copies = layer->way.copies;
      return DUPLEX_OK;
    }
  struct duplex_moe *moe = moe_new(device, form);
  if (!moe) return device_no_memory(device);
  const int error = moe_choose(moe, form);
  *copies = moe->way.copies;
  moe_free(moe);
  return error;
}
