// SPDX-License-Identifier: Apache-2.0
// Prefill and decoding on different devices (docs/serving.md, "Split").
#include "serving/split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "duplex/error.h"

struct moved {
  struct request request;
  double ready, last;  // its K and V are at the decoding half; its last token
  unsigned node;
  bool whole;  // not in the middle of its output when the run began
};

struct split {
  const struct serving_options *options;
  struct stage_model *stage;
  struct tally *tally;
  struct arrivals arrivals;
  struct request next;
  struct moved *flight;  // those that decode, then those that move, in order of `ready`
  unsigned decoding, count;
  double *freed;  // closed loop: when places became free, a ring
  unsigned freed_first, freed_count;
  struct node_load *loads;
  double prefill_free, decode_free;  // when each half has ended its stage
  double kv_capacity, kv_used, kv_token;
  double begun;
  uint64_t decode_stages, ended;
};

static double kv_of(const struct split *s, const struct request *r) {
  return ((double)r->input + r->output) * s->kv_token;
}

static bool is_open(const struct split *s) { return serving_is_open(s->options); }

static bool counts(const struct split *s, const struct request *r) {
  if (is_open(s))
    return r->number >= s->options->warm_up &&
           r->number < (uint64_t)s->options->warm_up + s->options->measured;
  return s->decode_stages > s->options->warm_up;
}

static bool has_room(const struct split *s) {
  return s->count < s->options->batch && s->kv_used + kv_of(s, &s->next) <= s->kv_capacity &&
         (is_open(s) || s->freed_count > 0);
}

// When the next request is there: in a closed loop as soon as a place is free.
static double arrival_of(const struct split *s) {
  return is_open(s) ? s->next.arrival : s->freed[s->freed_first];
}

static void take_next(struct split *s, unsigned generated, double ready) {
  struct serving_result *r = s->tally->result;
  if (!is_open(s)) {
    s->next.arrival = s->freed[s->freed_first];
    s->freed_first = (s->freed_first + 1) % s->options->batch;
    s->freed_count--;
  }
  s->next.generated = generated;
  s->kv_used += kv_of(s, &s->next);
  s->flight[s->count] = (struct moved){s->next, ready, ready, s->count % s->stage->machine->nodes, true};
  s->count++;
  if (s->count > r->batch) r->batch = s->count;
  if (s->kv_used > r->kv_most) r->kv_most = s->kv_used;
  s->next = arrivals_take(&s->arrivals, 0);
}

// Bytes of a prompt's K and V, over the links of one half.
static double move_seconds(const struct split *s, unsigned tokens) {
  const struct machine *m = s->stage->machine;
  return m->node_latency + tokens * s->kv_token / (m->nodes * m->per_node) / m->node_rate;
}

// All prompts that are there; each goes on to the other half.
static void run_prefill(struct split *s, double begin) {
  struct serving_cost cost;
  const unsigned first = s->count;
  for (unsigned n = 0; n < s->stage->machine->nodes; n++) s->loads[n] = (struct node_load){0};
  while (has_room(s) && arrival_of(s) <= begin) {
    take_next(s, 1, 0);
    const struct moved *m = &s->flight[s->count - 1];
    stage_add_prefill(s->stage, &s->loads[m->node], m->request.input);
  }
  stage_run(s->stage, s->loads, &cost);
  s->tally->prefill_half = true;
  s->prefill_free = begin + cost.seconds;
  for (unsigned i = first; i < s->count; i++) {
    struct moved *m = &s->flight[i];
    m->last = s->prefill_free;
    m->ready = s->prefill_free + move_seconds(s, m->request.input);
    m->request.first = s->prefill_free;
    if (!counts(s, &m->request)) continue;
    tally_first(s->tally, &m->request);
    s->tally->result->tokens += 1;
  }
  s->tally->result->all_stages++;
  if (s->decode_stages > s->options->warm_up || is_open(s))
    tally_stage(s->tally, &cost, 0, s->count - first, 0, s->prefill_free);
}

