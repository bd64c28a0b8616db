// SPDX-License-Identifier: Apache-2.0
// The paper's scheduler: every request in flight gets a token a stage, a prompt is computed whole, and K and
// V have their place on one node until the end of the request. It waits until a node has that.
#include <stdlib.h>

#include "serving/scheduler.h"

struct stage_node {
  unsigned count;  // requests that run
  double kv;       // bytes that they have their place for
};

struct stage_scheduler {
  struct scheduler base;
  struct scheduler_nodes nodes;
  unsigned batch, count;  // most requests in flight; those that are
  struct stage_node node[];
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

// What a request needs on its node; of one that only computes prompts that of the prompt.
static double kv_of_node(const struct stage_scheduler *s, const struct request *r) {
  return s->nodes.prompts_only ? r->input * s->nodes.kv_token : kv_of(s, r);
}

// Of the nodes that have room for so many bytes the one with the fewest requests; NULL: none has.
static struct stage_node *emptiest_node(struct stage_scheduler *s, double kv) {
  const double most = s->nodes.kv_capacity / s->nodes.nodes;
  struct stage_node *least = NULL;
  for (struct stage_node *n = s->node; n < s->node + s->nodes.nodes; n++)
    if (n->kv + kv <= most && (!least || n->count < least->count)) least = n;
  return least;
}

// K and V of what was generated before are taken to be there.
static void place(struct scheduler *base, struct sequence *sequence) {
  if (sequence->request.generated > 0) sequence->computed = sequence_length(sequence) - 1;
  TAILQ_INSERT_TAIL(&base->waiting, sequence, link);
}

// The first one that waits runs from now on; false: no node has room for it.
static bool start(struct stage_scheduler *s, struct sequence *sequence) {
  const double kv = kv_of_node(s, &sequence->request);
  struct stage_node *node = emptiest_node(s, kv);
  if (!node) return false;
  node->count++;
  node->kv += kv;
  sequence->node = (unsigned)(node - s->node);
  TAILQ_REMOVE(&s->base.waiting, sequence, link);
  TAILQ_INSERT_TAIL(&s->base.running, sequence, link);
  return true;
}

// In order of arrival: behind one that finds no room none begins.
static void plan(struct scheduler *base) {
  struct stage_scheduler *scheduler = (struct stage_scheduler *)base;
  struct sequence *s;
  while ((s = TAILQ_FIRST(&base->waiting)) && start(scheduler, s)) continue;
  TAILQ_FOREACH(s, &base->running, link) s->scheduled = sequence_length(s) - s->computed;
}

static void release(struct scheduler *base, struct sequence *sequence) {
  struct stage_scheduler *s = (struct stage_scheduler *)base;
  struct stage_node *node = &s->node[sequence->node];
  TAILQ_REMOVE(&base->running, sequence, link);
  node->count--;
  node->kv -= kv_of_node(s, &sequence->request);
}

static void close_stage(struct scheduler *base) { free(base); }

struct scheduler *scheduler_stage_open(const struct serving_options *options,
                                       const struct scheduler_nodes *nodes) {
  static const struct scheduler_ops ops = {"stage", takes, enter, leave, place, plan, release, close_stage};
  struct stage_scheduler *s = calloc(1, sizeof *s + nodes->nodes * sizeof *s->node);
  if (!s) return NULL;
  s->base.ops = &ops;
  TAILQ_INIT(&s->base.running);
  TAILQ_INIT(&s->base.waiting);
  s->nodes = *nodes;
  s->batch = options->batch;
  return &s->base;
}
