// SPDX-License-Identifier: Apache-2.0
// One step of a batch: embeddings, the blocks of every layer, the head.
#include <stdlib.h>
#include <string.h>

#include "cmodel/numerics/exact_mode.h"
#include "duplex/arithmetic.h"
#include "model/network_account.h"
#include "model/network_elements.h"
#include "xpu/binary32.h"
#include "xpu/norm.h"

// Refuses a piece without tokens, beyond the model's positions or window, or with unknown tokens.
static int check_piece(const struct network *network, const struct network_piece *piece, size_t number,
                       struct model_error *error) {
  const struct model_config *config = network->config;
  const struct network_sequence *sequence = piece->sequence;
  const size_t length = sequence->length + piece->count;
  if (piece->count == 0 || (sequence->decodes && piece->count != 1))
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "piece %zu of the step has %zu tokens, expected %s",
                      number, piece->count, sequence->decodes ? "1, its prompt has ended" : "1 or more");
  if (sequence->is_prefix)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "piece %zu of the step is behind the end of a prefix",
                      number);
  if (length > config->positions)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT,
                      "piece %zu of the step ends at position %zu, the model has %u", number, length,
                      config->positions);
  for (size_t i = 0; i < piece->count; i++)
    if (piece->tokens[i] >= config->vocabulary)
      return model_fail(error, DUPLEX_ERROR_ARGUMENT, "token %u: expected 0 to %u, the model's vocabulary",
                        piece->tokens[i], config->vocabulary - 1);
  return DUPLEX_OK;
}

// Allocates what a step's tokens need; false if memory is short, the caller frees what there is.
static bool take_rows(struct network_rows *rows) {
  const struct network *network = rows->network;
  const struct model_config *config = network->config;
  const size_t q = (size_t)config->heads * config->head_size;
  const size_t k = (size_t)config->kv_heads * config->head_size;
  const size_t v = (size_t)config->kv_heads * config->value_size;
  const size_t widest = duplex_larger(config->hidden, (size_t)config->heads * config->value_size);
  const size_t pairs = rows->tokens * network->rotary.pairs;
  rows->residual = malloc(rows->tokens * config->hidden * sizeof *rows->residual);
  rows->narrow = malloc(rows->tokens * widest * sizeof *rows->narrow);
  rows->wide = malloc(rows->tokens * config->hidden * sizeof *rows->wide);
  rows->experts = malloc(rows->tokens * config->hidden * sizeof *rows->experts);
  rows->q = malloc(rows->tokens * q * sizeof *rows->q);
  rows->k = malloc(rows->tokens * k * sizeof *rows->k);
  rows->v = malloc(rows->tokens * v * sizeof *rows->v);
  rows->shared = config->shared_inner ? malloc(rows->tokens * config->hidden * sizeof *rows->shared) : NULL;
  rows->sines = malloc(pairs * sizeof *rows->sines);
  rows->cosines = malloc(pairs * sizeof *rows->cosines);
  return rows->residual && rows->narrow && rows->wide && rows->experts && rows->q && rows->k && rows->v &&
         rows->sines && rows->cosines && (rows->shared || !config->shared_inner);
}

static void free_rows(struct network_rows *rows) {
  free(rows->residual);
  free(rows->narrow);
  free(rows->wide);
  free(rows->shared);
  free(rows->experts);
  free(rows->q);
  free(rows->k);
  free(rows->v);
  free(rows->sines);
  free(rows->cosines);
}

// RN32(embedding_scale * embedding) of a token.
static int embed(const struct network *network, uint32_t token, duplex_f32 *row, struct model_error *error) {
  const float scale = (float)network->config->embedding_scale;
  const int status = model_row_read(network->model, MODEL_EMBEDDING, 0, 0, token, row, error);
  if (status || scale == 1) return status;
  const exact_mode saved = exact_begin(row);
  for (unsigned i = 0; i < network->config->hidden; i++)
    row[i] = binary32_bits(binary32_float(row[i]) * scale);
  exact_end(saved, row);
  return DUPLEX_OK;
}

// Sets the residuals to the embeddings, and the rotary angles of each token's position.
static int begin_rows(struct network_rows *rows, struct model_error *error) {
  const struct network *network = rows->network;
  size_t row = 0;
  for (size_t i = 0; i < rows->piece_count; i++) {
    const struct network_piece *piece = &rows->pieces[i];
    for (size_t t = 0; t < piece->count; t++, row++) {
      const size_t pairs = row * network->rotary.pairs;
      const int status =
          embed(network, piece->tokens[t], rows->residual + row * network->config->hidden, error);
      if (status) return status;
      xpu_rotary_angles(&network->rotary, piece->sequence->length + t, rows->sines + pairs,
                        rows->cosines + pairs);
    }
  }
  const int status = elements_embed(rows);
  return status ? model_fail(error, status, "the embedding: %s", duplex_error_text(status)) : DUPLEX_OK;
}

// Tells of the residual stream behind a block.
static void tell(const struct network_rows *rows, unsigned layer, unsigned unit) {
  const struct network_options *options = &rows->network->options;
  const duplex_f32 *row = rows->residual;
  for (size_t i = 0; i < rows->piece_count && options->passed; i++)
    for (size_t t = 0; t < rows->pieces[i].count; t++, row += rows->network->config->hidden)
      options->passed(options->context, layer, unit, rows->pieces[i].sequence->number,
                      rows->pieces[i].sequence->length + t, row);
}

