// SPDX-License-Identifier: Apache-2.0
// What the device does for a network, on the host alone.
#include "model/network_untimed.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/softmax.h"
#include "model/network_account.h"
#include "model/network_biased.h"
#include "xpu/combine.h"
#include "xpu/gemm.h"
#include "xpu/router.h"

#define ROOM_STEP 64u  // positions

static size_t head_values(const struct network *network, const struct untimed_kv *kv) {
  return kv->room * network->head_size;
}

int untimed_begin(const struct network *network, size_t expected, struct untimed_kv **made) {
  const unsigned layers = network->config->layers;
  struct untimed_kv *kv = calloc(1, sizeof *kv);
  *made = kv;
  if (!kv) return DUPLEX_ERROR_NO_MEMORY;
  kv->room = (expected + ROOM_STEP) / ROOM_STEP * ROOM_STEP;
  kv->lengths = calloc(layers, sizeof *kv->lengths);
  kv->k = calloc(layers, sizeof *kv->k);
  kv->v = calloc(layers, sizeof *kv->v);
  bool all = kv->lengths && kv->k && kv->v;
  const size_t bytes = network->kv_heads * head_values(network, kv) * sizeof(duplex_f16);
  for (unsigned i = 0; i < layers && all; i++) {
    kv->k[i] = malloc(bytes);
    kv->v[i] = malloc(bytes);
    all = kv->k[i] && kv->v[i];
  }
  if (all) return DUPLEX_OK;
  untimed_end(network, kv);
  *made = NULL;
  return DUPLEX_ERROR_NO_MEMORY;
}

void untimed_pin(const struct network *network, struct untimed_kv *kv, const duplex_f16 *k) {
  const size_t size = network->head_size;
  for (unsigned layer = 0; layer < network->config->layers; layer++) {
    for (unsigned head = 0; head < network->kv_heads; head++) {
      memcpy(kv->k[layer] + head * head_values(network, kv), k, size * sizeof *k);
      memset(kv->v[layer] + head * head_values(network, kv), 0, size * sizeof *k);
    }
    kv->lengths[layer] = 1;
  }
}

void untimed_end(const struct network *network, struct untimed_kv *kv) {
  if (!kv) return;
  for (unsigned i = 0; i < network->config->layers; i++) {
    if (kv->k) free(kv->k[i]);
    if (kv->v) free(kv->v[i]);
  }
  free(kv->k);
  free(kv->v);
  free(kv->lengths);
  free(kv);
}

int untimed_share(const struct network *network, const struct untimed_kv *from, size_t positions,
                  size_t expected, struct untimed_kv **made) {
  const int error = untimed_begin(network, expected > positions ? expected : positions, made);
  if (error) return error;
  const size_t bytes = positions * network->head_size * sizeof(duplex_f16);
  for (unsigned layer = 0; layer < network->config->layers; layer++) {
    for (unsigned head = 0; head < network->kv_heads; head++) {
      const size_t to_at = head * head_values(network, *made);
      const size_t from_at = head * head_values(network, from);
      memcpy((*made)->k[layer] + to_at, from->k[layer] + from_at, bytes);
      memcpy((*made)->v[layer] + to_at, from->v[layer] + from_at, bytes);
    }
    (*made)->lengths[layer] = positions;
  }
  return DUPLEX_OK;
}

// Heads of one matrix with room for more positions.
static int widen(const struct network *network, duplex_f16 **heads, size_t old_values, size_t new_values) {
  duplex_f16 *more = realloc(*heads, network->kv_heads * new_values * sizeof *more);
  if (!more) return DUPLEX_ERROR_NO_MEMORY;
  for (unsigned head = network->kv_heads; head-- > 0;)
    memmove(more + head * new_values, more + head * old_values, old_values * sizeof *more);
  *heads = more;
  return DUPLEX_OK;
}

static int make_room(const struct network *network, struct untimed_kv *kv, size_t positions) {
  if (positions <= kv->room) return DUPLEX_OK;
  const size_t old_values = head_values(network, kv);
  const size_t new_values = 2 * positions * network->head_size;
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < network->config->layers && !error; i++) {
    error = widen(network, &kv->k[i], old_values, new_values);
    if (!error) error = widen(network, &kv->v[i], old_values, new_values);
  }
  if (!error) kv->room = 2 * positions;
  return error;
}

