// SPDX-License-Identifier: Apache-2.0
// What a layer takes of the stacks' DRAM, and whether it fits.
#include <stdlib.h>

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
    options->piece[q] = moe_layer_piece(piece);
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

// The device's text is the stack's, with the number of this one.
static int stack_lacks(struct duplex_device *device, unsigned stack, int error) {
  return device_fail(device, error, "stack %u: %s", stack, duplex_stack_last_error(device->stack[stack]));
}

static int open_stack(struct room *room, unsigned stack) {
  const struct duplex_moe *moe = room->moe;
  struct duplex_stack *own = moe->device->stack[stack];
  int error = DUPLEX_OK;
  room->space[stack] = malloc(sizeof *room->space[stack]);
  if (!room->space[stack]) return device_no_memory(moe->device);
  *room->space[stack] = *own->space;
  for (unsigned i = 0; i < moe->stages && !error; i++) {
    struct duplex_layer_options options;
    if (moe_stack_options(moe, &moe->stage[i], stack, &options))
      error = duplex_stack_open_layer(own, &options, &room->slice[i][stack]);
  }
  return error ? stack_lacks(moe->device, stack, error) : DUPLEX_OK;
}

static void close_stack(struct room *room, unsigned stack) {
  for (unsigned i = 0; i < MOE_STAGES; i++) duplex_layer_close(room->slice[i][stack]);
  free(room->space[stack]);
}

// The first piece of a layer for which there is no room.
struct lacking {
  unsigned stage, stack, expert, piece, bundles;
};

// All pieces of one stage on a stack, in the order in which they would be loaded.
static bool take_slice(struct room *room, unsigned stage, unsigned stack, unsigned xpu_bundle,
                       struct lacking *lacking) {
  const struct duplex_moe *moe = room->moe;
  const struct moe_piece *pieces = moe->stage[stage].piece[stack];
  struct layer_place place[DUPLEX_LAYER_PIECES] = {0};
  for (unsigned e = 0; e < moe->shape.experts; e++)
    for (unsigned q = 0; q < moe->pieces; q++) {
      const unsigned bundles = moe->way.copies > 1 ? moe_bundles(moe, q, xpu_bundle) : pieces[q].bundles;
      if (!moe_has_piece(moe, e, q) || !pieces[q].parts ||
          layer_take_place(room->slice[stage][stack], q, bundles, room->space[stack], &place[q]))
        continue;
      *lacking = (struct lacking){stage, stack, e, q, bundles};
      return false;
    }
  return true;
}

// A layer whose copy for the xPU, if it has two, lies in that bundle.
static bool take_layer(struct room *room, unsigned xpu_bundle, struct lacking *lacking) {
  const struct duplex_moe *moe = room->moe;
  bool fits = true;
  for (unsigned i = 0; i < moe->stages; i++)
    for (unsigned stack = 0; stack < moe->device->stacks && fits; stack++)
      fits = take_slice(room, i, stack, xpu_bundle, lacking);
  return fits;
}

// The next layer of two copies, where it would lie.
static bool take_next_layer(struct room *room) {
  struct lacking lacking;
  const unsigned xpu_bundle = moe_emptiest_bundle(room->space, room->moe->device->stacks);
  room->xpu_bundles |= 1u << xpu_bundle;
  return take_layer(room, xpu_bundle, &lacking);
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

// The spaces as they are now. close_room takes them with an error, too.
static int open_room(struct room *room) {
  const struct duplex_device *device = room->moe->device;
  int error = DUPLEX_OK;
  for (unsigned stack = 0; stack < device->stacks && !error; stack++) error = open_stack(room, stack);
  return error;
}

static void close_room(struct room *room) {
  for (unsigned stack = 0; stack < room->moe->device->stacks; stack++) close_stack(room, stack);
}

int moe_has_room(const struct duplex_moe *moe, size_t layers, size_t pairs, bool *fits) {
  struct room room = {.moe = moe};
  int error = open_room(&room);
  *fits = !error;
  if (error == DUPLEX_ERROR_OUT_OF_SPACE) error = DUPLEX_OK;
  for (size_t layer = 0; layer < layers && *fits; layer++) *fits = take_next_layer(&room);
  *fits = *fits && jobs_fit(&room, pairs);
  close_room(&room);
  return error;
}

int moe_need_room(const struct duplex_moe *moe) {
  struct room room = {.moe = moe};
  struct lacking l;
  int error = open_room(&room);
  if (!error && !take_layer(&room, moe->xpu_bundle, &l)) {
    error = layer_no_room(room.slice[l.stage][l.stack], l.expert, l.piece, l.bundles, room.space[l.stack]);
    stack_lacks(moe->device, l.stack, error);
  }
  close_room(&room);
  return error;
}

uint64_t moe_dram_bytes(const struct duplex_moe *moe) {
  uint64_t row_sets = 0;
  for (unsigned i = 0; i < moe->stages; i++)
    for (unsigned stack = 0; stack < moe->device->stacks; stack++)
      if (moe->stage[i].slice[stack]) row_sets += layer_taken_row_sets(moe->stage[i].slice[stack]);
  return row_sets * DUPLEX_ROW_SET_BYTES * moe->device->options.stack.backend.channels;
}
