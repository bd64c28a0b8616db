// SPDX-License-Identifier: Apache-2.0
// The highest rate of requests of which enough are good: doubled, then halved in between.
#include "serving/rate.h"

#include <stdio.h>

#include "duplex/error.h"

#define MOST 65536.0
#define NEAR 1.005

// Runs at a rate. The result becomes this run's if it keeps the limits, or is the first one, and has the
// stages of all runs.
static int try_rate(const struct serving_options *options, double share, double rate,
                    struct serving_result *result, bool *keeps, char *error, size_t size) {
  struct serving_options o = *options;
  struct serving_result tried;
  o.rate = rate;
  const int status = serving_run(&o, &tried, error, size);
  const uint64_t stages = result->all_stages + tried.all_stages;
  *keeps = !status && tried.good >= share * tried.requests;
  if (*keeps || rate == SERVING_RATE_LEAST) *result = tried;
  result->all_stages = stages;
  return status;
}

int serving_find_rate(const struct serving_options *options, double share, double *rate,
                      struct serving_result *result, char *error, size_t size) {
  double low = 0, high = SERVING_RATE_LEAST;
  bool keeps = true;
  *result = (struct serving_result){0};
  int status = try_rate(options, share, high, result, &keeps, error, size);
  while (!status && keeps && high < MOST) {
    low = high;
    high *= 2;
    status = try_rate(options, share, high, result, &keeps, error, size);
  }
  const bool keeps_all = keeps;  // the search's own end is no result
  while (!status && !keeps_all && low > 0 && high > low * NEAR) {
    const double middle = (low + high) / 2;
    status = try_rate(options, share, middle, result, &keeps, error, size);
    *(keeps ? &low : &high) = middle;
  }
  *rate = low;
  if (status || !keeps_all) return status;
  snprintf(
      error, size,
      "%u requests keep the limits at each rate up to %g a second: expected lower limits, or more requests",
      options->measured, MOST);
  return DUPLEX_ERROR_ARGUMENT;
}
