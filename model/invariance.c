// SPDX-License-Identifier: Apache-2.0
// Runs requests in several ways, and compares the residual stream behind every block, and the logits.
#include "model/invariance.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/random.h"

// Hashes of one request: of the row behind each block at each position, and of the logits behind each.
struct trail {
  size_t positions;  // of prompt and new tokens
  uint64_t *blocks;  // [positions][layers][2]
  uint64_t *logits;  // [positions], 0: none
  uint64_t *found;   // the same of the way that runs now
};

struct invariance {
  const struct model *model;
  const struct generation_request *requests;
  size_t count, layers, hidden, vocabulary;
  struct trail *trails;  // [count], of the first way
  bool has_trails;
  // Of the way that runs now.
  struct invariance_result *result;
};

struct invariance *invariance_new(const struct model *model, const struct generation_request *requests,
                                  size_t count) {
  struct invariance *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  *made = (struct invariance){.model = model, .requests = requests, .count = count};
  made->layers = model_config_of(model)->layers;
  made->hidden = model_config_of(model)->hidden;
  made->vocabulary = model_config_of(model)->vocabulary;
  made->trails = calloc(count, sizeof *made->trails);
  bool all = made->trails != NULL;
  for (size_t i = 0; i < count && all; i++) {
    struct trail *trail = &made->trails[i];
    trail->positions = requests[i].prompt_count + requests[i].new_tokens;
    trail->blocks = calloc(trail->positions * made->layers * 2, sizeof *trail->blocks);
    trail->logits = calloc(trail->positions, sizeof *trail->logits);
    trail->found = calloc(trail->positions, sizeof *trail->found);
    all = trail->blocks && trail->logits && trail->found;
  }
  if (all) return made;
  invariance_free(made);
  return NULL;
}

void invariance_free(struct invariance *invariance) {
  if (!invariance) return;
  for (size_t i = 0; i < invariance->count && invariance->trails; i++) {
    free(invariance->trails[i].blocks);
    free(invariance->trails[i].logits);
    free(invariance->trails[i].found);
  }
  free(invariance->trails);
  free(invariance);
}