// The last token of each piece whose logits are wanted, normed and rounded, one behind the other; returns how
// many.
static size_t narrow_ends(struct network_rows *rows) {
  const struct model_config *config = rows->network->config;
  size_t wanted = 0;
  size_t row = 0;
  for (size_t i = 0; i < rows->piece_count; i++) {
    row += rows->pieces[i].count;
    if (!rows->pieces[i].logits) continue;
    xpu_norm(rows->residual + (row - 1) * config->hidden, rows->network->final_norm, config->norm_epsilon,
             config->hidden, rows->wide);
    network_narrow(rows->network, rows->wide, config->hidden, rows->narrow + wanted * config->hidden);
    wanted++;
  }
  return wanted;
}

// RN32(RN32 of the exact sums / logits_divisor)
static void give_logits(const struct network_rows *rows, const duplex_f32 *all) {
  const float divisor = (float)rows->network->config->logits_divisor;
  const size_t count = rows->network->config->vocabulary;
  const exact_mode saved = exact_begin(all);
  for (size_t i = 0; i < rows->piece_count; i++) {
    duplex_f32 *to = rows->pieces[i].logits;
    if (!to) continue;
    for (size_t token = 0; token < count; token++)
      to[token] = binary32_bits(binary32_float(all[token]) / divisor);
    all += count;
  }
  exact_end(saved, rows->pieces);
}

// Gives logits and choices of the rows that want them; the others leave behind the last layer.
static int run_head(struct network_rows *rows, struct model_error *error) {
  const size_t wanted = narrow_ends(rows);
  int status = elements_norm(rows, wanted);
  if (status) return model_fail(error, status, "the last norm: %s", duplex_error_text(status));
  if (!wanted) return DUPLEX_OK;
  duplex_f32 *all = malloc(wanted * rows->network->config->vocabulary * sizeof *all);
  if (!all) return model_no_memory(error);
  status = network_product(rows->network, &rows->network->head, rows->narrow, wanted, all);
  if (!status) status = elements_choose(rows);
  if (status)
    model_fail(error, status, "the head: %s", duplex_error_text(status));
  else
    give_logits(rows, all);
  free(all);
  return status;
}

// K and V of a prompt or a prefix that has ended, in the KV spaces: in place of those in the prefill space,
// or beside them.
static int end_prompt(struct network_sequence *sequence, bool prefix, struct model_error *error) {
  struct network *network = sequence->network;
  struct duplex_device_sequence *copy = NULL;
  struct duplex_device_copied copied;
  if (network->device) {
    const struct duplex_device_sequence *base = sequence->base ? sequence->base->spaces : NULL;
    const int status = duplex_device_copy_sequence(sequence->kv, base, &copy, &copied);
    if (status) return network_device_failed(network, status, error);
    account_migration(network, copied.bytes, copied.clocks);
  }
  sequence->base = NULL;
  sequence->is_prefix = prefix;
  sequence->decodes = !prefix;
  if (prefix) {
    sequence->spaces = copy;
  } else if (copy) {
    duplex_device_free_sequence(sequence->kv);
    sequence->kv = copy;
  }
  return DUPLEX_OK;
}

static int end_pieces(struct network_rows *rows, struct model_error *error) {
  int status = DUPLEX_OK;
  for (size_t i = 0; i < rows->piece_count && !status; i++) {
    const struct network_piece *piece = &rows->pieces[i];
    piece->sequence->length += piece->count;
    if (!piece->sequence->decodes && (piece->prompt_ends || piece->prefix_ends))
      status = end_prompt(piece->sequence, piece->prefix_ends, error);
  }
  return status;
}

// Runs one layer on the residuals, and tells its rows and times to who wants them.
static int run_layer(struct network_rows *rows, unsigned layer, struct model_error *error) {
  struct network *network = rows->network;
  network->layer = (int)layer;
  uint64_t begin = account_clock(network);
  int status = network_attend(rows, layer, error);
  if (status) return status;
  account_event(network, "attention", NETWORK_LAYERS, begin);
  tell(rows, layer, 0);
  begin = account_clock(network);
  status = network_feed_forward(rows, layer, error);
  if (status) return status;
  account_event(network, "FFN", NETWORK_LAYERS, begin);
  tell(rows, layer, 1);
  network->layer = -1;
  return DUPLEX_OK;
}

int network_step(struct network *network, const struct network_piece *pieces, size_t count,
                 struct model_error *error) {
  struct network_rows rows = {.network = network, .pieces = pieces, .piece_count = count};
  int status = DUPLEX_OK;
  for (size_t i = 0; i < count && !status; i++) {
    status = check_piece(network, &pieces[i], i, error);
    rows.tokens += pieces[i].count;
  }
  if (status || count == 0) return status;
  account_begin_step(network);
  network->layer = -1;
  const uint64_t begin = account_clock(network);
  if (!take_rows(&rows)) status = model_no_memory(error);
  if (!status) status = begin_rows(&rows, error);
  for (unsigned layer = 0; layer < network->config->layers && !status; layer++)
    status = run_layer(&rows, layer, error);
  if (!status) status = run_head(&rows, error);
  if (!status) status = end_pieces(&rows, error);
  account_event(network, "step", NETWORK_STEPS, begin);
  network->steps++;
  free_rows(&rows);
  return status;
}
