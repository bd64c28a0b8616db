// SPDX-License-Identifier: Apache-2.0
// The highest rate of requests of which enough are good: between two powers of two, then halved.
//
// Low rates take longest, as their stages have few tokens. So the search begins with all requests at once,
// which is the quickest run, and goes on at the rate that the system then serves.
#include "serving/rate.h"

#include <stdio.h>

#include "duplex/error.h"

#define STEPS 20u  // powers of two above the least rate
#define NEAR 1.005

struct search {
  const struct serving_options *options;
  double share;
  serving_on_run *on_run;
  unsigned runs;
  struct serving_result *result;
  double served;  // requests a second of the last run
  char *error;
  size_t size;
};

static double power_rate(unsigned step) { return SERVING_RATE_LEAST * (double)(1u << step); }

// Runs at a rate. The result becomes this run's if it keeps the limits, or is at the least rate, and has the
// stages of all runs.
static int try_rate(struct search *s, double rate, bool *keeps) {
  struct serving_options o = *s->options;
  struct serving_result tried;
  o.rate = rate;
  s->runs++;
  if (s->on_run) s->on_run(s->runs, rate);
  const int status = serving_run(&o, &tried, s->error, s->size);
  const uint64_t stages = s->result->all_stages + tried.all_stages;
  *keeps = !status && tried.good >= s->share * tried.requests;
  if (*keeps || rate == SERVING_RATE_LEAST) *s->result = tried;
  s->result->all_stages = stages;
  s->served = !status && tried.seconds > 0 ? tried.requests / tried.seconds : 0;
  return status;
}

// All requests at once break the limits, or there is nothing to search. *step: of the rate that is served.
static int try_all(struct search *s, unsigned *step) {
  bool keeps;
  const int status = try_rate(s, power_rate(STEPS), &keeps);
  *step = 0;
  while (*step + 1 < STEPS && power_rate(*step + 1) <= s->served) ++*step;
  if (status || !keeps) return status;
  snprintf(
      s->error, s->size,
      "%u requests keep the limits at each rate up to %g a second: expected lower limits, or more requests",
      s->options->measured, power_rate(STEPS));
  return DUPLEX_ERROR_ARGUMENT;
}

// The first power of two that breaks the limits, 0 to STEPS, from a step below STEPS on: by strides that
// double until one is on the other side, then halved.
static int find_power(struct search *s, unsigned from, unsigned *step) {
  int keeps_at = -1;
  int breaks_at = STEPS;
  int at = (int)from;
  int stride = 1;
  int status = DUPLEX_OK;
  while (!status && breaks_at - keeps_at > 1) {
    bool keeps;
    status = try_rate(s, power_rate((unsigned)at), &keeps);
    *(keeps ? &keeps_at : &breaks_at) = at;
    const bool between = keeps_at >= 0 && breaks_at < (int)STEPS;
    at = keeps ? keeps_at + stride : breaks_at - stride;
    if (between || at <= keeps_at || at >= breaks_at) at = (keeps_at + breaks_at) / 2;
    stride *= 2;
  }
  *step = (unsigned)breaks_at;
  return status;
}

int serving_find_rate(const struct serving_options *options, double share, serving_on_run *on_run,
                      double *rate, struct serving_result *result, char *error, size_t size) {
  struct search search = {
      .options = options, .share = share, .on_run = on_run, .result = result, .error = error, .size = size};
  unsigned step;
  *result = (struct serving_result){0};
  *rate = 0;
  int status = try_all(&search, &step);
  if (!status) status = find_power(&search, step, &step);
  if (status || step == 0) return status;
  double low = power_rate(step - 1);
  double high = power_rate(step);
  while (!status && high > low * NEAR) {
    bool keeps;
    const double middle = (low + high) / 2;
    status = try_rate(&search, middle, &keeps);
    *(keeps ? &low : &high) = middle;
  }
  *rate = low;
  return status;
}
