// SPDX-License-Identifier: Apache-2.0
// Chooses the next token from logits (docs/model_numerics.md).
#ifndef MODEL_SAMPLER_H
#define MODEL_SAMPLER_H

#include <stddef.h>

#include "duplex/numerics.h"

struct sampler_options {
  float temperature;  // 0: greedy; otherwise positive and finite
  size_t top_k;       // only the k largest logits; 0: all
  float top_p;        // only the fewest tokens whose weights make this share of all; 0 to 1, 1: all
  uint64_t seed;
};

struct sampler;

// How often a choice reads all logits: for the largest, and for a draw for the sum of the weights and for the
// token too.
static inline unsigned sampler_reads(const struct sampler_options *options) {
  return options->temperature == 0 ? 1 : 3;
}

// For a vocabulary of that size, 1 or more. NULL: too little memory.
struct sampler *sampler_new(size_t vocabulary);
void sampler_free(struct sampler *sampler);  // NULL: nothing

// The token behind `position` of a request. Greedy: the largest logit, of equals the lowest index; NaN ranks
// below all numbers, -0 equals +0. Otherwise a draw that depends on the logits, the options, request and
// position alone.
size_t sampler_choose(struct sampler *sampler, const struct sampler_options *options,
                      const duplex_f32 *logits, uint64_t request, size_t position);

#endif
