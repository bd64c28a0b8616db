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
  size_t count, next;              // requests, and how many have been begun
  size_t prefix;                   // tokens that all prompts begin with, if they are shared
  struct network_sequence *trunk;  // that has them; NULL: none
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
  network_end(run->trunk);
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

static int begin_slot(struct run *run, struct slot *slot, struct generation_request *request) {
  const size_t expected = request->prompt_count + request->new_tokens;
  const int status =
      run->trunk
          ? network_share(run->trunk, run->prefix, request->number, expected, &slot->sequence, run->error)
          : network_begin(run->network, request->number, expected, &slot->sequence, run->error);
  if (status) return status;
  slot->request = request;
  slot->prefilled = run->prefix;
  return DUPLEX_OK;
}

// Requests that have arrived, into free slots.
static int admit(struct run *run) {
  const double *now = &run->statistics->seconds;
  wait_for_arrival(run);
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
  const size_t most = run->trunk ? 1 : run->options->chunk;
  const size_t chunk = most && most < left ? most : left;
  return (struct network_piece){.sequence = slot->sequence,
                                .tokens = request->prompt + slot->prefilled,
                                .count = chunk,
                                .prompt_ends = chunk == left,
                                .logits = chunk == left ? slot->logits : NULL,
                                .logit_reads = sampler_reads(&request->sampler)};
}

static void add_statistics(struct run *run) {
  const struct network_statistics *step = network_last_statistics(run->network);
  network_statistics_add(&run->statistics->sum, step);
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

// Tokens with which all prompts begin, each of them having one more; 0 if the rest of one is longer.
static size_t common_prefix(const struct generation_request *requests, size_t count) {
  size_t common = count > 1 ? requests[0].prompt_count - 1 : 0;
  size_t longest = 0;
  for (size_t i = 0; i < count; i++) {
    size_t same = 0;
    while (same < common && same + 1 < requests[i].prompt_count &&
           requests[i].prompt[same] == requests[0].prompt[same])
      same++;
    common = same;
    if (requests[i].prompt_count > longest) longest = requests[i].prompt_count;
  }
  return longest - common <= common ? common : 0;
}

// The tokens that all share, before the first request.
static int prefill_trunk(struct run *run) {
  run->prefix = run->statistics->prefix_tokens = common_prefix(run->requests, run->count);
  if (!run->prefix) return DUPLEX_OK;
  wait_for_arrival(run);
  int status = network_begin(run->network, run->count, run->prefix, &run->trunk, run->error);
  for (size_t done = 0; done < run->prefix && !status;) {
    const size_t left = run->prefix - done;
    const size_t chunk = run->options->chunk && run->options->chunk < left ? run->options->chunk : left;
    const struct network_piece piece = {.sequence = run->trunk,
                                        .tokens = run->requests[0].prompt + done,
                                        .count = chunk,
                                        .prompt_ends = chunk == left};
    status = network_step(run->network, &piece, 1, run->error);
    if (!status) add_statistics(run);
    done += chunk;
  }
  run->statistics->prompt_tokens += status ? 0 : run->prefix;
  return status;
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
  if (!status && options->shares_prefix) status = prefill_trunk(&run);
  while (!status && (run.next < count || running(&run))) {
    status = admit(&run);
    if (!status) status = step(&run);
  }
  give_back(&run);
  return status;
}