int untimed_attend(struct network *network, struct untimed_kv *kv, unsigned layer, size_t positions,
                   const duplex_f16 *k, const duplex_f16 *v, const duplex_f16 *q, duplex_f16 *o) {
  const size_t first = kv->lengths[layer];
  const size_t new_values = positions * network->head_size;
  const int error = make_room(network, kv, first + positions);
  if (error) return error;
  for (unsigned head = 0; head < network->kv_heads; head++) {
    const size_t at = head * head_values(network, kv) + first * network->head_size;
    memcpy(kv->k[layer] + at, k + head * new_values, new_values * sizeof *k);
    memcpy(kv->v[layer] + at, v + head * new_values, new_values * sizeof *v);
  }
  kv->lengths[layer] += positions;
  const double scale = network_scale(network);
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_PREFILL,
                                       .prefill = {.heads = network->q_heads,
                                                   .kv_heads = network->kv_heads,
                                                   .dimension = network->head_size,
                                                   .first = (uint32_t)first,
                                                   .tokens = (uint32_t)positions,
                                                   .window = network_window(network, layer),
                                                   .pinned = network->pinned,
                                                   .q = q,
                                                   .k = kv->k[layer],
                                                   .v = kv->v[layer],
                                                   .kv_stride = head_values(network, kv),
                                                   .scale = duplex_attention_scale(scale, network->head_size),
                                                   .wide = network->wide,
                                                   .out = o}};
  return network_work(network, &work);
}

// What one layer's experts share.
struct experts_run {
  struct network *network;
  const struct network_layer *layer;
  const duplex_f16 *x;
  size_t tokens;
  uint32_t *chosen;     // [tokens][top k]
  duplex_f32 *weights;  // likewise
  // Of one expert.
  uint32_t *list;  // [tokens]
  duplex_f32 *shares;
  duplex_f16 *rows;  // [tokens][hidden]
  duplex_f32 *y;
};

// Chooses the experts of all tokens and their weights, as the device's router does.
static int route(struct experts_run *run) {
  const struct model_config *config = run->network->config;
  const struct xpu_dense rows = {run->layer->router.values, config->hidden};
  const struct xpu_choice choice = network_choice(config, run->layer);
  const struct xpu_router router = {.x = run->x,
                                    .x_stride = config->hidden,
                                    .tokens = (unsigned)run->tokens,
                                    .columns = config->hidden,
                                    .experts = config->experts,
                                    .weights = xpu_dense_weights(&rows),
                                    .exponents = run->layer->router.exponents,
                                    .bias = run->layer->router_bias,
                                    .top_k = config->chosen,
                                    .score = config->score,
                                    .renormalise = config->renormalise,
                                    .choice = config->groups ? &choice : NULL,
                                    .threads = run->network->options.device.threads};
  return xpu_route(&router, run->chosen, run->weights);
}

// The time of the router's product, which is no work of its own.
static int account_router(const struct experts_run *run) {
  const struct model_config *config = run->network->config;
  struct duplex_xpu *xpu = run->network->xpu;
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_GEMM,
                                       .gemm = {.tokens = (unsigned)run->tokens,
                                                .columns = config->hidden,
                                                .rows = config->experts,
                                                .format = DUPLEX_RESULT_FORMAT_F32}};
  uint64_t picoseconds;
  const int error = xpu->ops->estimate(xpu, &work, &picoseconds);
  if (!error) account_work(run->network, &work, picoseconds + xpu->ops->launch(xpu));
  return error;
}

// The tokens that chose an expert, with their weights and rows; returns how many.
static unsigned gather(struct experts_run *run, unsigned expert) {
  const struct model_config *config = run->network->config;
  unsigned count = 0;
  for (size_t i = 0; i < run->tokens * config->chosen; i++) {
    if (run->chosen[i] != expert) continue;
    const size_t token = i / config->chosen;
    run->list[count] = (uint32_t)token;
    run->shares[count] = run->weights[i];
    memcpy(run->rows + count * config->hidden, run->x + token * config->hidden,
           config->hidden * sizeof *run->rows);
    count++;
  }
  return count;
}

// A matrix of one expert, as it lies in that of all.
static struct model_matrix matrix_of(duplex_f16 *values, int8_t *exponents, unsigned expert, size_t rows,
                                     size_t columns) {
  return (struct model_matrix){rows, columns, values + expert * rows * columns, exponents + expert * rows, 0};
}

