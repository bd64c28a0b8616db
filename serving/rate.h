// SPDX-License-Identifier: Apache-2.0
// The highest rate of requests of which enough are good.
#ifndef SERVING_RATE_H
#define SERVING_RATE_H

#include "serving/serving.h"

#define SERVING_RATE_LEAST 0.0625  // requests a second: the lowest rate that is tried

// Searches the highest options->rate, within 1 in 200, at which at least `share` of the measured requests are
// within the limits of the options, and gives its result; 0 and the result of the least rate if none does;
// `all_stages` are those of all runs. `on_run` is told the number of each run, from 1 on, and its rate before
// it begins; it may be NULL. Returns 0 or a code of serving_run; DUPLEX_ERROR_ARGUMENT if no rate breaks the
// limits, up to 65536 a second.
typedef void serving_on_run(unsigned run, double rate);
int serving_find_rate(const struct serving_options *options, double share, serving_on_run *on_run,
                      double *rate, struct serving_result *result, char *error, size_t size);

#endif