// Every bit counts, and its place.
static uint64_t hash_on(uint64_t hash, const duplex_f32 *row, size_t count) {
  for (size_t i = 0; i < count; i++) {
    hash = (hash ^ row[i]) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  return hash;
}

// Keeps a hash in the first way, and compares it in the others; the first difference is the one that counts.
static void note(struct invariance *run, uint64_t *kept, uint64_t hash, struct invariance_difference place) {
  if (!run->has_trails) {
    *kept = hash;
    return;
  }
  run->result->rows++;
  if (*kept == hash || !run->result->same) return;
  run->result->same = false;
  run->result->difference = place;
}

static void passed(void *context, unsigned layer, unsigned unit, uint64_t number, size_t position,
                   const duplex_f32 *row) {
  struct invariance *run = context;
  if (number >= run->count) return;
  note(run, &run->trails[number].blocks[(position * run->layers + layer) * 2 + unit],
       hash_on(1, row, run->hidden), (struct invariance_difference){number, position, layer, unit});
}

static int chosen(void *context, const struct generation_request *request, const duplex_f32 *logits) {
  struct invariance *run = context;
  if (request->number >= run->count) return DUPLEX_OK;
  const size_t position = request->prompt_count + request->token_count - 1;
  const uint64_t hash = hash_on(1, logits, run->vocabulary);
  struct trail *trail = &run->trails[request->number];
  trail->found[position] = hash;
  note(run, &trail->logits[position], hash,
       (struct invariance_difference){request->number, position, (unsigned)run->layers, 0});
  return DUPLEX_OK;
}

// One hash of the logits of all requests, of so many new tokens at most; 0: of all. A row that is missing
// counts as one of hash 0.
static uint64_t hash_of(const struct invariance *run, bool of_first, size_t new_tokens) {
  uint64_t hash = 1;
  for (size_t i = 0; i < run->count; i++) {
    const uint64_t *rows = of_first ? run->trails[i].logits : run->trails[i].found;
    const struct generation_request *request = &run->requests[i];
    const size_t all = request->new_tokens;
    for (size_t t = 0; t < (new_tokens && new_tokens < all ? new_tokens : all); t++) {
      const uint64_t row = rows[request->prompt_count + t];
      hash = hash_on(hash, (const duplex_f32[]){(duplex_f32)row, (duplex_f32)(row >> 32)}, 2);
    }
  }
  return hash;
}

static void free_requests(struct generation_request *requests, size_t all) {
  for (size_t i = 0; i < all && requests; i++) {
    free(requests[i].tokens);
    free(requests[i].prompt);
  }
  free(requests);
}

// The requests, and companions made of them: the same prompts, backwards.
static struct generation_request *copy_requests(const struct invariance *run, size_t all, size_t new_tokens) {
  struct generation_request *made = calloc(all, sizeof *made);
  bool whole = made != NULL;
  for (size_t i = 0; i < all && whole; i++) {
    const struct generation_request *of = &run->requests[i % run->count];
    made[i] = *of;
    made[i].number = i;
    made[i].arrival = 0;
    made[i].token_count = 0;
    if (new_tokens && new_tokens < of->new_tokens) made[i].new_tokens = new_tokens;
    made[i].tokens = malloc(of->new_tokens * sizeof *made[i].tokens);
    made[i].prompt = malloc(of->prompt_count * sizeof *made[i].prompt);
    whole = made[i].tokens && made[i].prompt;
    for (size_t t = 0; t < of->prompt_count && whole; t++)
      made[i].prompt[t] = of->prompt[i < run->count ? t : of->prompt_count - 1 - t];
  }
  if (whole) return made;
  free_requests(made, all);
  return NULL;
}

static void shuffle(struct generation_request *requests, size_t all, uint64_t seed) {
  struct duplex_random random;
  duplex_random_seed(&random, seed, 0);
  for (size_t i = all; i > 1; i--) {
    const size_t other = duplex_random_below(&random, i);
    const struct generation_request kept = requests[i - 1];
    requests[i - 1] = requests[other];
    requests[other] = kept;
  }
}

// Runs all requests on a network of this way's own.
static int run_network(struct invariance *run, const struct invariance_way *way,
                       struct generation_request *requests, size_t all, struct model_error *error) {
  struct network_options options = way->network;
  struct network *network;
  const struct generation_options generation = {.batch = way->batch,
                                                .chunk = way->chunk,
                                                .shares_prefix = way->shares_prefix,
                                                .ignore_end_tokens = way->ignore_end_tokens,
                                                .chosen = chosen,
                                                .context = run};
  options.passed = passed;
  options.context = run;
  int status = network_open(run->model, &options, &network, error);
  if (status) return status;
  status = generation_run(network, requests, all, &generation, &run->result->statistics, error);
  network_close(network);
  return status;
}

int invariance_run(struct invariance *run, const struct invariance_way *way, struct invariance_result *result,
                   struct model_error *error) {
  const size_t all = run->count + way->companions;
  struct generation_request *requests = copy_requests(run, all, way->new_tokens);
  *result = (struct invariance_result){.same = true};
  run->result = result;
  for (size_t i = 0; i < run->count; i++)
    memset(run->trails[i].found, 0, run->trails[i].positions * sizeof *run->trails[i].found);
  int status = requests ? DUPLEX_OK : model_no_memory(error);
  if (!status && way->order) shuffle(requests, all, way->order);
  if (!status) status = run_network(run, way, requests, all, error);
  free_requests(requests, all);
  if (status) return status;
  result->hash = hash_of(run, false, way->new_tokens);
  result->expected = hash_of(run, true, way->new_tokens);
  run->has_trails = true;
  return DUPLEX_OK;
}
