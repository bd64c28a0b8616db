// SPDX-License-Identifier: Apache-2.0
// Tokens of each expert of a layer, when each token chooses distinct experts uniformly.
#ifndef SERVING_ROUTING_H
#define SERVING_ROUTING_H

#include <stdbool.h>

#include "duplex/random.h"

#define ROUTING_EXPERTS 4096u
#define ROUTING_TOP_K 64u

// counts[e] of `experts`; they add up to tokens * top_k. With few tokens each one is drawn; with many, the
// counts are drawn from the normal distribution that has their means, variances and covariances.
void routing_draw(struct duplex_random *random, unsigned tokens, unsigned experts, unsigned top_k,
                  unsigned *counts);

// Whether a token has chosen the expert already.
bool routing_is_among(const unsigned *chosen, unsigned count, unsigned expert);
// Whether counts are drawn, and not tokens.
bool routing_is_many(unsigned tokens, unsigned experts, unsigned top_k);
// Takes `over` off the sum of the counts, by ones, from a random expert on; experts with a share of 0 (NULL:
// none) get none more.
void routing_settle(struct duplex_random *random, unsigned tokens, unsigned experts, const double *share,
                    long over, unsigned *counts);

#endif
