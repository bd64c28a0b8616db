// SPDX-License-Identifier: Apache-2.0
// A scheduler that does what vLLM's V1 engine documents: a budget of tokens a step, running requests first,
// prompts in chunks, K and V in blocks, preemption of the latest by recomputation. One engine a node.
#include <math.h>
#include <stdlib.h>

#include "duplex/error.h"
#include "serving/block_pool.h"
#include "serving/scheduler.h"

// Of one node's engine.
struct engine_node {
  unsigned waiting, running;
  struct block_pool pool;
  unsigned budget;  // tokens left in the step that is planned
  bool blocked;     // no more requests begin in it
};

struct vllm {
  struct scheduler base;
  unsigned most_sequences, most_tokens;
  double block_bytes;
  unsigned nodes;
  struct engine_node node[];
};

// In an open loop all wait here, in a closed one there are as many as the engine has clients.
static bool takes(const struct scheduler *base, const struct request *request) {
  (void)base;
  (void)request;
  return true;
}

static void nothing(struct scheduler *base, const struct request *request) {
  (void)base;
  (void)request;
}

// The node with the least load, of which a request that waits is four.
static unsigned lightest_node(const struct vllm *v) {
  unsigned lightest = 0;
  unsigned least = UINT32_MAX;
  for (unsigned n = 0; n < v->nodes; n++) {
    const unsigned load = 4 * v->node[n].waiting + v->node[n].running;
    if (load >= least) continue;
    least = load;
    lightest = n;
  }
  return lightest;
}

static void place(struct scheduler *base, struct sequence *s) {
  struct vllm *v = (struct vllm *)base;
  s->node = lightest_node(v);
  s->scheduled = 0;
  s->blocks = 0;
  s->parts = 0;
  s->shared = 0;
  v->node[s->node].waiting++;
  TAILQ_INSERT_TAIL(&base->waiting, s, link);
}

// What the budget leaves of what a sequence has to compute.
static unsigned share_of(const struct vllm *v, const struct sequence *s) {
  const unsigned wanted = sequence_length(s) - s->computed;
  const unsigned budget = v->node[s->node].budget;
  return wanted < budget ? wanted : budget;
}

static void schedule(struct vllm *v, struct sequence *s, unsigned tokens) {
  s->scheduled = tokens;
  v->node[s->node].budget -= tokens;
}

static struct sequence *latest_of(struct vllm *v, unsigned node) {
  struct sequence *s = TAILQ_LAST(&v->base.running, sequences);
  while (s->node != node) s = TAILQ_PREV(s, sequences, link);
  return s;
}

// Loses its K and V, and is the first to begin anew.
static void preempt(struct vllm *v, struct sequence *s) {
  struct engine_node *node = &v->node[s->node];
  block_pool_release(&node->pool, s);
  s->computed = 0;
  s->scheduled = 0;
  node->running--;
  node->waiting++;
  node->blocked = true;
  v->base.preemptions++;
  TAILQ_REMOVE(&v->base.running, s, link);
  TAILQ_INSERT_HEAD(&v->base.waiting, s, link);
}

// Schedules a running sequence, at the cost of those behind it on its node, or of itself. Returns the next
// one.
static struct sequence *schedule_running(struct vllm *v, struct sequence *s) {
  const unsigned tokens = share_of(v, s);
  while (tokens > 0 && !block_pool_grow(&v->node[s->node].pool, s, s->computed + tokens)) {
    struct sequence *latest = latest_of(v, s->node);
    struct sequence *next = TAILQ_NEXT(s, link);
    preempt(v, latest);
    if (latest == s) return next;
  }
  schedule(v, s, tokens);
  return TAILQ_NEXT(s, link);
}

// Blocks and tokens for the first step of a sequence, behind what is kept of its prompt.
static bool begin(struct vllm *v, struct sequence *s) {
  struct block_pool *pool = &v->node[s->node].pool;
  const bool fresh = s->computed == 0;
  if (fresh) block_pool_match(pool, s);
  const unsigned tokens = share_of(v, s);
  if (!block_pool_grow(pool, s, s->computed + tokens)) {
    block_pool_release(pool, s);
    if (fresh) s->computed = 0;
    return false;
  }
  if (fresh) {
    v->base.prompt_tokens += sequence_length(s);
    v->base.cached_tokens += s->computed;
  }
  schedule(v, s, tokens);
  return true;
}