static void end_request(struct split *s, unsigned at) {
  struct moved *m = &s->flight[at];
  s->kv_used -= kv_of(s, &m->request);
  if (!is_open(s)) s->freed[(s->freed_first + s->freed_count++) % s->options->batch] = s->decode_free;
  if (counts(s, &m->request)) {
    s->ended++;
    tally_end(s->tally, &m->request, m->whole, s->decode_free);
  }
  for (unsigned i = at; i + 1 < s->count; i++) s->flight[i] = s->flight[i + 1];
  s->count--;
  s->decoding--;
}

// What has come by `begin` joins those that decode.
static void join_ready(struct split *s, double begin) {
  while (s->decoding < s->count && s->flight[s->decoding].ready <= begin) s->decoding++;
}

static void deliver(struct split *s) {
  for (unsigned i = s->decoding; i-- > 0;) {
    struct moved *m = &s->flight[i];
    if (counts(s, &m->request)) {
      s->tally->result->tokens += 1;
      tally_gap(s->tally, s->decode_free - m->last);
    }
    m->last = s->decode_free;
    if (++m->request.generated >= m->request.output) end_request(s, i);
  }
}

static void run_decode(struct split *s, double begin) {
  struct serving_cost cost;
  join_ready(s, begin);
  for (unsigned n = 0; n < s->stage->machine->nodes; n++) s->loads[n] = (struct node_load){0};
  for (unsigned i = 0; i < s->decoding; i++) {
    struct node_load *load = &s->loads[s->flight[i].node];
    load->decoding++;
    load->positions += (double)s->flight[i].request.input + s->flight[i].request.generated;
  }
  stage_run(s->stage, s->loads, &cost);
  s->tally->prefill_half = false;
  if (++s->decode_stages == s->options->warm_up + 1 && !is_open(s)) s->begun = begin;
  s->decode_free = begin + cost.seconds;
  s->tally->result->all_stages++;
  if (s->decode_stages > s->options->warm_up || is_open(s))
    tally_stage(s->tally, &cost, s->decoding, 0, 0, s->decode_free);
  deliver(s);
}

// The half that can begin first runs a stage.
static void step(struct split *s) {
  const double never = INFINITY;
  const double prefill = has_room(s) ? fmax(s->prefill_free, arrival_of(s)) : never;
  double decode = never;
  if (s->decoding)
    decode = s->decode_free;
  else if (s->count)
    decode = fmax(s->decode_free, s->flight[0].ready);
  if (prefill <= decode)
    run_prefill(s, prefill);
  else
    run_decode(s, decode);
}

static void run_closed(struct split *s) {
  for (; s->freed_count < s->options->batch; s->freed_count++) s->freed[s->freed_count] = 0;
  while (has_room(s)) {
    take_next(s, 1 + (unsigned)duplex_random_below(&s->arrivals.random, s->next.output), 0);
    s->flight[s->count - 1].whole = false;
  }
  while (s->decode_stages < (uint64_t)s->options->warm_up + s->options->measured) step(s);
}

static void run_open(struct split *s) {
  while (s->ended < s->options->measured) {
    if (s->next.number <= s->options->warm_up) s->begun = s->next.arrival;
    step(s);
  }
}

int split_run(const struct serving_options *options, struct stage_model *stage, struct tally *tally,
              char *error, size_t size) {
  struct split s = {.options = options, .stage = stage, .tally = tally};
  int status = DUPLEX_OK;
  s.kv_capacity = tally->result->kv_capacity;
  s.kv_token = model_kv_bytes(stage->model);
  s.flight = calloc(options->batch, sizeof *s.flight);
  s.freed = calloc(options->batch, sizeof *s.freed);
  s.loads = calloc(stage->machine->nodes, sizeof *s.loads);
  if (s.flight && s.freed && s.loads) {
    arrivals_start(&s.arrivals, options);
    s.next = arrivals_take(&s.arrivals, 0);
    if (is_open(&s))
      run_open(&s);
    else
      run_closed(&s);
    tally->result->seconds = s.decode_free - s.begun;
  } else {
    snprintf(error, size, "too little memory for %u requests", options->batch);
    status = DUPLEX_ERROR_NO_MEMORY;
  }
  free(s.flight);
  free(s.freed);
  free(s.loads);
  return status;
}
