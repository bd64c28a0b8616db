// SPDX-License-Identifier: Apache-2.0
// The highest rate of requests of which enough are good: doubled, then halved in between.
#include "serving/rate.h"

#define LEAST 0.0625
#define MOST 65536.0
#define NEAR 1.005

static int try_rate(const struct serving_options *options, double share, double rate,
                    struct serving_result *result, bool *keeps, char *error, size_t size) {
  struct serving_options o = *options;
  o.rate = rate;
  const int status = serving_run(&o, result, error, size);
  *keeps = !status && result->good >= share * result->requests;
  return status;
}

int serving_find_rate(const struct serving_options *options, double share, double *rate,
                      struct serving_result *result, char *error, size_t size) {
  double low = 0, high = LEAST;
  bool keeps = true;
  struct serving_result tried;
  int status = try_rate(options, share, high, result, &keeps, error, size);
  while (!status && keeps && high < MOST) {
    low = high;
    high *= 2;
    status = try_rate(options, share, high, &tried, &keeps, error, size);
    if (keeps) *result = tried;
  }
  while (!status && low > 0 && high > low * NEAR) {
    const double middle = (low + high) / 2;
    status = try_rate(options, share, middle, &tried, &keeps, error, size);
    if (keeps) *result = tried;
    *(keeps ? &low : &high) = middle;
  }
  *rate = low;
  return status;
}
