// SPDX-License-Identifier: Apache-2.0
// Continuous batching: who joins, what each step has, who ends.
#include "model/generation.h"

#include <stdlib.h>

#include "model/prefixes.h"

// A request that is running.
struct slot {
  struct generation_request *request;  // NULL: free
  struct network_sequence *sequence;
  size_t prefilled;       // tokens of the prompt
  struct prefix *prefix;  // that it needs until its prompt has ended; NULL: none
  duplex_f32 *logits;
};

struct run {
  struct network *network;
  const struct generation_options *options;
  struct generation_statistics *statistics;
  struct generation_request *requests;
  size_t count, next;         // requests, and how many have been begun
  struct prefixes *prefixes;  // NULL: none are shared
  struct slot *slots;
  struct network_piece *pieces;
  size_t round;  // of admitting requests, from 1 on
  struct sampler *sampler;
  struct model_error *error;
};

static bool take(struct run *run) {
  const size_t vocabulary = network_config(run->network)->vocabulary;
  run->slots = calloc(run->options->batch, sizeof *run->slots);
  run->pieces = calloc(run->options->batch, sizeof *run->pieces);
  run->sampler = sampler_new(vocabulary);
  bool all = run->slots && run->pieces && run->sampler;
  for (size_t i = 0; i < run->options->batch && all; i++) {
    run->slots[i].logits = malloc(vocabulary * sizeof *run->slots[i].logits);
    all = run->slots[i].logits;
  }
  return all;
}

static void give_back(struct run *run) {
  for (size_t i = 0; run->prefixes && i < run->prefixes->count; i++)
    network_end(run->prefixes->list[i].sequence);
  prefixes_free(run->prefixes);
  for (size_t i = 0; i < run->options->batch && run->slots; i++) {
    network_end(run->slots[i].sequence);
    free(run->slots[i].logits);
  }
  free(run->slots);
  free(run->pieces);
  sampler_free(run->sampler);
}

static size_t running(const struct run *run) {
  size_t count = 0;
  for (size_t i = 0; i < run->options->batch; i++) count += run->slots[i].request != NULL;
  return count;
}

// If nothing runs, time goes on to the next arrival.
static void wait_for_arrival(struct run *run) {
  double *now = &run->statistics->seconds;
  if (run->next == run->count || running(run) || run->requests[run->next].arrival <= *now) return;
  network_wait(run->network, run->requests[run->next].arrival - *now);
  *now = run->requests[run->next].arrival;
}

static void add_statistics(struct run *run) {
  const struct network_statistics *step = network_last_statistics(run->network);
  network_statistics_add(&run->statistics->sum, step);
  run->statistics->seconds +=
      (double)step->times.xpu_ps * 1e-12 +
      network_clock_seconds(&step->times, step->times.attention_clocks + step->times.moe_clocks);
  run->statistics->steps++;
}

// One user fewer: the last one ends the sequence.
static void release_prefix(struct prefix *prefix) {
  if (!prefix || --prefix->users) return;
  network_end(prefix->sequence);
  prefix->sequence = NULL;
}

// A sequence that begins with a prefix, or with nothing.
static int begin_behind(struct run *run, const struct prefix *prefix, uint64_t number, size_t expected,
                        struct network_sequence **sequence) {
  return prefix ? network_share(prefix->sequence, number, expected, sequence, run->error)
                : network_begin(run->network, number, expected, sequence, run->error);
}

// Tokens of a chunk if so many are left.
static size_t chunk_of(const struct run *run, size_t left) {
  const size_t most = run->options->chunk;
  return most && most < left ? most : left;
}

// A prefix whose parent is there, in steps of its own.
static int prefill_prefix(struct run *run, struct prefix *prefix) {
  const size_t before = prefix->parent ? prefix->parent->length : 0;
  const double begin = run->statistics->seconds;
  int status = begin_behind(run, prefix->parent, run->count, prefix->length, &prefix->sequence);
  for (size_t done = before; done < prefix->length && !status;) {
    const size_t chunk = chunk_of(run, prefix->length - done);
    const struct network_piece piece = {.sequence = prefix->sequence,
                                        .tokens = prefix->tokens + done,
                                        .count = chunk,
                                        .prefix_ends = done + chunk == prefix->length};
    status = network_step(run->network, &piece, 1, run->error);
    if (!status) add_statistics(run);
    done += chunk;
  }
  if (status) return status;
  release_prefix(prefix->parent);
  prefix->seconds = run->statistics->seconds - begin;
  run->statistics->prefixes++;
  run->statistics->prefix_tokens += prefix->length - before;
  run->statistics->prompt_tokens += prefix->length - before;
  return DUPLEX_OK;
}

// A prefix with all that it begins with, which comes first.
static int make_prefix(struct run *run, struct prefix *prefix) {
  int status = DUPLEX_OK;
  while (prefix && !prefix->sequence && !status) {
    struct prefix *next = prefix;
    while (next->parent && !next->parent->sequence) next = next->parent;
    status = prefill_prefix(run, next);
  }
  return status;
}

// Requests that begin in one step would be prefilled together, not faster than one of them.
static void note_saved_time(struct run *run, struct prefix *prefix) {
  for (; prefix; prefix = prefix->parent) {
    if (prefix->begun) run->statistics->saved_prefill_most += prefix->seconds;
    if (prefix->begun && prefix->begun != run->round) run->statistics->saved_prefill_least += prefix->seconds;
    prefix->begun = run->round;
  }
}

