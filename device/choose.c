// SPDX-License-Identifier: Apache-2.0
// Chooses how the sums of a layer come together: by what the tables of time predict.
#include "device/charges.h"
#include "device/model.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define XPU_BEAT 32u  // bytes of a channel's pins in a clock

// Pairs of the expected layer, and the tokens of each expert: as many as of the others, or one more.
static size_t expect(const struct duplex_moe *moe, uint16_t counts[DUPLEX_EXPERTS_MOST]) {
  const size_t experts = moe->shape.experts;
  const size_t wanted = moe->device->options.expected_pairs;
  const size_t pairs = duplex_smaller(wanted ? wanted : experts, RUN_TOKENS_MOST * experts);
  for (size_t e = 0; e < experts; e++) counts[e] = (uint16_t)(pairs / experts + (e < pairs % experts));
  return pairs;
}

uint64_t moe_predict(const struct duplex_moe *moe, uint16_t *counts) {
  struct moe_run run = {.device = moe->device, .moe = moe, .dispatch = {.count = counts}};
  struct duplex_moe_stats stats = {0};
  for (size_t e = 0; e < moe->shape.experts; e++) run.counts[e] = counts[e];
  run_decide(&run);
  model_predict(&run, &stats);
  const unsigned phases = (unsigned)__builtin_popcount(run_phases(&run)) * moe->stages;
  return stats.predicted + phases * charges_launch(&run);
}

// Whether gathering can pay: the xPU needs longer for the exact sums of so many pairs than for the launches
// of the two phases that it has more.
static bool worth_measuring(const struct duplex_moe *moe, size_t pairs) {
  const struct moe_run run = {.device = moe->device, .moe = moe};
  const uint64_t bytes = (uint64_t)16 * moe->shape.hidden * pairs * (moe->pieces / moe->turns);
  const uint64_t sums = bytes / (XPU_BEAT * moe->times.shape.channels);
  return moe->device->stacks > 1 && sums > STAGE_PHASES * charges_launch(&run);
}

int moe_choose(struct duplex_moe *moe, const struct duplex_moe_form *form) {
  const enum duplex_partials wanted = moe->device->options.partials;
  if (wanted != DUPLEX_PARTIALS_AUTO) return moe_place(moe, form, wanted);
  uint16_t counts[DUPLEX_EXPERTS_MOST];
  const size_t pairs = expect(moe, counts);
  int error = moe_place(moe, form, DUPLEX_PARTIALS_ACC);
  if (error || !worth_measuring(moe, pairs)) return error;
  const uint64_t sums = moe_predict(moe, counts);
  error = moe_place(moe, form, DUPLEX_PARTIALS_GATHERED);
  if (error && error != DUPLEX_ERROR_ARGUMENT) return error;
  if (!error && moe_predict(moe, counts) < sums) return DUPLEX_OK;
  moe->device->error_text[0] = 0;  // that a time is too long for the tables of products
  return moe_place(moe, form, DUPLEX_PARTIALS_ACC);
}
