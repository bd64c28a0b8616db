// SPDX-License-Identifier: Apache-2.0
// Generates tokens for requests, with continuous batching: a request that ends makes room for the next in the
// following step.
//
// Time is that of the modelled device: a step lasts as long as its parts together. It decides when a request
// that arrives later joins, and nothing else; the tokens of a request do not depend on it.
#ifndef MODEL_GENERATION_H
#define MODEL_GENERATION_H

#include "model/network.h"
#include "model/sampler.h"

struct generation_request {
  uint32_t *prompt;  // [prompt_count]
  size_t prompt_count;
  size_t new_tokens;  // at most
  double arrival;     // seconds of the device's time, 0 to NETWORK_SECONDS_MOST
  uint64_t number;    // what the draws depend on, beside seed and position
  struct sampler_options sampler;

  uint32_t *tokens;  // [token_count], room for new_tokens: the caller's
  size_t token_count;
  bool ended;                      // by an end token, which is the last of `tokens`
  double first_token, last_token;  // seconds of the device's time at the end of their steps
};

struct generation_options {
  size_t batch;  // requests at once, at least 1
  size_t chunk;  // tokens of a prompt in a step; 0: all
  bool ignore_end_tokens;
  // Tokens that several prompts begin with are prefilled, stored and streamed once (model/prefixes.h). The
  // network has to have as many sequences more as there are such prefixes.
  bool shares_prefix;
  // Told of each token as it is chosen, with the logits it was chosen from. NULL: nobody. Not 0: generation
  // ends with this code.
  int (*chosen)(void *context, const struct generation_request *request, const duplex_f32 *logits);
  void *context;
};

// Sums over all steps.
struct generation_statistics {
  size_t steps, prompt_tokens, new_tokens;
  size_t prefixes, prefix_tokens;  // that requests share, and their tokens, each behind its parent's
  size_t saved_tokens;             // of prompts, that were not prefilled again
  // Device's time for these tokens, by what the steps of their prefixes took: once for each request that
  // begins with one, or, at least, once for each step in which requests do; the first time is no gain. And
  // for K and V that decode did not stream again, at network_stream_rate.
  double saved_prefill_most, saved_prefill_least, saved_stream_seconds;
  size_t tokens_from_nan;  // new tokens that were chosen from logits some of which are NaN
  double seconds;          // of the device's time
  struct network_statistics sum;
};

// Runs requests in their order, as they have arrived, until all have ended. Errors: those of network_step and
// network_begin, NO_MEMORY, and the code of `chosen`.
int generation_run(struct network *network, struct generation_request *requests, size_t count,
                   const struct generation_options *options, struct generation_statistics *statistics,
                   struct model_error *error);

#endif