static int run_biased(struct experts_run *run, unsigned expert, unsigned count) {
  const size_t inner = run->network->config->expert_inner;
  const size_t hidden = run->network->config->hidden;
  const struct expert_matrices *e = &run->layer->experts;
  const struct biased_ffn ffn = {.gate = matrix_of(e->gate, e->gate_exponents, expert, inner, hidden),
                                 .up = matrix_of(e->up, e->up_exponents, expert, inner, hidden),
                                 .down = matrix_of(e->down, e->down_exponents, expert, hidden, inner),
                                 .gate_bias = e->gate_bias + expert * inner,
                                 .up_bias = e->up_bias + expert * inner,
                                 .down_bias = e->down_bias + expert * hidden};
  return network_biased_ffn(run->network, &ffn, run->rows, count, run->y);
}

// Runs one expert on its `count` gathered tokens, on the xPU.
static int run_expert(struct experts_run *run, unsigned expert, unsigned count) {
  const struct model_config *config = run->network->config;
  const size_t inner = config->expert_inner;
  const size_t hidden = config->hidden;
  const struct expert_matrices *experts = &run->layer->experts;
  const struct xpu_dense gate = {experts->gate + expert * inner * hidden, hidden};
  const struct xpu_dense up = {experts->up + expert * inner * hidden, hidden};
  const struct xpu_dense down = {experts->down + expert * inner * hidden, inner};
  if (config->ffn_bias) return run_biased(run, expert, count);
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT,
                                       .expert = {.x = run->rows,
                                                  .x_stride = hidden,
                                                  .tokens = count,
                                                  .columns = (unsigned)hidden,
                                                  .inner = (unsigned)inner,
                                                  .gated = true,
                                                  .gate = xpu_dense_weights(&gate),
                                                  .up = xpu_dense_weights(&up),
                                                  .down = xpu_dense_weights(&down),
                                                  .gate_exponents = experts->gate_exponents + expert * inner,
                                                  .up_exponents = experts->up_exponents + expert * inner,
                                                  .down_exponents = experts->down_exponents + expert * hidden,
                                                  .activation = run->network->activation,
                                                  .format = DUPLEX_RESULT_FORMAT_F32,
                                                  .out = run->y,
                                                  .out_stride = hidden}};
  return network_work(run->network, &work);
}

static int run_all(struct experts_run *run, const struct xpu_combine *combine, uint16_t *counts) {
  int error = route(run);
  if (!error) error = account_router(run);
  xpu_combine_begin(combine);
  for (unsigned expert = 0; expert < run->network->config->experts && !error; expert++) {
    const unsigned count = gather(run, expert);
    counts[expert] = (uint16_t)count;
    if (!count) continue;
    error = run_expert(run, expert, count);
    if (!error) xpu_combine_add(combine, run->list, run->shares, count, run->y, run->network->config->hidden);
  }
  return error;
}

int untimed_experts(struct network *network, const struct network_layer *layer, const duplex_f16 *x,
                    size_t tokens, duplex_f16 *y, uint16_t *counts) {
  const struct model_config *config = network->config;
  const size_t values = tokens * config->hidden;
  struct experts_run run = {.network = network, .layer = layer, .x = x, .tokens = tokens};
  run.chosen = malloc(tokens * config->chosen * sizeof *run.chosen);
  run.weights = malloc(tokens * config->chosen * sizeof *run.weights);
  run.list = malloc(tokens * sizeof *run.list);
  run.shares = malloc(tokens * sizeof *run.shares);
  run.rows = malloc(values * sizeof *run.rows);
  run.y = malloc(values * sizeof *run.y);
  const struct xpu_combine combine = {malloc(values * sizeof *combine.sums), config->hidden, (unsigned)tokens,
                                      config->hidden, network->options.device.threads};
  const bool all = run.chosen && run.weights && run.list && run.shares && run.rows && run.y && combine.sums;
  int error = all ? run_all(&run, &combine, counts) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) xpu_combine_finish(&combine, y, config->hidden);
  if (!error) error = account_experts(network, counts, tokens);
  free(run.chosen);
  free(run.weights);
  free(run.list);
  free(run.shares);
  free(run.rows);
  free(run.y);
  free(combine.sums);
  return error;
}
