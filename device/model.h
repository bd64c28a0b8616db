// SPDX-License-Identifier: Apache-2.0
// What the tables of time tell of a layer before it runs.
#ifndef DEVICE_MODEL_H
#define DEVICE_MODEL_H

#include "device/run.h"

// Fills in the predicted times of the statistics, from the decision, the table of times, and the costs beside
// it.
void model_predict(struct moe_run *run);

#endif
