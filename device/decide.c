// SPDX-License-Identifier: Apache-2.0
// Who runs which expert of a layer, by the policy of the device.
#include "device/decide.h"

#include "device/charges.h"
#include "device/model.h"
#include "duplex/arithmetic.h"

void run_decide_by(struct moe_run *run, enum schedule_policy policy) {
  const struct duplex_moe *moe = run->moe;
  schedule_divide(policy, &moe->charged, run->dispatch.count, moe->work, &run->decision);
  for (unsigned i = 0; i < moe->stages; i++)
    run->groups[i] = moe->stages == 1
                         ? run->decision.groups
                         : schedule_stage_groups(&moe->stage[i].charged, run->dispatch.count, &run->decision);
}

struct moe_run run_expected(const struct duplex_moe *moe, uint16_t *counts) {
  struct moe_run run = {
      .device = moe->device, .moe = moe, .stage = moe->stage, .dispatch = {.count = counts}};
  for (size_t e = 0; e < moe->shape.experts; e++) {
    run.counts[e] = counts[e];
    run.tokens = duplex_larger(run.tokens, counts[e]);
    run.dispatch.pairs += counts[e];
  }
  return run;
}

uint64_t run_predict(struct moe_run *run, unsigned *phases) {
  struct duplex_moe_stats stats = {0};
  model_predict(run, &stats);
  *phases = (unsigned)__builtin_popcount(run_phases(run)) * run->moe->stages;
  return stats.predicted;
}

static uint64_t predict_under(void *context, enum schedule_policy policy, uint16_t *counts) {
  const struct duplex_moe *moe = context;
  struct moe_run run = run_expected(moe, counts);
  unsigned phases;
  run_decide_by(&run, policy);
  const uint64_t clocks = run_predict(&run, &phases);
  return clocks + phases * charges_launch(&run);
}

static struct schedule_ways ways_of(const struct duplex_moe *moe) {
  return (struct schedule_ways){&moe->charged, predict_under, (void *)moe};
}

void run_weigh(struct duplex_moe *moe) {
  const struct moe_run run = {.device = moe->device, .moe = moe};
  const struct schedule_ways ways = ways_of(moe);
  schedule_weigh(&ways, (uint32_t)charges_launch(&run), &moe->worth);
}

// `best` where its decision pays, or one side alone.
static enum schedule_policy best_of(const struct moe_run *run) {
  const struct schedule_ways ways = ways_of(run->moe);
  if (run->device->options.always_decide) return SCHEDULE_BEST;
  return schedule_worthwhile(&run->moe->worth, &ways, run->dispatch.count, charges_decision_of(run));
}

// The schedule's policy for where the weights lie.
static enum schedule_policy policy_of(const struct moe_run *run) {
  switch (run->device->options.policy) {
    case DUPLEX_POLICY_PAPER:
      return run->moe->turns > 1 ? SCHEDULE_SPACES : SCHEDULE_TURNS;
    case DUPLEX_POLICY_LOGIC_PIM:
      return SCHEDULE_PIM;
    case DUPLEX_POLICY_XPU:
      return SCHEDULE_XPU;
    default:
      return best_of(run);
  }
}

void run_decide(struct moe_run *run) { run_decide_by(run, policy_of(run)); }
