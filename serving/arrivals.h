// SPDX-License-Identifier: Apache-2.0
// Requests: lengths and times of arrival, by seed.
#ifndef SERVING_ARRIVALS_H
#define SERVING_ARRIVALS_H

#include "duplex/random.h"
#include "serving/serving.h"

struct request {
  double arrival, first;   // seconds; of the first token
  unsigned input, output;  // tokens
  unsigned generated;      // so far
  uint64_t number;         // in order of arrival
  const uint64_t *hashes;  // of the parts of its prompt, in a file that has them
  unsigned hash_count;
};

struct arrivals {
  const struct serving_options *options;
  struct duplex_random random;
  double next;      // time of the next arrival, open loop
  uint64_t number;  // of requests so far
};

void arrivals_start(struct arrivals *arrivals, const struct serving_options *options);

// The next request; `now` is its arrival in a closed loop.
struct request arrivals_take(struct arrivals *arrivals, double now);

// Exponential with mean 1, by comparisons of uniform numbers alone (von Neumann 1951).
double arrivals_exponential(struct duplex_random *random);

#endif
