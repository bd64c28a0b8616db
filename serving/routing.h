// SPDX-License-Identifier: Apache-2.0
// Tokens of each expert of a layer, when each token chooses distinct experts uniformly.
#ifndef SERVING_ROUTING_H
#define SERVING_ROUTING_H

#include "duplex/random.h"

#define ROUTING_EXPERTS 4096u
#define ROUTING_TOP_K 64u

// counts[e] of `experts`; they add up to tokens * top_k. With few tokens each one is drawn; with many, the
// counts are drawn from the normal distribution that has their means, variances and covariances.
void routing_draw(struct duplex_random *random, unsigned tokens, unsigned experts, unsigned top_k,
                  unsigned *counts);

#endif
