// SPDX-License-Identifier: Apache-2.0
// What the stages of a full batch are in the mean (docs/serving.md, "Two copies of each expert").
#ifndef SERVING_USUAL_H
#define SERVING_USUAL_H

#include "duplex/random.h"
#include "serving/machine.h"

struct usual {
  double batch;          // requests in flight on all nodes
  double prompts;        // the probability that one of them is in its prompt
  double chunk;          // tokens of a prompt that a stage computes
  double most;           // tokens of a stage
  double decoding_only;  // share of the stages without prompts,
  double mixed;          // and with them; of a split layout each half has its own
  bool apart;            // prompts are computed on devices of their own
};

struct usual usual_of(const struct machine *machine, const struct serving_options *options);

// Tokens of a stage that only decodes, and of one with prompts, of which there are one at least.
unsigned usual_decoding_tokens(const struct usual *usual);
unsigned usual_mixed_tokens(const struct usual *usual, struct duplex_random *random);

#endif
