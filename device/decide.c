// SPDX-License-Identifier: Apache-2.0
// Who runs which expert of a layer, by the policy of the device.
#include "device/decide.h"

#include "device/charges.h"

// `best` where its decision pays, or one side alone.
static enum schedule_policy best_of(const struct moe_run *run) {
  if (run->device->options.always_decide) return SCHEDULE_BEST;
  return schedule_worthwhile(&run->moe->worth, (uint32_t)run->dispatch.pairs, charges_decision_of(run));
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

void run_decide_by(struct moe_run *run, enum schedule_policy policy) {
  const struct duplex_moe *moe = run->moe;
  schedule_divide(policy, &moe->charged, run->dispatch.count, moe->work, &run->decision);
  for (unsigned i = 0; i < moe->stages; i++)
    run->groups[i] = moe->stages == 1
                         ? run->decision.groups
                         : schedule_stage_groups(&moe->stage[i].charged, run->dispatch.count, &run->decision);
}

void run_decide(struct moe_run *run) { run_decide_by(run, policy_of(run)); }
