// SPDX-License-Identifier: Apache-2.0
// What one stage takes: all layers of a model, for the requests that are in it.
#ifndef SERVING_STAGE_H
#define SERVING_STAGE_H

#include "duplex/random.h"
#include "serving/experts.h"
#include "serving/imbalance.h"
#include "serving/measured.h"
#include "serving/profile.h"

// Sums over the prompts, or chunks of them, that a stage computes: attention of each one alone, seconds of a
// layer.
struct prefills {
  unsigned ends;  // of prompts: a row of the LM head each
  double tokens, seconds, bytes, macs;
};

// The requests of one node in a stage.
struct node_load {
  unsigned decoding;
  double positions;  // K and V that the decoding sequences read, of all of them
  struct prefills prefill;
};

struct stage_model {
  const struct machine *machine;
  const struct serving_model *model;
  struct experts *experts;  // NULL: dense, or mode FULL with tables, whose are
  struct measured *measured;
  struct profile *profile;      // NULL: formulas
  struct imbalance *imbalance;  // NULL: all experts are as popular
  struct duplex_random random;
  unsigned counts[4096];
};

// Returns 0 or a code, with a line in `error`. Machine and model stay the caller's. machine->copies of
// each expert is what there is room for, and then what was chosen (placement.h).
int stage_open(struct stage_model *stage, struct machine *machine, const struct serving_model *model,
               const struct serving_options *options, char *error, size_t size);
void stage_close(struct stage_model *stage);

// Adds to what a node does so many tokens of a prompt, behind those whose K and V are there; `ends`: the last
// ones.
void stage_add_prefill(const struct stage_model *stage, struct node_load *node, unsigned before,
                       unsigned tokens, bool ends);

// loads[n] of machine->nodes.
void stage_run(struct stage_model *stage, const struct node_load *loads, struct serving_cost *cost);

void stage_add_cost(struct serving_cost *sum, const struct serving_cost *cost);

#endif
