// SPDX-License-Identifier: Apache-2.0
// What the tables of time tell of a layer before it runs.
#ifndef DEVICE_MODEL_H
#define DEVICE_MODEL_H

#include "device/run.h"

// Fills in the predicted times of the statistics, which are 0, from the decision, the tables of time, and the
// costs beside them. The run's stage is the first one then.
void model_predict(struct moe_run *run, struct duplex_moe_stats *stats);

#endif
