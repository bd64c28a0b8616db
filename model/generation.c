// SPDX-License-Identifier: Apache-2.0
// Continuous batching: who joins, what each step has, who ends.
#include "model/generation.h"

#include <stdlib.h>

#define CLOCK_HERTZ 650e6

// A request that is running.
struct slot {
  struct generation_request *request;  // NULL: free
  struct network_sequence *sequence;
  size_t prefilled;  // tokens of the prompt
  duplex_f32 *logits;
};

struct run {
  struct network *network;
  const struct generation_options *options;
  struct generation_statistics *statistics;
  struct generation_request *requests;
  size_t count, next;  // requests, and how many have been begun
  struct slot *slots;
  struct network_piece *pieces;
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

// Requests that have arrived, into free slots; if nothing runs, time goes on to the next arrival.
static int admit(struct run *run) {
  double *now = &run->statistics->seconds;
  if (run->next < run->count && !running(run) && run->requests[run->next].arrival > *now)
    *now = run->requests[run->next].arrival;
  for (size_t i = 0; i < run->options->batch; i++) {
    struct slot *slot = &run->slots[i];
    if (slot->request || run->next == run->count || run->requests[run->next].arrival > *now) continue;
    struct generation_request *request = &run->requests[run->next++];
    const int status =
        network_begin(run->network, request->number, request->prompt_count + request->new_tokens,
                      &slot->sequence, run->error);
    if (status) return status;
    slot->request = request;
    slot->prefilled = 0;
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
                                  .logits = slot->logits};
  const size_t chunk = run->options->chunk && run->options->chunk < left ? run->options->chunk : left;
  return (struct network_piece){.sequence = slot->sequence,
                                .tokens = request->prompt + slot->prefilled,
                                .count = chunk,
                                .prompt_ends = chunk == left,
                                .logits = chunk == left ? slot->logits : NULL};
}

static void add_statistics(struct run *run) {
  const struct network_statistics *step = network_last_statistics(run->network);
  struct network_statistics *sum = &run->statistics->sum;
  sum->times.xpu_ps += step->times.xpu_ps;
  sum->times.attention_clocks += step->times.attention_clocks;
  sum->times.moe_clocks += step->times.moe_clocks;
  sum->overflows = step->overflows;
  sum->moe_layers += step->moe_layers;
  sum->moe_bound_clocks += step->moe_bound_clocks;
  sum->logic_pim_experts += step->logic_pim_experts;
  sum->xpu_experts += step->xpu_experts;
  sum->shared_experts += step->shared_experts;
  run->statistics->seconds += (double)step->times.xpu_ps * 1e-12 +
                              (double)(step->times.attention_clocks + step->times.moe_clocks) / CLOCK_HERTZ;
  run->statistics->steps++;
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

static int choose(struct run *run, struct slot *slot) {
  struct generation_request *request = slot->request;
  const size_t position = request->prompt_count + request->token_count;
  const uint32_t token =
      (uint32_t)sampler_choose(run->sampler, &request->sampler, slot->logits, request->number, position);
  if (request->token_count == 0) request->first_token = run->statistics->seconds;
  request->last_token = run->statistics->seconds;
  request->tokens[request->token_count++] = token;
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
  while (!status && (run.next < count || running(&run))) {
    status = admit(&run);
    if (!status) status = step(&run);
  }
  give_back(&run);
  return status;
}
