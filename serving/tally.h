// SPDX-License-Identifier: Apache-2.0
// What is measured of a run: stages, tokens, waits.
#ifndef SERVING_TALLY_H
#define SERVING_TALLY_H

#include "serving/arrivals.h"
#include "serving/samples.h"

struct tally {
  const struct serving_options *options;
  struct serving_result *result;
  struct samples tbt, t2ft, e2e;
  int error;          // the first one: too little memory
  bool prefill_half;  // what is told is of the devices that only prefill
};

// A stage that took `cost` and has ended `now`, in which so many sequences got a token behind another one,
// and `weight` of them count for TBT.
void tally_stage(struct tally *tally, const struct serving_cost *cost, unsigned decoding, unsigned prefills,
                 double weight, double now);
// A token of a request behind its last one, that many seconds later.
void tally_gap(struct tally *tally, double seconds);
// The first token of a request.
void tally_first(struct tally *tally, const struct request *request);
// Its last one; `whole`: it came in the run, and did not begin in the middle of its output.
void tally_end(struct tally *tally, const struct request *request, bool whole, double now);

// Percentiles and rates into the result; frees the samples. Returns the first error.
int tally_close(struct tally *tally);

#endif
