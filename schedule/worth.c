// SPDX-License-Identifier: Apache-2.0
// Whether a decision pays for a layer, and which side has it if not (docs/schedule.md, "Whether a decision
// pays").
//
// Steps of pairs: 0 to 7 are steps of one pair, and each octave from 8 on has eight.
#include "schedule/schedule.h"

#define STEPS_OF_OCTAVE 8u

static uint32_t step_of(uint32_t pairs) {
  uint32_t octave = 0;
  while (pairs >> octave >= 2 * STEPS_OF_OCTAVE) octave++;
  return octave * STEPS_OF_OCTAVE + (pairs >> octave);
}

// The least number of pairs in a step.
static uint32_t first_of(uint32_t step) {
  if (step < STEPS_OF_OCTAVE) return step;
  return (STEPS_OF_OCTAVE + step % STEPS_OF_OCTAVE) << (step / STEPS_OF_OCTAVE - 1);
}

// So many tokens of each expert, or one more.
static void spread(uint32_t pairs, uint32_t experts, uint16_t *counts) {
  for (uint32_t e = 0; e < experts; e++) counts[e] = (uint16_t)(pairs / experts + (e < pairs % experts));
}

void schedule_weigh(uint32_t experts, uint32_t launch, schedule_predictor *predict, void *context,
                    struct schedule_worth *worth) {
  uint16_t counts[SCHEDULE_EXPERTS];
  worth->launch = launch;
  worth->gain[0] = 0;
  worth->alone[0] = SCHEDULE_XPU_ALONE;
  worth->last = step_of(experts * SCHEDULE_GROUPS * 8);
  for (uint32_t step = 1; step <= worth->last; step++) {
    spread((first_of(step) + first_of(step + 1)) / 2, experts, counts);
    const uint64_t best = predict(context, SCHEDULE_BEST, counts);
    const uint64_t xpu = predict(context, SCHEDULE_XPU_ALONE, counts);
    const uint64_t pim = predict(context, SCHEDULE_PIM_ALONE, counts);
    const uint64_t alone = pim < xpu ? pim : xpu;
    worth->alone[step] = pim < xpu ? SCHEDULE_PIM_ALONE : SCHEDULE_XPU_ALONE;
    worth->gain[step] = alone > best ? alone - best : 0;
  }
}

enum schedule_policy schedule_worthwhile(const struct schedule_worth *worth, uint32_t pairs,
                                         uint64_t decision) {
  const uint32_t own = step_of(pairs);
  const uint32_t step = own < worth->last ? own : worth->last;
  const uint64_t cost = decision > worth->launch ? decision - worth->launch : 0;
  return worth->gain[step] > cost ? SCHEDULE_BEST : worth->alone[step];
}
