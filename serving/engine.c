// SPDX-License-Identifier: Apache-2.0
// The events of a run (docs/serving.md, "Requests and stages", "Split").
#include "serving/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "duplex/error.h"
#include "serving/scheduler.h"

#define POOLS 2u

// Nodes that step together.
struct pool {
  struct scheduler *scheduler;
  struct stage_model *stage;
  struct node_load *loads;
  double *sent;  // seconds, of each node: when it has sent the last prompt
  double free;   // seconds: when its last step has ended
  uint64_t steps;
};

struct engine {
  const struct serving_options *options;
  struct tally *tally;
  struct arrivals arrivals;
  struct request next;  // the first that has not come in
  struct pool pools[POOLS];
  bool wires;
  unsigned count;           // of pools: requests begin in the first one and end in the last one
  struct sequences moving;  // between them, in order of `ready`
  // Closed loop: when places became free, a ring; when K and V of another one had room.
  double *freed;
  unsigned freed_first, freed_count;
  double room_since;
  unsigned in_flight;
  double begun;    // when measuring began
  uint64_t ended;  // requests that count and have ended,
  double end;      // and when the last of them did
  int error;
};

static bool is_open(const struct engine *e) { return serving_is_open(e->options); }
static struct pool *last_pool(struct engine *e) { return &e->pools[e->count - 1]; }

// Whose stages a closed loop counts: where a request of the mean length has its last token. The nodes that
// decode may have no stage at all if that is its first one.
static const struct pool *counted_pool(const struct engine *e) {
  return &e->pools[e->options->output > 1 ? e->count - 1 : 0];
}

// Stages and tokens that are measured: of a closed loop those behind the warm-up, of an open one all from the
// coming of the first request that counts on, also of others.
static bool is_measured(const struct engine *e) {
  return is_open(e) ? e->next.number > e->options->warm_up : counted_pool(e)->steps > e->options->warm_up;
}

// In an open loop requests count, from the warm-up on; in a closed one stages do.
static bool counts(const struct engine *e, const struct request *r) {
  const uint64_t warm_up = e->options->warm_up;
  if (is_open(e)) return r->number >= warm_up && r->number < warm_up + e->options->measured;
  return is_measured(e);
}

static bool can_come(const struct engine *e) {
  if (!is_open(e) && e->freed_count == 0) return false;
  const struct scheduler *last = e->pools[e->count - 1].scheduler;
  return last->ops->takes(last, &e->next);
}

// When the next request is there: in a closed loop as soon as a place is free and it has room.
static double arrival_of(const struct engine *e) {
  return is_open(e) ? e->next.arrival : fmax(e->freed[e->freed_first], e->room_since);
}

static void place(struct pool *pool, struct sequence *s) { pool->scheduler->ops->place(pool->scheduler, s); }

// The next request comes in. Those that have generated tokens already are beyond their prompt.
static void come(struct engine *e, double now) {
  struct sequence *s = calloc(1, sizeof *s);
  struct serving_result *r = e->tally->result;
  if (!s) {
    e->error = DUPLEX_ERROR_NO_MEMORY;
    return;
  }
  if (is_open(e)) {
    if (e->next.number == e->options->warm_up) e->begun = now;
  } else {
    e->next.arrival = arrival_of(e);
    e->freed_first = (e->freed_first + 1) % e->options->batch;
    e->freed_count--;
  }
  s->request = e->next;
  s->last = now;
  s->begun_before = s->request.generated > 0;
  last_pool(e)->scheduler->ops->enter(last_pool(e)->scheduler, &s->request);
  place(s->begun_before ? last_pool(e) : &e->pools[0], s);
  if (++e->in_flight > r->batch) r->batch = e->in_flight;
  e->next = arrivals_take(&e->arrivals, now);
}

// A closed loop begins with a full batch, each request anywhere in its output.
static void fill(struct engine *e) {
  for (; e->freed_count < e->options->batch; e->freed_count++) e->freed[e->freed_count] = 0;
  while (!e->error && can_come(e)) {
    e->next.generated = (unsigned)duplex_random_below(&e->arrivals.random, e->next.output);
    come(e, 0);
  }
}

// What a step is of.
struct step {
  unsigned prefills, decoding;
  unsigned counted;  // of these, sequences that count and had a token at its begin
};

static bool follows(const struct sequence *s, double begin) {
  return sequence_decodes(s) && s->last == begin;
}

