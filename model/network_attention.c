// SPDX-License-Identifier: Apache-2.0
// The attention block of a layer: norm, q, k and v, their norms and rotation, attention of the whole batch on
// both processors, the output product.
#include <stdlib.h>
#include <string.h>

#include "cmodel/numerics/exact_mode.h"
#include "model/network_account.h"
#include "model/network_elements.h"
#include "model/network_sinks.h"
#include "model/network_untimed.h"
#include "xpu/binary32.h"
#include "xpu/norm.h"
#include "xpu/prefill.h"

// Operands of the stage. Each piece has a block of [heads][its tokens][head size] in every array; blocks of
// sequences that decode come first, so that they are one array of a batch.
struct stage {
  struct network_rows *rows;
  unsigned layer;
  duplex_f16 *q, *o, *k, *v;
  size_t *block;  // of each piece: tokens before it
  struct duplex_device_sequence **decoding;
  struct duplex_device_prefill *prefills;
  size_t decodes, prefill_count;
  struct seen_positions seen;
};

// Norms heads of q or k, each by itself or all of a token as one vector.
static void norm_heads(const struct network_rows *rows, duplex_f32 *values, const duplex_f32 *weight,
                       unsigned heads) {
  const struct model_config *config = rows->network->config;
  if (!weight) return;
  const bool whole = config->qk_norm == MODEL_QK_NORM_WHOLE;
  const size_t columns = whole ? (size_t)heads * config->head_size : config->head_size;
  for (size_t i = 0; i < rows->tokens * (whole ? 1 : heads); i++)
    xpu_norm(values + i * columns, weight, config->norm_epsilon, columns, values + i * columns);
}

// The last values of each head, all of them but for latent attention.
static void rotate_heads(const struct network_rows *rows, duplex_f32 *values, unsigned heads) {
  const unsigned pairs = rows->network->rotary.pairs;
  const size_t size = rows->network->config->head_size;
  for (size_t token = 0; token < rows->tokens; token++)
    for (unsigned head = 0; head < heads; head++)
      xpu_rotary_turn(values + (token * heads + head + 1) * size - 2 * pairs, pairs,
                      rows->sines + token * pairs, rows->cosines + token * pairs);
}

// Values beyond the limit become it, with their sign.
static void cut(duplex_f32 *values, size_t count, double limit) {
  const duplex_f32 most = binary32_bits((float)limit);
  for (size_t i = 0; i < count && limit != 0; i++) {
    const duplex_f32 size = values[i] & 0x7fffffffu;
    if (size > most && size <= 0x7f800000u) values[i] = (values[i] & 0x80000000u) | most;
  }
}

// Products, biases, norms and limits of q, k and v.
static int make_plain(struct network_rows *rows, const struct network_layer *layer) {
  struct network *network = rows->network;
  const struct model_config *config = network->config;
  int error = network_product(network, &layer->q, rows->narrow, rows->tokens, rows->q);
  if (!error) error = network_product(network, &layer->k, rows->narrow, rows->tokens, rows->k);
  if (!error) error = network_product(network, &layer->v, rows->narrow, rows->tokens, rows->v);
  if (error) return error;
  network_add_bias(rows->q, layer->q_bias, rows->tokens, layer->q.rows);
  network_add_bias(rows->k, layer->k_bias, rows->tokens, layer->k.rows);
  network_add_bias(rows->v, layer->v_bias, rows->tokens, layer->v.rows);
  norm_heads(rows, rows->q, layer->q_norm, config->heads);
  norm_heads(rows, rows->k, layer->k_norm, config->kv_heads);
  cut(rows->q, rows->tokens * layer->q.rows, config->qkv_limit);
  cut(rows->k, rows->tokens * layer->k.rows, config->qkv_limit);
  cut(rows->v, rows->tokens * layer->v.rows, config->qkv_limit);
  return DUPLEX_OK;
}

// Makes q, k and v of all tokens from the residuals: norm, what comes before the rotation, rotation.
static int make_heads(struct network_rows *rows, const struct network_layer *layer) {
  struct network *network = rows->network;
  const struct model_config *config = network->config;
  for (size_t token = 0; token < rows->tokens; token++)
    xpu_norm(rows->residual + token * config->hidden, layer->attention_norm, config->norm_epsilon,
             config->hidden, rows->wide + token * config->hidden);
  network_narrow(network, rows->wide, rows->tokens * config->hidden, rows->narrow);
  int error = elements_norm(rows, rows->tokens);
  if (!error) error = config->kv_rank ? network_make_latent(rows, layer) : make_plain(rows, layer);
  if (error) return error;
  rotate_heads(rows, rows->q, config->heads);
  rotate_heads(rows, rows->k, config->kv_heads);
  return elements_rotate(rows);
}

