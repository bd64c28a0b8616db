// SPDX-License-Identifier: Apache-2.0
// Schedulers by their number, and what is common to them.
#include "serving/scheduler.h"

#include <math.h>
#include <stdlib.h>

typedef struct scheduler *open_function(const struct serving_options *, const struct scheduler_nodes *);

struct scheduler *scheduler_open(const struct serving_options *options, const struct scheduler_nodes *nodes) {
  static open_function *const open[] = {
      [SERVING_STAGES] = scheduler_stage_open, [SERVING_VLLM] = scheduler_vllm_open};
  return open[options->scheduler](options, nodes);
}

void sequences_free(struct sequences *list) {
  for (struct sequence *s; (s = TAILQ_FIRST(list));) {
    TAILQ_REMOVE(list, s, link);
    free(s);
  }
}

void scheduler_close(struct scheduler *s) {
  if (!s) return;
  sequences_free(&s->running);
  sequences_free(&s->waiting);
  s->ops->close(s);
}

double scheduler_longest(const struct serving_options *options, const struct scheduler_nodes *n) {
  const double positions = n->kv_capacity / n->nodes / n->kv_token;
  if (options->scheduler == SERVING_STAGES) return positions;
  return floor(positions / options->block_size) * options->block_size;
}