// A sequence that waits begins, if its node has a place, tokens and blocks for it.
static bool start(struct vllm *v, struct sequence *s) {
  struct engine_node *node = &v->node[s->node];
  if (node->running == v->most_sequences || node->budget == 0 || !begin(v, s)) return false;
  node->waiting--;
  node->running++;
  TAILQ_REMOVE(&v->base.waiting, s, link);
  TAILQ_INSERT_TAIL(&v->base.running, s, link);
  return true;
}

// In order of arrival: behind one that cannot begin none of its node does.
static void start_waiting(struct vllm *v) {
  unsigned open_nodes = 0;
  for (unsigned n = 0; n < v->nodes; n++) open_nodes += !v->node[n].blocked;
  for (struct sequence *s = TAILQ_FIRST(&v->base.waiting), *next; s && open_nodes; s = next) {
    struct engine_node *node = &v->node[s->node];
    next = TAILQ_NEXT(s, link);
    if (node->blocked || start(v, s)) continue;
    node->blocked = true;
    open_nodes--;
  }
}

// What the last step has computed of prompts is kept.
static void keep_computed(struct vllm *v) {
  struct sequence *s;
  TAILQ_FOREACH(s, &v->base.running, link)
  if (!block_pool_keep(&v->node[s->node].pool, s)) v->base.error = DUPLEX_ERROR_NO_MEMORY;
}

static void note_used(struct vllm *v) {
  double blocks = 0;
  for (unsigned n = 0; n < v->nodes; n++) blocks += (double)block_pool_used(&v->node[n].pool);
  v->base.kv_used = blocks * v->block_bytes;
}

static void plan(struct scheduler *base) {
  struct vllm *v = (struct vllm *)base;
  for (unsigned n = 0; n < v->nodes; n++) {
    v->node[n].budget = v->most_tokens;
    v->node[n].blocked = false;
  }
  keep_computed(v);
  for (struct sequence *s = TAILQ_FIRST(&base->running); s;) s = schedule_running(v, s);
  start_waiting(v);
  note_used(v);
}

// Its prompt may be complete since the last step only.
static void release(struct scheduler *base, struct sequence *s) {
  struct vllm *v = (struct vllm *)base;
  struct block_pool *pool = &v->node[s->node].pool;
  if (!block_pool_keep(pool, s)) base->error = DUPLEX_ERROR_NO_MEMORY;
  block_pool_release(pool, s);
  v->node[s->node].running--;
  TAILQ_REMOVE(&base->running, s, link);
  note_used(v);
}

static void close_vllm(struct scheduler *base) {
  struct vllm *v = (struct vllm *)base;
  for (unsigned n = 0; n < v->nodes; n++) block_pool_close(&v->node[n].pool);
  free(v);
}

struct scheduler *scheduler_vllm_open(const struct serving_options *options,
                                      const struct scheduler_nodes *nodes) {
  static const struct scheduler_ops ops = {"vllm", takes, nothing, nothing, place, plan, release, close_vllm};
  struct vllm *v = calloc(1, sizeof *v + nodes->nodes * sizeof *v->node);
  if (!v) return NULL;
  v->base.ops = &ops;
  TAILQ_INIT(&v->base.running);
  TAILQ_INIT(&v->base.waiting);
  v->most_sequences = options->most_sequences;
  v->most_tokens = options->most_tokens;
  v->block_bytes = nodes->kv_token * options->block_size;
  v->nodes = nodes->nodes;
  for (unsigned n = 0; n < v->nodes; n++)
    block_pool_open(&v->node[n].pool, (uint64_t)floor(nodes->kv_capacity / nodes->nodes / v->block_bytes),
                    options->block_size, options->prefix_cache ? options->hash_block : 0);
  return &v->base;
}
