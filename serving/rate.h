// SPDX-License-Identifier: Apache-2.0
// The highest rate of requests of which enough are good.
#ifndef SERVING_RATE_H
#define SERVING_RATE_H

#include "serving/serving.h"

// Searches the highest options->rate, within 1 in 200, at which at least `share` of the measured requests are
// within the limits of the options, and gives its result; 0 and the result of the least rate tried if none
// does. Returns 0 or a code of serving_run.
int serving_find_rate(const struct serving_options *options, double share, double *rate,
                      struct serving_result *result, char *error, size_t size);

#endif
