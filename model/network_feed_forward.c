// SPDX-License-Identifier: Apache-2.0
// The feed-forward block of a layer: norm, then one FFN on the xPU or the experts on both processors.
#include <string.h>

#include "model/network_account.h"
#include "model/network_biased.h"
#include "model/network_elements.h"
#include "model/network_split.h"
#include "model/network_untimed.h"
#include "xpu/gemm.h"
#include "xpu/norm.h"

// The matrices of one FFN.
struct ffn {
  const struct model_matrix *gate, *up, *down;
};

static int run_biased(struct network_rows *rows, const struct network_layer *layer) {
  const struct biased_ffn ffn = {.gate = layer->gate,
                                 .up = layer->up,
                                 .down = layer->down,
                                 .gate_bias = layer->gate_bias,
                                 .up_bias = layer->up_bias,
                                 .down_bias = layer->down_bias};
  return network_biased_ffn(rows->network, &ffn, rows->narrow, rows->tokens, rows->wide);
}

// Runs an FFN of all tokens on the xPU, whole or split into parts: out[tokens][hidden].
static int run_ffn(struct network_rows *rows, const struct ffn *ffn, unsigned parts, duplex_f32 *out) {
  struct network *network = rows->network;
  const struct xpu_dense gate = {ffn->gate->values, ffn->gate->columns};
  const struct xpu_dense up = {ffn->up->values, ffn->up->columns};
  const struct xpu_dense down = {ffn->down->values, ffn->down->columns};
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT,
                                       .expert = {.x = rows->narrow,
                                                  .x_stride = ffn->up->columns,
                                                  .tokens = (unsigned)rows->tokens,
                                                  .columns = (unsigned)ffn->up->columns,
                                                  .inner = (unsigned)ffn->up->rows,
                                                  .gated = true,
                                                  .gate = xpu_dense_weights(&gate),
                                                  .up = xpu_dense_weights(&up),
                                                  .down = xpu_dense_weights(&down),
                                                  .gate_exponents = ffn->gate->exponents,
                                                  .up_exponents = ffn->up->exponents,
                                                  .down_exponents = ffn->down->exponents,
                                                  .activation = network->activation,
                                                  .format = DUPLEX_RESULT_FORMAT_F32,
                                                  .out = out,
                                                  .out_stride = ffn->down->rows}};
  return parts ? network_split_ffn(network, &work.expert) : network_work(network, &work);
}

static int run_dense(struct network_rows *rows, const struct network_layer *layer) {
  const struct network *network = rows->network;
  const struct ffn ffn = {&layer->gate, &layer->up, &layer->down};
  if (network->config->ffn_bias) return run_biased(rows, layer);
  return run_ffn(rows, &ffn, network->options.split_ffn, rows->wide);
}

// The FFN beside the experts of a layer.
static int run_shared(struct network_rows *rows, const struct network_layer *layer) {
  const struct ffn ffn = {&layer->shared_gate, &layer->shared_up, &layer->shared_down};
  return rows->shared ? run_ffn(rows, &ffn, 0, rows->shared) : DUPLEX_OK;
}

static void note_moe(struct network *network, uint16_t *counts) {
  struct duplex_moe_stats stats;
  duplex_device_last_stats(network->device, &stats);
  memcpy(counts, stats.tokens, sizeof stats.tokens);
  account_moe(network, &stats);
}

// At most MOE_TOKENS_MOST tokens, and how many each expert has.
static int run_some(struct network *network, const struct network_layer *layer, const duplex_f16 *x,
                    size_t tokens, duplex_f16 *y, uint16_t *counts) {
  const struct model_config *config = network->config;
  const struct xpu_choice wanted = network_choice(config, layer);
  const struct duplex_moe_choice choice = {wanted.bias, wanted.groups, wanted.groups_taken, wanted.scale};
  const struct duplex_moe_routing routing = {config->chosen, (enum duplex_score)config->score,
                                             config->renormalise, config->groups ? &choice : NULL};
  if (!network_has_stacks_for_experts(network)) return untimed_experts(network, layer, x, tokens, y, counts);
  const int error = duplex_device_moe(network->device, layer->moe, &routing, x, tokens, y);
  if (!error) note_moe(network, counts);
  return error;
}

// The experts give binary16 (docs/xpu_numerics.md, combination).
static int run_experts(struct network_rows *rows, unsigned number) {
  struct network *network = rows->network;
  const size_t hidden = network->config->hidden;
  int error = run_shared(rows, &network->layers[number]);
  for (size_t first = 0; first < rows->tokens && !error; first += MOE_TOKENS_MOST) {
    const size_t left = rows->tokens - first;
    const size_t count = left < MOE_TOKENS_MOST ? left : MOE_TOKENS_MOST;
    uint16_t counts[DUPLEX_EXPERTS_MOST] = {0};
    error = run_some(network, &network->layers[number], rows->narrow + first * hidden, count, rows->experts,
                     counts);
    if (error) break;
    if (network->options.routed)
      network->options.routed(network->options.context, network->steps, number, counts);
    for (size_t i = 0; i < count * hidden; i++)
      rows->wide[first * hidden + i] = duplex_f16_to_f32(rows->experts[i]);
  }
  if (!error && rows->shared) network_add_bias(rows->wide, rows->shared, 1, rows->tokens * hidden);
  return error;
}

int network_feed_forward(struct network_rows *rows, unsigned layer, struct model_error *error_text) {
  struct network *network = rows->network;
  const struct model_config *config = network->config;
  const struct network_layer *weights = &network->layers[layer];
  for (size_t token = 0; token < rows->tokens; token++)
    xpu_norm(rows->residual + token * config->hidden, weights->ffn_norm, config->norm_epsilon, config->hidden,
             rows->wide + token * config->hidden);
  network_narrow(network, rows->wide, rows->tokens * config->hidden, rows->narrow);
  const bool sparse = config->layer[layer].sparse;
  int error = elements_norm(rows, rows->tokens);
  if (error) return model_fail(error_text, error, "norm of layer %u: %s", layer, duplex_error_text(error));
  if (sparse) {
    error = run_experts(rows, layer);
    const bool stacks = network_has_stacks_for_experts(network);
    if (error && stacks) network_device_failed(network, error, error_text);
    if (error && !stacks)
      model_fail(error_text, error, "experts of layer %u: %s", layer, duplex_error_text(error));
  } else {
    error = run_dense(rows, weights);
    if (error) model_fail(error_text, error, "FFN of layer %u: %s", layer, duplex_error_text(error));
  }
  const size_t bytes = (sparse ? sizeof(duplex_f16) : 0) + (!sparse || rows->shared ? sizeof(duplex_f32) : 0);
  if (!error) network_add(rows, rows->wide, NULL, bytes);
  return error;
}