// Lays the tokens that the scheduler has planned on the pool's nodes, and counts them.
static struct step collect(const struct engine *e, struct pool *pool, double begin) {
  struct step step = {0};
  struct sequence *s;
  for (unsigned n = 0; n < pool->stage->machine->nodes; n++) pool->loads[n] = (struct node_load){0};
  TAILQ_FOREACH(s, &pool->scheduler->running, link) {
    struct node_load *load = &pool->loads[s->node];
    if (s->scheduled == 0) continue;
    if (!sequence_decodes(s)) {
      stage_add_prefill(pool->stage, load, s->computed, s->scheduled, sequence_gives_token(s));
      step.prefills++;
      continue;
    }
    load->decoding++;
    load->positions += sequence_length(s);
    step.decoding++;
    step.counted += counts(e, &s->request) && follows(s, begin);
  }
  return step;
}

// A request that has its last token leaves, and its place is free.
static void end_request(struct engine *e, struct sequence *s, double now) {
  const bool waits = !is_open(e) && e->freed_count > 0 && !can_come(e);
  struct scheduler *last = last_pool(e)->scheduler;
  last->ops->leave(last, &s->request);
  if (waits) e->room_since = now;
  if (!is_open(e)) e->freed[(e->freed_first + e->freed_count++) % e->options->batch] = now;
  e->in_flight--;
  if (counts(e, &s->request)) {
    e->ended++;
    e->end = fmax(e->end, now);
    tally_end(e->tally, &s->request, !s->begun_before, now);
  }
  free(s);
}

// When K and V of a prompt have come to the nodes that decode: over all links of one half, or over the wire
// of its own node when that has sent the one before.
static double arrival_of_kv(const struct engine *e, const struct pool *pool, const struct sequence *s) {
  const struct machine *m = pool->stage->machine;
  const double bytes = s->computed * model_kv_bytes(pool->stage->model);
  if (!e->wires) return pool->free + m->node_latency + bytes / (m->nodes * m->per_node) / m->node_rate;
  double *sent = &pool->sent[s->node];
  *sent = fmax(*sent, pool->free) + bytes / m->per_node / m->between_rate;
  return *sent + m->between_latency;
}

// In order of `ready`, which is not that of sending with several nodes.
static void move(struct engine *e, const struct pool *pool, struct sequence *s) {
  s->ready = arrival_of_kv(e, pool, s);
  struct sequence *before = TAILQ_LAST(&e->moving, sequences);
  while (before && before->ready > s->ready) before = TAILQ_PREV(before, sequences, link);
  if (before)
    TAILQ_INSERT_AFTER(&e->moving, before, s, link);
  else
    TAILQ_INSERT_HEAD(&e->moving, s, link);
}

static void give_token(struct engine *e, struct sequence *s, double begin, double now) {
  const bool counted = counts(e, &s->request);
  const bool gap = counted && !follows(s, begin);
  s->computed += s->scheduled;
  s->scheduled = 0;
  e->tally->result->tokens += is_measured(e);
  if (s->request.generated++ == 0) {
    s->request.first = now;
    if (counted) tally_first(e->tally, &s->request);
  } else if (gap) {
    tally_gap(e->tally, now - s->last);
  }
  s->last = now;
}

// What a step that has ended gives; requests that have ended, or begun on other nodes, go.
static void deliver(struct engine *e, struct pool *pool, double begin) {
  const bool moves = pool != last_pool(e);
  struct sequence *next;
  for (struct sequence *s = TAILQ_FIRST(&pool->scheduler->running); s; s = next) {
    next = TAILQ_NEXT(s, link);
    if (!sequence_gives_token(s)) {
      s->computed += s->scheduled;
      continue;
    }
    give_token(e, s, begin, pool->free);
    const bool ends = s->request.generated == s->request.output;
    if (!ends && !moves) continue;
    pool->scheduler->ops->release(pool->scheduler, s);
    if (ends)
      end_request(e, s, pool->free);
    else
      move(e, pool, s);
  }
}

// Those that have come, and those whose K and V have.
static void join(struct engine *e, struct pool *pool, double begin) {
  if (pool == &e->pools[0])
    while (!e->error && can_come(e) && arrival_of(e) <= begin) come(e, begin);
  if (pool != last_pool(e) || e->count == 1) return;
  for (struct sequence *s; (s = TAILQ_FIRST(&e->moving)) && s->ready <= begin;) {
    TAILQ_REMOVE(&e->moving, s, link);
    place(pool, s);
  }
}

