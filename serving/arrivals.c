// SPDX-License-Identifier: Apache-2.0
// Requests: lengths and times of arrival.
#include "serving/arrivals.h"

#include <math.h>

// A run of falling uniform numbers has an odd length with probability exp(-u) for its first one, u. Each run
// of even length adds 1.
double arrivals_exponential(struct duplex_random *random) {
  for (double whole = 0;; whole += 1) {
    const double first = duplex_random_unit(random);
    double last = first;
    unsigned length = 1;
    for (double next; (next = duplex_random_unit(random)) < last; last = next) length++;
    if (length % 2) return whole + first;
  }
}

// mean (1 + deviation z), rounded, at least 1 and at most twice the mean, which keeps the mean.
static unsigned length_of(struct arrivals *a, unsigned mean) {
  if (a->options->deviation == 0) return mean;
  const double value = floor(mean * (1 + a->options->deviation * duplex_random_normal(&a->random)) + 0.5);
  return value < 1 ? 1 : value > 2.0 * mean ? 2 * mean : (unsigned)value;
}

void arrivals_start(struct arrivals *a, const struct serving_options *options) {
  *a = (struct arrivals){.options = options};
  duplex_random_seed(&a->random, options->seed, 0);
  if (options->rate > 0) a->next = arrivals_exponential(&a->random) / options->rate;
}

// Behind the last request of a file none comes.
static struct request take_traced(struct arrivals *a) {
  const struct serving_trace *trace = a->options->trace;
  const struct serving_trace_request last = {.arrival = INFINITY, .input = 1, .output = 1};
  const struct serving_trace_request *next = a->number < trace->count ? &trace->list[a->number] : &last;
  return (struct request){.arrival = next->arrival,
                          .input = next->input,
                          .output = next->output,
                          .number = a->number++,
                          .hashes = next->hash_count ? trace->hashes + next->hash : NULL,
                          .hash_count = next->hash_count};
}

struct request arrivals_take(struct arrivals *a, double now) {
  if (a->options->trace) return take_traced(a);
  const bool open = a->options->rate > 0;
  const struct request request = {.arrival = open ? a->next : now,
                                  .input = length_of(a, a->options->input),
                                  .output = length_of(a, a->options->output),
                                  .number = a->number++};
  if (open) a->next += arrivals_exponential(&a->random) / a->options->rate;
  return request;
}
