// SPDX-License-Identifier: Apache-2.0
// The paper's scheduler: every request in flight gets a token a stage, a prompt is computed whole, and K and
// V have their place until the end of the request.
#include <stdlib.h>

#include "serving/scheduler.h"

struct stage_scheduler {
  struct scheduler base;
  struct scheduler_nodes nodes;
  unsigned batch, count;  // most requests in flight; those that are
  unsigned of_node[];     // that are placed
};

static double kv_of(const struct stage_scheduler *s, const struct request *r) {
  return ((double)r->input + r->output) * s->nodes.kv_token;
}

static bool takes(const struct scheduler *base, const struct request *request) {
  const struct stage_scheduler *s = (const struct stage_scheduler *)base;
  return s->count < s->batch && base->kv_used + kv_of(s, request) <= s->nodes.kv_capacity;
}

static void enter(struct scheduler *base, const struct request *request) {
  struct stage_scheduler *s = (struct stage_scheduler *)base;
  s->count++;
  base->kv_used += kv_of(s, request);
}

static void leave(struct scheduler *base, const struct request *request) {
  struct stage_scheduler *s = (struct stage_scheduler *)base;
  s->count--;
  base->kv_used -= kv_of(s, request);
}

static unsigned emptiest_node(const struct stage_scheduler *s) {
  unsigned least = 0;
  for (unsigned n = 1; n < s->nodes.nodes; n++)
    if (s->of_node[n] < s->of_node[least]) least = n;
  return least;
}

// K and V of what was generated before are taken to be there.
static void place(struct scheduler *base, struct sequence *sequence) {
  struct stage_scheduler *s = (struct stage_scheduler *)base;
  sequence->node = emptiest_node(s);
  s->of_node[sequence->node]++;
  if (sequence->request.generated > 0) sequence->computed = sequence_length(sequence) - 1;
  TAILQ_INSERT_TAIL(&base->running, sequence, link);
}

static void plan(struct scheduler *base) {
  struct sequence *s;
  TAILQ_FOREACH(s, &base->running, link) s->scheduled = sequence_length(s) - s->computed;
}

static void release(struct scheduler *base, struct sequence *sequence) {
  struct stage_scheduler *s = (struct stage_scheduler *)base;
  TAILQ_REMOVE(&base->running, sequence, link);
  s->of_node[sequence->node]--;
}

static void close_stage(struct scheduler *base) { free(base); }

struct scheduler *scheduler_stage_open(const struct serving_options *options,
                                       const struct scheduler_nodes *nodes) {
  static const struct scheduler_ops ops = {"stage", takes, enter, leave, place, plan, release, close_stage};
  struct stage_scheduler *s = calloc(1, sizeof *s + nodes->nodes * sizeof *s->of_node);
  if (!s) return NULL;
  s->base.ops = &ops;
  TAILQ_INIT(&s->base.running);
  TAILQ_INIT(&s->base.waiting);
  s->nodes = *nodes;
  s->batch = options->batch;
  return &s->base;
}