// Runs one step of a pool: requests come in, the scheduler plans, the stage is charged, tokens go out.
static void run_step(struct engine *e, struct pool *pool, double begin) {
  struct serving_result *r = e->tally->result;
  struct serving_cost cost;
  join(e, pool, begin);
  r->all_stages++;
  if (++pool->steps == e->options->warm_up + 1 && pool == counted_pool(e) && !is_open(e)) e->begun = begin;
  pool->scheduler->ops->plan(pool->scheduler);
  r->kv_most = fmax(r->kv_most, last_pool(e)->scheduler->kv_used);
  const struct step step = collect(e, pool, begin);
  stage_run(pool->stage, pool->loads, &cost);
  e->tally->prefill_half = pool != last_pool(e);
  pool->free = begin + cost.seconds;
  if (is_measured(e)) tally_stage(e->tally, &cost, step.decoding, step.prefills, step.counted, pool->free);
  deliver(e, pool, begin);
}

// When a pool can begin a step.
static double begin_of(const struct engine *e, const struct pool *pool) {
  const struct sequence *first = TAILQ_FIRST(&e->moving);
  double begin = INFINITY;
  if (scheduler_has_work(pool->scheduler)) return pool->free;
  if (pool == &e->pools[0] && can_come(e)) begin = arrival_of(e);
  if (pool != &e->pools[0] && first) begin = first->ready;
  return fmax(begin, pool->free);
}

// The pool that can begin first.
static struct pool *first_pool(struct engine *e) {
  struct pool *first = &e->pools[0];
  for (unsigned i = 1; i < e->count; i++)
    if (begin_of(e, &e->pools[i]) < begin_of(e, first)) first = &e->pools[i];
  return first;
}

// An open loop has stages until the last request that counts has ended, on whatever pool: another one may
// begin some before that.
static bool goes_on(const struct engine *e, double begin) {
  if (is_open(e)) return e->ended < e->options->measured || begin < e->end;
  return counted_pool(e)->steps < (uint64_t)e->options->warm_up + e->options->measured;
}

static void note_schedulers(struct engine *e) {
  struct serving_result *r = e->tally->result;
  for (unsigned i = 0; i < e->count; i++) {
    const struct scheduler *s = e->pools[i].scheduler;
    r->preemptions += s->preemptions;
    r->prompt_tokens += s->prompt_tokens;
    r->cached_tokens += s->cached_tokens;
    if (!e->error) e->error = s->error;
  }
}

static void run_all(struct engine *e) {
  arrivals_start(&e->arrivals, e->options);
  e->next = arrivals_take(&e->arrivals, 0);
  if (!is_open(e)) fill(e);
  while (!e->error) {
    struct pool *first = first_pool(e);
    const double begin = begin_of(e, first);
    if (!goes_on(e, begin)) break;
    run_step(e, first, begin);
  }
  e->tally->result->seconds = (is_open(e) ? e->end : counted_pool(e)->free) - e->begun;
  note_schedulers(e);
}

// Opens schedulers and loads of all pools; false if memory is short, the caller closes what there is.
static bool open_pools(struct engine *e, const struct engine_plan *plan) {
  e->wires = plan->wires;
  e->count = plan->count;
  e->freed = calloc(e->options->batch, sizeof *e->freed);
  for (unsigned i = 0; i < e->count; i++) {
    struct pool *pool = &e->pools[i];
    pool->stage = plan->nodes[i].stage;
    const struct scheduler_nodes nodes = {pool->stage->machine->nodes, plan->nodes[i].kv_capacity,
                                          model_kv_bytes(pool->stage->model), i + 1 < e->count};
    pool->scheduler = scheduler_open(e->options, &nodes);
    pool->loads = calloc(nodes.nodes, sizeof *pool->loads);
    pool->sent = calloc(nodes.nodes, sizeof *pool->sent);
    if (!pool->scheduler || !pool->loads || !pool->sent) return false;
  }
  return e->freed;
}

static void close_pools(struct engine *e) {
  for (unsigned i = 0; i < e->count; i++) {
    scheduler_close(e->pools[i].scheduler);
    free(e->pools[i].loads);
    free(e->pools[i].sent);
  }
  sequences_free(&e->moving);
  free(e->freed);
}

int engine_run(const struct serving_options *options, const struct engine_plan *plan, struct tally *tally,
               char *error, size_t size) {
  struct engine e = {.options = options, .tally = tally};
  TAILQ_INIT(&e.moving);
  if (open_pools(&e, plan))
    run_all(&e);
  else
    e.error = DUPLEX_ERROR_NO_MEMORY;
  if (e.error) snprintf(error, size, "too little memory for %u requests", options->batch);
  close_pools(&e);
  return e.error;
}
