// SPDX-License-Identifier: Apache-2.0
// Whether the bits of a model's logits depend on anything but its tokens: the same requests again under other
// batches, orders, chunks, policies, numbers of stacks and back ends, compared row by row.
#ifndef MODEL_INVARIANCE_H
#define MODEL_INVARIANCE_H

#include "model/generation.h"

// One way of running the requests.
struct invariance_way {
  const char *name;
  struct network_options network;  // without observers
  size_t batch, chunk;             // as struct generation_options
  bool shares_prefix;              // likewise
  bool ignore_end_tokens;          // likewise
  uint64_t order;                  // 0: as given; otherwise shuffled by this seed
  size_t companions;               // other requests beside them, which are not compared
  size_t new_tokens;               // of a request at most; 0: all of its own
};

// Where a way first differs from the first one.
struct invariance_difference {
  uint64_t request;
  size_t position;
  unsigned layer;  // the model's number of layers: the logits
  unsigned unit;   // 0: attention, 1: FFN
};

struct invariance_result {
  uint64_t hash;                            // of all logits of the requests, in their order
  uint64_t expected;                        // that of the first way, of no more tokens than this one's
  bool same;                                // each row as that of the first way
  struct invariance_difference difference;  // if they are not
  struct generation_statistics statistics;
  uint64_t rows;  // compared with the first way
};

struct invariance;

// For requests of which each number is its place; they are run greedily or by their samplers, and stay the
// caller's. NULL: too little memory.
struct invariance *invariance_new(const struct model *model, const struct generation_request *requests,
                                  size_t count);
void invariance_free(struct invariance *invariance);  // NULL: nothing

// Runs the requests in one way; the first call makes the rows that later ones are compared with. Errors:
// those of network_open and generation_run.
int invariance_run(struct invariance *invariance, const struct invariance_way *way,
                   struct invariance_result *result, struct model_error *error);

#endif
