// SPDX-License-Identifier: Apache-2.0
// Continuous batching (docs/serving.md, "Requests and stages").
#include "serving/batching.h"

#include <stdio.h>
#include <stdlib.h>

#include "duplex/error.h"

struct running {
  struct request request;
  unsigned node;
  bool begun_before;  // in the middle of its output when the run began
};

struct batching {
  const struct serving_options *options;
  struct stage_model *stage;
  struct tally *tally;
  struct arrivals arrivals;
  struct request next;  // the first that waits, or has not come
  struct running *running;
  unsigned count;
  struct node_load *loads;
  unsigned *of_node;                           // requests of each node
  double now, kv_capacity, kv_used, kv_token;  // seconds, bytes
  double begun;                                // when measuring began
  uint64_t ended;                              // requests that count and have ended
};

static double kv_of(const struct batching *b, const struct request *r) {
  return ((double)r->input + r->output) * b->kv_token;
}

static bool is_open(const struct batching *b) { return serving_is_open(b->options); }

// In an open loop requests count, from the warm-up on; in a closed one stages do.
static bool counts(const struct batching *b, const struct request *r) {
  const uint64_t warm_up = b->options->warm_up;
  if (is_open(b)) return r->number >= warm_up && r->number < warm_up + b->options->measured;
  return b->tally->result->all_stages > warm_up;
}

static unsigned emptiest_node(const struct batching *b) {
  unsigned least = 0;
  for (unsigned n = 1; n < b->stage->machine->nodes; n++)
    if (b->of_node[n] < b->of_node[least]) least = n;
  return least;
}

static void admit(struct batching *b, const struct request *request, bool begun_before) {
  const unsigned node = emptiest_node(b);
  struct serving_result *r = b->tally->result;
  b->of_node[node]++;
  b->kv_used += kv_of(b, request);
  b->running[b->count++] = (struct running){*request, node, begun_before};
  if (b->count > r->batch) r->batch = b->count;
  if (b->kv_used > r->kv_most) r->kv_most = b->kv_used;
}

static bool has_room(const struct batching *b) {
  return b->count < b->options->batch && b->kv_used + kv_of(b, &b->next) <= b->kv_capacity;
}

// All that have come and fit, in order of arrival.
static void admit_waiting(struct batching *b) {
  while (has_room(b) && b->next.arrival <= b->now) {
    admit(b, &b->next, false);
    b->next = arrivals_take(&b->arrivals, b->now);
  }
}

// A closed loop begins with a full batch, each request anywhere in its output.
static void fill(struct batching *b) {
  while (has_room(b)) {
    b->next.generated = (unsigned)duplex_random_below(&b->arrivals.random, b->next.output);
    admit(b, &b->next, b->next.generated > 0);
    b->next = arrivals_take(&b->arrivals, b->now);
  }
}

// What every node does in this stage; returns the number of prompts.
static unsigned collect(struct batching *b, unsigned *counted) {
  unsigned prefills = 0;
  for (unsigned n = 0; n < b->stage->machine->nodes; n++) b->loads[n] = (struct node_load){0};
  for (unsigned i = 0; i < b->count; i++) {
    const struct running *r = &b->running[i];
    struct node_load *load = &b->loads[r->node];
    if (r->request.generated == 0) {
      stage_add_prefill(b->stage, load, r->request.input);
      prefills++;
      continue;
    }
    load->decoding++;
    load->positions += (double)r->request.input + r->request.generated;
    *counted += counts(b, &r->request);
  }
  return prefills;
}

static void end_request(struct batching *b, unsigned at) {
  struct running *r = &b->running[at];
  b->kv_used -= kv_of(b, &r->request);
  b->of_node[r->node]--;
  if (counts(b, &r->request)) {
    b->ended++;
    tally_end(b->tally, &r->request, !r->begun_before, b->now);
  }
  *r = b->running[--b->count];
}

// Every request gets its token.
static void deliver(struct batching *b) {
  for (unsigned i = b->count; i-- > 0;) {
    struct request *r = &b->running[i].request;
    const bool counted = counts(b, r);
    if (r->generated++ == 0) {
      r->first = b->now;
      if (counted) tally_first(b->tally, r);
    }
    b->tally->result->tokens += counted;
    if (r->generated == r->output) end_request(b, i);
  }
}

static void run_stage(struct batching *b) {
  struct serving_cost cost;
  struct serving_result *r = b->tally->result;
  unsigned counted = 0;
  r->all_stages++;
  const unsigned prefills = collect(b, &counted);
  const bool measured = is_open(b) ? counted > 0 : r->all_stages > b->options->warm_up;
  stage_run(b->stage, b->loads, &cost);
  if (r->all_stages == b->options->warm_up + 1 && !is_open(b)) b->begun = b->now;
  b->now += cost.seconds;
  if (measured) tally_stage(b->tally, &cost, b->count - prefills, prefills, counted, b->now);
  deliver(b);
}

static void run_closed(struct batching *b) {
  const uint64_t stages = (uint64_t)b->options->warm_up + b->options->measured;
  fill(b);
  while (b->tally->result->all_stages < stages) {
    b->next.arrival = b->now;
    admit_waiting(b);
    run_stage(b);
  }
}

static void run_open(struct batching *b) {
  while (b->ended < b->options->measured) {
    if (b->count == 0 && b->next.arrival > b->now) b->now = b->next.arrival;
    if (b->next.number <= b->options->warm_up) b->begun = b->now;
    admit_waiting(b);
    run_stage(b);
  }
}

int batching_run(const struct serving_options *options, struct stage_model *stage, struct tally *tally,
                 char *error, size_t size) {
  struct batching b = {.options = options, .stage = stage, .tally = tally};
  b.kv_capacity = tally->result->kv_capacity;
  b.kv_token = model_kv_bytes(stage->model);
  int status = DUPLEX_OK;
  b.running = calloc(options->batch, sizeof *b.running);
  b.loads = calloc(stage->machine->nodes, sizeof *b.loads);
  b.of_node = calloc(stage->machine->nodes, sizeof *b.of_node);
  if (b.running && b.loads && b.of_node) {
    arrivals_start(&b.arrivals, options);
    b.next = arrivals_take(&b.arrivals, 0);
    if (is_open(&b))
      run_open(&b);
    else
      run_closed(&b);
    tally->result->seconds = b.now - b.begun;
  } else {
    snprintf(error, size, "too little memory for %u requests", options->batch);
    status = DUPLEX_ERROR_NO_MEMORY;
  }
  free(b.running);
  free(b.loads);
  free(b.of_node);
  return status;
}
