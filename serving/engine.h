// SPDX-License-Identifier: Apache-2.0
// The events of a run: requests come, schedulers plan steps, and tokens come behind what these take.
#ifndef SERVING_ENGINE_H
#define SERVING_ENGINE_H

#include "serving/stage.h"
#include "serving/tally.h"

// Nodes that step together, and what is theirs for K and V.
struct engine_nodes {
  struct stage_model *stage;
  double kv_capacity;  // bytes
};

// Where requests are: on some nodes, or first on those that prefill and then on those that decode. `wires`:
// each node that prefills sends one prompt after another.
struct engine_plan {
  struct engine_nodes nodes[2];
  unsigned count;
  bool wires;
};

// Runs warm-up and measurement. Stages of a closed loop are those of the nodes on which a request of the mean
// length ends. Returns 0 or a code, with a line in `error`.
int engine_run(const struct serving_options *options, const struct engine_plan *plan, struct tally *tally,
               char *error, size_t size);

#endif
