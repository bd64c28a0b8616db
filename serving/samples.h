// SPDX-License-Identifier: Apache-2.0
// Samples with weights, and their exact percentiles.
#ifndef SERVING_SAMPLES_H
#define SERVING_SAMPLES_H

#include "serving/serving.h"

struct sample {
  double value;
  double weight;
};
struct samples {
  struct sample *list;
  size_t count, room;
};

// Returns 0 or DUPLEX_ERROR_NO_MEMORY.
int samples_add(struct samples *samples, double value, double weight);

// Sorts. A percentile is the least value that so many of all have or stay below: no interpolation.
struct serving_percentiles samples_percentiles(struct samples *samples);

void samples_free(struct samples *samples);

#endif