// One head of `size` values of a piece from rows of all heads, and zeros up to the stacks' head size.
static void gather_head(struct network *network, const duplex_f32 *from, unsigned size, unsigned heads,
                        size_t tokens, duplex_f16 *block) {
  for (size_t token = 0; token < tokens; token++, block += network->head_size) {
    network_narrow(network, from + token * heads * size, size, block);
    memset(block + size, 0, (network->head_size - size) * sizeof *block);
  }
}

// All heads of k or v, each as often as the stacks have it.
static void gather_keys(struct network *network, const duplex_f32 *from, unsigned size, size_t tokens,
                        duplex_f16 *block) {
  const unsigned heads = network->config->kv_heads;
  const unsigned copies = network->kv_heads / heads;
  for (unsigned head = 0; head < network->kv_heads; head++)
    gather_head(network, from + (size_t)(head / copies) * size, size, heads, tokens,
                block + head * tokens * network->head_size);
}

// All heads of q, with those of zeros that fill groups.
static void gather_queries(struct network *network, const duplex_f32 *from, size_t tokens,
                           duplex_f16 *block) {
  const struct model_config *config = network->config;
  const size_t values = tokens * network->head_size;
  for (unsigned head = 0; head < network->q_heads; head++, block += values) {
    unsigned of_model;
    if (network_query_head(network, head, &of_model))
      gather_head(network, from + (size_t)of_model * config->head_size, config->head_size, config->heads,
                  tokens, block);
    else
      memset(block, 0, values * sizeof *block);
  }
}

// Outputs of a piece, as rows of all heads without the zeros.
static void scatter(const struct network *network, const duplex_f16 *block, size_t tokens, duplex_f16 *to) {
  const unsigned size = network->config->value_size;
  const unsigned heads = network->config->heads;
  for (unsigned head = 0; head < network->q_heads; head++) {
    unsigned of_model;
    const bool real = network_query_head(network, head, &of_model);
    for (size_t token = 0; token < tokens; token++, block += network->head_size)
      if (real) memcpy(to + (token * heads + of_model) * size, block, size * sizeof *block);
  }
}

static bool take_stage(struct stage *stage) {
  const struct network_rows *rows = stage->rows;
  const struct network *network = rows->network;
  const size_t queries = rows->tokens * network->q_heads * network->head_size;
  const size_t keys = rows->tokens * network->kv_heads * network->head_size;
  stage->q = malloc(queries * sizeof *stage->q);
  stage->o = malloc(queries * sizeof *stage->o);
  stage->k = malloc(keys * sizeof *stage->k);
  stage->v = malloc(keys * sizeof *stage->v);
  stage->block = malloc(rows->piece_count * sizeof *stage->block);
  stage->decoding = malloc(rows->piece_count * sizeof *stage->decoding);
  stage->prefills = malloc(rows->piece_count * sizeof *stage->prefills);
  return stage->q && stage->o && stage->k && stage->v && stage->block && stage->decoding && stage->prefills;
}

static void free_stage(struct stage *stage) {
  free(stage->q);
  free(stage->o);
  free(stage->k);
  free(stage->v);
  free(stage->block);
  free(stage->decoding);
  free(stage->prefills);
}

// Blocks of the pieces that decode, then of the others.
static void place_blocks(struct stage *stage) {
  const struct network_rows *rows = stage->rows;
  size_t next = 0;
  for (int decodes = 1; decodes >= 0; decodes--)
    for (size_t i = 0; i < rows->piece_count; i++) {
      if (rows->pieces[i].sequence->decodes != decodes) continue;
      stage->block[i] = next;
      next += rows->pieces[i].count;
    }
}

// Calls `use` for every piece with the row of its first token.
static void each_piece(struct stage *stage, void (*use)(struct stage *, size_t piece, size_t row)) {
  size_t row = 0;
  for (size_t i = 0; i < stage->rows->piece_count; i++) {
    use(stage, i, row);
    row += stage->rows->pieces[i].count;
  }
}

// Copies the heads of piece i, whose first token is `row`, to where the device reads them.
static void bring_piece(struct stage *stage, size_t i, size_t row) {
  const struct network_rows *rows = stage->rows;
  struct network *network = rows->network;
  const struct model_config *config = network->config;
  const size_t count = rows->pieces[i].count;
  const size_t of_keys = stage->block[i] * network->kv_heads * network->head_size;
  duplex_f16 *queries = stage->q + stage->block[i] * network->q_heads * network->head_size;
  gather_queries(network, rows->q + row * config->heads * config->head_size, count, queries);
  if (network->pinned) network_add_sinks(network, &network->layers[stage->layer], count, queries);
  gather_keys(network, rows->k + row * config->kv_heads * config->head_size, config->head_size, count,
              stage->k + of_keys);
  gather_keys(network, rows->v + row * config->kv_heads * config->value_size, config->value_size, count,
              stage->v + of_keys);
}

