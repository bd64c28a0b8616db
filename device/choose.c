// SPDX-License-Identifier: Apache-2.0
// Chooses how the sums of a layer come together: by what the tables of time predict.
#include "device/charges.h"
#include "device/model.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define XPU_BEAT 32u  // bytes of a channel's pins in a clock

// Tokens of each expert in the expected layer: as many as of the others, or one more.
static void spread(struct moe_run *run) {
  const size_t experts = run->moe->shape.experts;
  const size_t wanted = run->device->options.expected_pairs;
  const size_t pairs = wanted ? wanted : experts;
  for (size_t e = 0; e < experts; e++)
    run->counts[e] = run->dispatch.count[e] =
        (uint16_t)duplex_smaller(pairs / experts + (e < pairs % experts), RUN_TOKENS_MOST);
}

// Clocks of the expected layer as it is placed now, with the launches of its phases.
static uint64_t predict(const struct duplex_moe *moe, struct moe_run *run) {
  struct duplex_moe_stats stats = {0};
  run->moe = moe;
  run_decide(run);
  model_predict(run, &stats);
  const unsigned phases = (unsigned)__builtin_popcount(run_phases(run)) * moe->stages;
  return stats.predicted + phases * charges_launch(run);
}

// Clocks in which the xPU reads the exact sums of so many pairs of every piece.
static uint64_t clocks_of_sums(const struct duplex_moe *moe, const struct moe_run *run) {
  uint64_t pairs = 0;
  for (size_t e = 0; e < moe->shape.experts; e++) pairs += run->counts[e];
  const uint64_t bytes = 16 * moe->shape.hidden * pairs * (moe->pieces / moe->turns);
  return bytes / (XPU_BEAT * moe->times.shape.channels);
}

// Whether gathering can pay: it needs two phases more, and their launches.
static bool worth_measuring(const struct duplex_moe *moe, const struct moe_run *run) {
  return moe->device->stacks > 1 && clocks_of_sums(moe, run) > STAGE_PHASES * charges_launch(run);
}

int moe_choose(struct duplex_moe *moe, const struct duplex_moe_form *form) {
  const enum duplex_partials wanted = moe->device->options.partials;
  if (wanted != DUPLEX_PARTIALS_AUTO) return moe_place(moe, form, wanted);
  struct moe_run run = {.device = moe->device, .moe = moe};
  uint16_t counts[DUPLEX_EXPERTS_MOST];
  run.dispatch.count = counts;
  spread(&run);
  int error = moe_place(moe, form, DUPLEX_PARTIALS_ACC);
  if (error || !worth_measuring(moe, &run)) return error;
  const uint64_t sums = predict(moe, &run);
  error = moe_place(moe, form, DUPLEX_PARTIALS_GATHERED);
  if (error && error != DUPLEX_ERROR_ARGUMENT) return error;
  if (!error && predict(moe, &run) < sums) return DUPLEX_OK;
  moe->device->error_text[0] = 0;
  return moe_place(moe, form, DUPLEX_PARTIALS_ACC);
}
