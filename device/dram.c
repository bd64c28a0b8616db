// SPDX-License-Identifier: Apache-2.0
// What a layer takes of the stacks' DRAM, and whether it fits.
#include <stdlib.h>
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

// Layers of two copies that are still to come, in copies of the stacks' spaces.
struct room {
  const struct duplex_moe *moe;
  struct space *space[DUPLEX_STACKS_MOST];
  // The layer, without experts, for what its pieces take; NULL: the stack has nothing of it.
  struct duplex_layer *slice[MOE_STAGES][DUPLEX_STACKS_MOST];
  unsigned xpu_bundles;  // of the layers to come: a mask
};

unsigned moe_emptiest_bundle(struct space *const *space, unsigned stacks) {
  unsigned emptiest = 0;
  uint32_t most = 0;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
    uint32_t rows = UINT32_MAX;
    for (unsigned stack = 0; stack < stacks; stack++)
      rows = (uint32_t)duplex_smaller(rows, space_free_rows(space[stack], 1u << bundle));
    if (rows < most) continue;
    most = rows;
    emptiest = bundle;
  }
  return emptiest;
}

static unsigned experts_with(const struct duplex_moe *moe, unsigned piece) {
  unsigned experts = 0;
  for (unsigned e = 0; e < moe->shape.experts; e++) experts += moe_has_piece(moe, e, piece);
  return experts;
}

static int open_stack(struct room *room, unsigned stack) {
  const struct duplex_moe *moe = room->moe;
  struct duplex_stack *own = moe->device->stack[stack];
  int error = DUPLEX_OK;
  room->space[stack] = malloc(sizeof *room->space[stack]);
  if (!room->space[stack]) return DUPLEX_ERROR_NO_MEMORY;
  *room->space[stack] = *own->space;
  for (unsigned i = 0; i < moe->stages && !error; i++) {
    struct duplex_layer_options options;
    if (moe_stack_options(moe, &moe->stage[i], stack, &options))
      error = duplex_stack_open_layer(own, &options, &room->slice[i][stack]);
  }
  return error;
}

static void close_stack(struct room *room, unsigned stack) {
  for (unsigned i = 0; i < MOE_STAGES; i++) duplex_layer_close(room->slice[i][stack]);
  free(room->space[stack]);
}

// A piece of all experts that have it, for one stage of a stack: as they would be loaded, but piece by piece,
// since no two pieces of a layer of two copies share a bundle.
static bool take_piece(struct room *room, unsigned stage, unsigned stack, unsigned q, unsigned bundles) {
  const unsigned experts = experts_with(room->moe, q);
  struct layer_place place = {0};
  bool fits = true;
  for (unsigned e = 0; e < experts && fits; e++)
    fits = layer_take_place(room->slice[stage][stack], q, bundles, room->space[stack], &place);
  return fits;
}

// The next layer, where it would lie.
static bool take_layer(struct room *room) {
  const struct duplex_moe *moe = room->moe;
  const unsigned xpu_bundle = moe_emptiest_bundle(room->space, moe->device->stacks);
  bool fits = true;
  room->xpu_bundles |= 1u << xpu_bundle;
  for (unsigned i = 0; i < moe->stages; i++)
    for (unsigned stack = 0; stack < moe->device->stacks; stack++)
      for (unsigned q = 0; q < moe->pieces && fits; q++)
        if (moe->stage[i].piece[stack][q].parts)
          fits = take_piece(room, i, stack, q, moe_bundles(moe, q, xpu_bundle));
  return fits;
}

// Whether x and results of a job on a piece find a run beside all weights, wherever the piece lies.
static bool job_fits(const struct room *room, unsigned stage, unsigned stack, unsigned q, size_t pairs) {
  const enum duplex_result_format format =
      room->moe->stage[stage].times.shape.rounded ? DUPLEX_RESULT_FORMAT_F32 : DUPLEX_RESULT_FORMAT_ACC;
  const uint64_t job = layer_job_row_sets(room->slice[stage][stack], q, format, pairs);
  bool fits = true;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    if (room->xpu_bundles >> bundle & 1)
      fits = fits && space_longest(room->space[stack], moe_bundles(room->moe, q, bundle)) >= job;
  return fits;
}

static bool jobs_fit(const struct room *room, size_t pairs) {
  const struct duplex_moe *moe = room->moe;
  bool fit = true;
  for (unsigned i = 0; i < moe->stages; i++)
    for (unsigned stack = 0; stack < moe->device->stacks; stack++)
      for (unsigned q = 0; q < moe->pieces && fit; q++)
        if (moe->stage[i].piece[stack][q].parts) fit = job_fits(room, i, stack, q, pairs);
  return fit;
}

int moe_has_room(const struct duplex_moe *moe, size_t layers, size_t pairs, bool *fits) {
  struct room room = {.moe = moe};
  int error = DUPLEX_OK;
  for (unsigned stack = 0; stack < moe->device->stacks && !error; stack++) error = open_stack(&room, stack);
  *fits = !error;
  for (size_t layer = 0; layer < layers && *fits; layer++) *fits = take_layer(&room);
  *fits = *fits && jobs_fit(&room, pairs);
  for (unsigned stack = 0; stack < moe->device->stacks; stack++) close_stack(&room, stack);
  return error ? device_fail(moe->device, error, "%s", duplex_error_text(error)) : DUPLEX_OK;
}

uint64_t moe_dram_bytes(const struct duplex_moe *moe) {
  uint64_t row_sets = 0;
  for (unsigned i = 0; i < moe->stages; i++)
    for (unsigned stack = 0; stack < moe->device->stacks; stack++)
      if (moe->stage[i].slice[stack]) row_sets += layer_taken_row_sets(moe->stage[i].slice[stack]);
  return row_sets * DUPLEX_ROW_SET_BYTES * moe->device->options.stack.backend.channels;
}