// Lists piece i of the stage as a sequence that decodes, or as a prefill.
static void list_piece(struct stage *stage, size_t i, size_t row) {
  (void)row;
  const struct network_rows *rows = stage->rows;
  struct network_sequence *sequence = rows->pieces[i].sequence;
  const size_t of_queries = stage->block[i] * rows->network->q_heads * rows->network->head_size;
  const uint32_t window = network_window(rows->network, stage->layer);
  const size_t pinned = rows->network->pinned;
  const size_t seen = sequence->length + 1;
  if (sequence->decodes) {
    stage->decoding[stage->decodes++] = sequence->kv;
    stage->seen.decoded += window && window < seen ? window : seen;
    stage->seen.pinned += pinned;
  } else {
    stage->seen.prefilled += xpu_prefill_pairs(sequence->length, rows->pieces[i].count, window);
    stage->prefills[stage->prefill_count++] =
        (struct duplex_device_prefill){.sequence = sequence->kv,
                                       .first = sequence->length + pinned,
                                       .positions = rows->pieces[i].count,
                                       .q = stage->q + of_queries,
                                       .o = stage->o + of_queries};
  }
}

static void take_piece(struct stage *stage, size_t i, size_t row) {
  const struct network *network = stage->rows->network;
  scatter(network, stage->o + stage->block[i] * network->q_heads * network->head_size,
          stage->rows->pieces[i].count,
          stage->rows->narrow + row * network->config->heads * network->config->value_size);
}

// K and V of the pieces that are being prefilled; those of the others come with the stage.
static int append_prefills(struct stage *stage) {
  const struct network_rows *rows = stage->rows;
  const size_t of_token = (size_t)rows->network->kv_heads * rows->network->head_size;
  int error = DUPLEX_OK;
  for (size_t i = 0; i < rows->piece_count && !error; i++)
    if (!rows->pieces[i].sequence->decodes)
      error = duplex_device_append(rows->pieces[i].sequence->kv, stage->layer,
                                   stage->k + stage->block[i] * of_token,
                                   stage->v + stage->block[i] * of_token, rows->pieces[i].count);
  return error;
}

// Piece by piece on the host.
static int run_untimed(struct stage *stage) {
  struct network *network = stage->rows->network;
  const size_t of_keys = (size_t)network->kv_heads * network->head_size;
  const size_t of_queries = (size_t)network->q_heads * network->head_size;
  int error = DUPLEX_OK;
  for (size_t i = 0; i < stage->rows->piece_count && !error; i++) {
    const size_t at = stage->block[i];
    error = untimed_attend(network, stage->rows->pieces[i].sequence->untimed, stage->layer,
                           stage->rows->pieces[i].count, stage->k + at * of_keys, stage->v + at * of_keys,
                           stage->q + at * of_queries, stage->o + at * of_queries);
  }
  return error;
}

// Runs one layer's attention of a whole stage, decode and prefill at once.
static int run_stage(struct stage *stage) {
  struct network *network = stage->rows->network;
  int error = append_prefills(stage);
  if (error) return error;
  each_piece(stage, list_piece);
  const bool any = stage->decodes;
  const struct duplex_device_attention attention = {
      .layer = stage->layer,
      .q_heads = network->q_heads,
      .scale = network_scale(network),
      .decode = {stage->decoding, stage->decodes, any ? stage->k : NULL, any ? stage->v : NULL,
                 any ? stage->q : NULL, any ? stage->o : NULL},
      .prefills = stage->prefills,
      .prefill_count = stage->prefill_count};
  error = duplex_device_attention(network->kv, &attention);
  if (!error) account_attention(network, &stage->seen);
  return error;
}

int network_attend(struct network_rows *rows, unsigned layer, struct model_error *error_text) {
  struct network *network = rows->network;
  const struct network_layer *weights = &network->layers[layer];
  struct stage stage = {.rows = rows, .layer = layer};
  int error = make_heads(rows, weights);
  if (!error && !take_stage(&stage)) error = DUPLEX_ERROR_NO_MEMORY;
  if (error) model_fail(error_text, error, "attention of layer %u: %s", layer, duplex_error_text(error));
  if (!error) {
    place_blocks(&stage);
    each_piece(&stage, bring_piece);
    error = network->device ? run_stage(&stage) : run_untimed(&stage);
    if (error && network->device) network_device_failed(network, error, error_text);
    if (error && !network->device)
      model_fail(error_text, error, "attention of layer %u: %s", layer, duplex_error_text(error));
  }
  if (!error) {
    each_piece(&stage, take_piece);
    error = network_product(network, &weights->o, rows->narrow, rows->tokens, rows->wide);
    if (error) model_fail(error_text, error, "attention of layer %u: %s", layer, duplex_error_text(error));
  }
  if (!error) network_add(rows, rows->wide, weights->o_bias, sizeof(duplex_f32));
  free_stage(&stage);
  return error;
}