static int begin_slot(struct run *run, struct slot *slot, struct generation_request *request) {
  const size_t expected = request->prompt_count + request->new_tokens;
  struct prefix *prefix = run->prefixes ? run->prefixes->of[request - run->requests] : NULL;
  int status = make_prefix(run, prefix);
  if (!status) status = begin_behind(run, prefix, request->number, expected, &slot->sequence);
  if (status) return status;
  slot->request = request;
  slot->prefix = prefix;
  slot->prefilled = prefix ? prefix->length : 0;
  run->statistics->saved_tokens += slot->prefilled;
  note_saved_time(run, prefix);
  return DUPLEX_OK;
}

// Requests that have arrived, into free slots.
static int admit(struct run *run) {
  const double *now = &run->statistics->seconds;
  wait_for_arrival(run);
  run->round++;
  for (size_t i = 0; i < run->options->batch; i++) {
    struct slot *slot = &run->slots[i];
    if (slot->request || run->next == run->count || run->requests[run->next].arrival > *now) continue;
    const int status = begin_slot(run, slot, &run->requests[run->next++]);
    if (status) return status;
  }
  return DUPLEX_OK;
}

// What the request gets in this step: a chunk of its prompt, or its last token.
static struct network_piece piece_of(const struct run *run, const struct slot *slot) {
  const struct generation_request *request = slot->request;
  const size_t left = request->prompt_count - slot->prefilled;
  if (!left)
    return (struct network_piece){.sequence = slot->sequence,
                                  .tokens = &request->tokens[request->token_count - 1],
                                  .count = 1,
                                  .logits = slot->logits,
                                  .logit_reads = sampler_reads(&request->sampler)};
  const size_t chunk = chunk_of(run, left);
  return (struct network_piece){.sequence = slot->sequence,
                                .tokens = request->prompt + slot->prefilled,
                                .count = chunk,
                                .prompt_ends = chunk == left,
                                .logits = chunk == left ? slot->logits : NULL,
                                .logit_reads = sampler_reads(&request->sampler)};
}

static bool is_end_token(const struct run *run, uint32_t token) {
  const struct model_config *config = network_config(run->network);
  for (unsigned i = 0; i < config->end_token_count && !run->options->ignore_end_tokens; i++)
    if (config->end_tokens[i] == token) return true;
  return false;
}

static void end_slot(struct slot *slot) {
  network_end(slot->sequence);
  slot->sequence = NULL;
  slot->request = NULL;
}

static bool has_nan(const duplex_f32 *logits, size_t count) {
  for (size_t i = 0; i < count; i++)
    if ((logits[i] & 0x7fffffffu) > 0x7f800000u) return true;
  return false;
}

// Chooses the token behind a request's last one from its logits, tells of it, and ends the request with it if
// it is the last one. Errors: the code of `chosen`.
static int choose(struct run *run, struct slot *slot) {
  struct generation_request *request = slot->request;
  const size_t position = request->prompt_count + request->token_count;
  const uint32_t token =
      (uint32_t)sampler_choose(run->sampler, &request->sampler, slot->logits, request->number, position);
  if (request->token_count == 0) request->first_token = run->statistics->seconds;
  request->last_token = run->statistics->seconds;
  request->tokens[request->token_count++] = token;
  run->statistics->tokens_from_nan += has_nan(slot->logits, network_config(run->network)->vocabulary);
  run->statistics->new_tokens++;
  request->ended = is_end_token(run, token);
  const int status =
      run->options->chosen ? run->options->chosen(run->options->context, request, slot->logits) : DUPLEX_OK;
  if (request->ended || request->token_count == request->new_tokens) end_slot(slot);
  return status;
}

// Tokens of those whose logits are there.
static int end_step(struct run *run) {
  int status = DUPLEX_OK;
  for (size_t i = 0, piece = 0; i < run->options->batch && !status; i++) {
    struct slot *slot = &run->slots[i];
    if (!slot->request) continue;
    const struct network_piece *done = &run->pieces[piece++];
    if (slot->prefilled < slot->request->prompt_count) {
      slot->prefilled += done->count;
      run->statistics->prompt_tokens += done->count;
    }
    if (slot->prefilled == slot->request->prompt_count) {
      release_prefix(slot->prefix);
      slot->prefix = NULL;
    }
    if (done->logits) status = choose(run, slot);
  }
  return status;
}

static int step(struct run *run) {
  size_t count = 0;
  for (size_t i = 0; i < run->options->batch; i++)
    if (run->slots[i].request) run->pieces[count++] = piece_of(run, &run->slots[i]);
  int status = network_step(run->network, run->pieces, count, run->error);
  if (status) return status;
  add_statistics(run);
  return end_step(run);
}

int generation_run(struct network *network, struct generation_request *requests, size_t count,
                   const struct generation_options *options, struct generation_statistics *statistics,
                   struct model_error *error) {
  struct run run = {.network = network,
                    .options = options,
                    .statistics = statistics,
                    .requests = requests,
                    .count = count,
                    .error = error};
  *statistics = (struct generation_statistics){0};
  int status = take(&run) ? DUPLEX_OK : model_no_memory(error);
  if (!status && options->shares_prefix) {
    run.prefixes = prefixes_find(requests, count);
    if (!run.prefixes) status = model_no_memory(error);
  }
  while (!status && (run.next < count || running(&run))) {
    status = admit(&run);
    if (!status) status = step(&run);
  }
  // Each token of a prefix has been prefilled once.
  statistics->saved_tokens -= status ? statistics->saved_tokens : statistics->prefix_tokens;
  statistics->saved_stream_seconds =
      (double)(statistics->sum.unshared_kv_bytes - statistics->sum.kv_bytes) / network_stream_rate(network);
  give_back(&run);
  return status;
}
