// SPDX-License-Identifier: Apache-2.0
// What a layer takes of the stacks' DRAM, and whether it fits.
#include <string.h>

#include "device/layer.h"
#include "driver/layer.h"
#include "duplex/arithmetic.h"
#include "duplex/geometry.h"

bool moe_stack_options(const struct duplex_moe *moe, const struct moe_stage *stage, unsigned stack,
                       struct duplex_layer_options *options) {
  bool any = false;
  *options = stage_layer(stage->kind, &stage->times.shape, (unsigned)moe->shape.experts);
  for (unsigned q = 0; q < moe->pieces; q++) {
    const struct moe_piece *piece = &stage->piece[stack][q];
    options->piece[q].bundles = piece->bundles;
    options->piece[q].parts = piece->parts;
    memcpy(options->piece[q].inner, piece->inner, sizeof piece->inner);
    any = any || piece->parts;
  }
  return any;
}

// What each piece takes of a stack, in row sets of its bundles: the weights of all experts that have it, of
// all stages; and x and results of the largest job on it.
struct needed {
  uint64_t weights[DUPLEX_LAYER_PIECES], job[DUPLEX_LAYER_PIECES];
};

static unsigned experts_with(const struct duplex_moe *moe, unsigned piece) {
  unsigned experts = 0;
  for (unsigned e = 0; e < moe->shape.experts; e++) experts += moe_has_piece(moe, e, piece);
  return experts;
}

// Adds a stage. The layer is opened without experts, and closed again.
static int add_stage(const struct duplex_moe *moe, const struct moe_stage *stage, unsigned stack,
                     size_t pairs, struct needed *needed) {
  const enum duplex_result_format format =
      stage->format == SCHEDULE_ROUNDED ? DUPLEX_RESULT_FORMAT_F32 : DUPLEX_RESULT_FORMAT_ACC;
  struct duplex_layer_options options;
  struct duplex_layer *layer;
  if (!moe_stack_options(moe, stage, stack, &options)) return DUPLEX_OK;
  const int error = duplex_stack_open_layer(moe->device->stack[stack], &options, &layer);
  if (error) return error;
  for (unsigned q = 0; q < moe->pieces; q++) {
    if (!options.piece[q].parts) continue;
    needed->weights[q] += experts_with(moe, q) * layer_piece_row_sets(layer, q);
    needed->job[q] = duplex_larger_u64(needed->job[q], layer_job_row_sets(layer, q, format, pairs));
  }
  return duplex_layer_close(layer);
}

// Each piece has the longest run that is free in its bundles for itself: no two pieces of a layer with copies
// share a bundle.
static int stack_has_room(const struct duplex_moe *moe, unsigned stack, size_t layers, size_t pairs,
                          bool *fits) {
  const struct duplex_stack *own = moe->device->stack[stack];
  struct needed needed = {{0}, {0}};
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < moe->stages && !error; i++)
    error = add_stage(moe, &moe->stage[i], stack, pairs, &needed);
  for (unsigned q = 0; q < moe->pieces; q++) {
    const uint64_t longest = space_longest(own->space, moe->stage[0].piece[stack][q].bundles);
    const uint64_t left = longest > needed.job[q] ? longest - needed.job[q] : 0;
    if (needed.weights[q]) *fits = *fits && left / needed.weights[q] >= layers;
  }
  return error;
}

int moe_has_room(const struct duplex_moe *moe, size_t layers, size_t pairs, bool *fits) {
  int error = DUPLEX_OK;
  *fits = true;
  for (unsigned stack = 0; stack < moe->device->stacks && !error; stack++)
    error = stack_has_room(moe, stack, layers, pairs, fits);
  return error ? device_fail(moe->device, error, "%s", duplex_error_text(error)) : DUPLEX_OK;
}

uint64_t moe_dram_bytes(const struct duplex_moe *moe) {
  uint64_t row_sets = 0;
  for (unsigned i = 0; i < moe->stages; i++)
    for (unsigned stack = 0; stack < moe->device->stacks; stack++)
      if (moe->stage[i].slice[stack]) row_sets += layer_taken_row_sets(moe->stage[i].slice[stack]);
  return row_sets * DUPLEX_ROW_SET_BYTES * moe->device->options.stack.backend.channels;
}
