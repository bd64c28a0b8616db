// SPDX-License-Identifier: Apache-2.0
// Influence of candidate sequences, a batch of them at a time.
#ifndef INFLUENCE_SCORES_H
#define INFLUENCE_SCORES_H

#include "query.h"

// Candidates one behind the other: activations [tokens, K], gradients [tokens, N].
struct candidates {
  const duplex_f16 *activations, *gradients;
  const int64_t *lengths;
  size_t count;
};

// Times of the three products of a batch: by Q_A, Q_S and the query; of what the xPU does with the elements.
struct batch_times {
  unsigned tokens;
  struct product_times a, s, query;
  uint64_t elements;
};

// scores[i] of candidates first to first + count - 1, whose tokens begin with number `token`. The bits of a
// score do not depend on what else is in the batch, and not on who does the products.
enum status score_batch(struct processors *processors, const struct streams *streams,
                        const struct candidates *candidates, size_t first, size_t count, size_t token,
                        duplex_f32 *scores, struct batch_times *times);

#endif
