// SPDX-License-Identifier: Apache-2.0
// Predicts a layer's times: sums of what its experts add, and what each job and transfer takes besides.
#include "device/model.h"

void model_predict(struct moe_run *run) {
  const struct duplex_moe *moe = run->moe;
  struct duplex_moe_stats *stats = &run->device->stats;
  struct schedule_phase phases[DUPLEX_PHASES];
  struct schedule_prediction prediction;
  schedule_phases(&moe->times, moe->format, run->dispatch.count, &run->decision, phases);
  schedule_predict(schedule_costs_of(&moe->times, &run->decision), moe->format, phases, &prediction);
  for (unsigned i = 0; i < DUPLEX_PHASES; i++) {
    stats->predicted_logic_pim[i] = prediction.pim[i];
    stats->predicted_xpu[i] = prediction.xpu[i];
  }
  stats->predicted = prediction.total;
}
