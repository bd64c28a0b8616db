// SPDX-License-Identifier: Apache-2.0
// Brings the weights of MoE layers to the stacks, where the policy of the device places them.
#include "device/layer.h"

#include <stdlib.h>
#include <string.h>

#include "device/tables.h"
#include "duplex/arithmetic.h"

bool moe_has_piece(const struct duplex_moe *moe, unsigned expert, unsigned piece) {
  return expert % moe->turns == piece % moe->turns;
}

size_t moe_inner_before(const struct moe_piece *piece, unsigned cut) {
  size_t inner = 0;
  for (unsigned part = 0; part < piece->parts && part < cut; part++) inner += piece->inner[part];
  return inner;
}

size_t moe_inner_behind(const struct moe_piece *piece, unsigned cut) {
  return moe_inner_before(piece, piece->parts) - moe_inner_before(piece, cut);
}

bool moe_is_of(const struct duplex_device *device, const struct duplex_moe *moe) {
  for (const struct duplex_moe *layer = device->layers; layer; layer = layer->next)
    if (layer == moe) return true;
  return false;
}

// The whole slice of each stack as one part of one piece.
static void place_whole(struct duplex_moe *moe) {
  const size_t inner = moe->shape.inner;
  const unsigned stacks = moe->device->stacks;
  for (unsigned stack = 0; stack < stacks; stack++) {
    const size_t first = inner * stack / stacks;
    const size_t count = inner * (stack + 1) / stacks - first;
    for (unsigned q = 0; q < moe->pieces; q++)
      moe->piece[stack][q] = (struct moe_piece){.bundles = moe->pieces == 1 ? SCHEDULE_ALL_BUNDLES : 1u << q,
                                                .parts = count > 0,
                                                .first = first,
                                                .inner = {count}};
  }
}

// The parts of one piece on one stack, but for empty ones.
static void place_piece(struct duplex_moe *moe, unsigned stack, unsigned q, unsigned of_schedule) {
  const struct schedule_placement *placement = &moe->times.placement;
  struct moe_piece *piece = &moe->piece[stack][q];
  for (unsigned part = 0; part < placement->parts[of_schedule]; part++) {
    const struct schedule_range range = schedule_part(&moe->times.shape, placement, stack, of_schedule, part);
    if (range.count == 0) continue;
    if (piece->parts == 0) piece->first = range.first;
    piece->inner[piece->parts++] = range.count;
  }
}

// As the policy `best` wants them. If the pieces of odd experts lie in other bundles than those of even ones,
// a piece of the schedule is two here.
static void place_best(struct duplex_moe *moe) {
  const struct schedule_placement *placement = &moe->times.placement;
  moe->turns = schedule_bundles(placement, 0, 0) == schedule_bundles(placement, 1, 0) ? 1 : 2;
  moe->pieces = placement->pieces * moe->turns;
  for (unsigned stack = 0; stack < moe->device->stacks; stack++)
    for (unsigned q = 0; q < moe->pieces; q++) {
      const unsigned of_schedule = q / moe->turns;
      moe->piece[stack][q].bundles = schedule_bundles(placement, q % moe->turns, of_schedule);
      place_piece(moe, stack, q, of_schedule);
    }
}

// Where its pieces lie, by the table of time.
static int plan(struct duplex_moe *moe, const struct duplex_moe_form *form) {
  struct duplex_device *device = moe->device;
  const struct schedule_times *times;
  const int error = tables_take(device, form, &times);
  if (error) return error;
  moe->times = *times;
  moe->format = device->options.partials == DUPLEX_PARTIALS_F32 ? SCHEDULE_ROUNDED : SCHEDULE_EXACT;
  if (!schedule_charge(&moe->times, moe->format, &moe->charged))
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "tokens and sums take too long for a table of time");
  if (device->options.policy == DUPLEX_POLICY_BEST) {
    place_best(moe);
  } else {
    // The paper's spaces need experts to choose from; fewer are striped, and the sides take turns.
    const bool spaces =
        device->options.policy == DUPLEX_POLICY_PAPER && moe->shape.experts >= SCHEDULE_BUNDLES;
    moe->turns = spaces ? SCHEDULE_BUNDLES : 1;
    moe->pieces = moe->turns;
    place_whole(moe);
  }
  return DUPLEX_OK;
}

// What the loading of all stacks needs.
struct loading {
  struct duplex_moe *moe;
  const struct duplex_moe_weights *weights;
};

// Those of row `row` on, or none.
static const int8_t *exponents_from(const int8_t *exponents, size_t row) {
  return exponents ? exponents + row : NULL;
}

// Loads piece q of an expert into a stack: its rows of gate and up, its columns of down.
static int load_piece(const struct loading *loading, unsigned stack, unsigned expert, unsigned q) {
  const struct duplex_moe *moe = loading->moe;
  const struct moe_piece *piece = &moe->piece[stack][q];
  const size_t hidden = moe->shape.hidden;
  const size_t inner = moe->shape.inner;
  const size_t row = expert * inner + piece->first;
  const struct duplex_moe_weights *weights = loading->weights;
  const struct duplex_layer_source source = {
      .gate = moe->gated ? weights->gate + row * hidden : NULL,
      .up = weights->up + row * hidden,
      .up_stride = hidden,
      .down = weights->down + expert * inner * hidden + piece->first,
      .down_stride = inner,
      .gate_exponents = exponents_from(weights->gate_exponents, row),
      .up_exponents = exponents_from(weights->up_exponents, row),
      .down_exponents = exponents_from(weights->down_exponents, expert * hidden)};
  return duplex_layer_load(moe->slice[stack], expert, q, &source);
}

// The activation table comes to the stack with the weights, by a job without tokens: it would be part of the
// first layer's time.
static int load_table(const struct duplex_moe *moe, unsigned stack) {
  static const uint8_t cuts[DUPLEX_EXPERTS_MOST];
  static const uint32_t counts[DUPLEX_EXPERTS_MOST];
  const duplex_f16 x = 0;
  duplex_f16 y;
  struct duplex_job *job;
  unsigned piece = 0;
  while (!moe->piece[stack][piece].parts) piece++;
  const struct duplex_layer_work work = {
      .piece = piece, .cuts = cuts, .counts = counts, .x = &x, .table = moe->table};
  const int error = duplex_layer_start(moe->slice[stack], &work, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, &y);
}

// All experts' pieces of one stack.
static int load_stack(void *context, unsigned stack) {
  const struct loading *loading = context;
  struct duplex_moe *moe = loading->moe;
  struct duplex_layer_options options = {
      .experts = (unsigned)moe->shape.experts,
      .hidden = moe->shape.hidden,
      .gated = moe->gated,
      .up_exponents = moe->times.shape.exponents & SCHEDULE_UP_EXPONENTS,
      .down_exponents = moe->times.shape.exponents & SCHEDULE_DOWN_EXPONENTS};
  bool any = false;
  for (unsigned q = 0; q < moe->pieces; q++) {
    const struct moe_piece *piece = &moe->piece[stack][q];
    options.piece[q].bundles = piece->bundles;
    options.piece[q].parts = piece->parts;
    memcpy(options.piece[q].inner, piece->inner, sizeof piece->inner);
    any = any || piece->parts;
  }
  if (!any) return DUPLEX_OK;
  int error = duplex_stack_open_layer(moe->device->stack[stack], &options, &moe->slice[stack]);
  for (unsigned expert = 0; expert < options.experts && !error; expert++)
    for (unsigned q = 0; q < moe->pieces && !error; q++)
      if (moe_has_piece(moe, expert, q) && moe->piece[stack][q].parts)
        error = load_piece(loading, stack, expert, q);
  return error ? error : load_table(moe, stack);
}

// What the caller brings.
static int check(struct duplex_device *device, const struct duplex_moe_shape *shape,
                 const struct duplex_moe_weights *weights, const struct duplex_activation_table *table,
                 struct duplex_moe **moe) {
  const struct {
    const char *name;
    const void *pointer;
  } needed[] = {{"moe", moe},
                {"shape", shape},
                {"weights", weights},
                {"table", table},
                {"weights->router", weights ? weights->router : NULL},
                {"weights->up", weights ? weights->up : NULL},
                {"weights->down", weights ? weights->down : NULL}};
  for (unsigned i = 0; i < sizeof needed / sizeof *needed; i++)
    if (!needed[i].pointer)
      return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%s is NULL: expected a pointer", needed[i].name);
  if (shape->experts < 1 || shape->experts > DUPLEX_EXPERTS_MOST)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%zu experts: expected 1 to %d", shape->experts,
                       DUPLEX_EXPERTS_MOST);
  if (shape->hidden < 1 || shape->hidden > 65536 || shape->inner < 1 || shape->inner > 65536)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "experts of %zu x %zu: expected 1 to 65,536 each",
                       shape->hidden, shape->inner);
  if (weights->gate_exponents && !weights->gate)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "exponents of gate: expected none, there is no gate");
  return DUPLEX_OK;
}

// Frees a layer that is in no list.
static void free_moe(struct duplex_moe *moe) {
  for (unsigned stack = 0; stack < moe->device->stacks; stack++) duplex_layer_close(moe->slice[stack]);
  free(moe->router);
  free(moe->router_exponents);
  free(moe->down_exponents);
  free(moe->work);
  free(moe);
}

// A copy, or NULL of NULL. Where there is too little memory *complete becomes false.
static void *copy(const void *from, size_t bytes, bool *complete) {
  void *made = from ? malloc(bytes) : NULL;
  if (made) memcpy(made, from, bytes);
  *complete = *complete && (made || !from);
  return made;
}

// Memory for a layer, with what of its weights does not go to the stacks; NULL: too little.
static struct duplex_moe *new_moe(struct duplex_device *device, const struct duplex_moe_shape *shape,
                                  const struct duplex_moe_weights *weights,
                                  const struct duplex_activation_table *table) {
  struct duplex_moe *moe = calloc(1, sizeof *moe);
  if (!moe) return NULL;
  moe->device = device;
  moe->shape = *shape;
  moe->gated = weights->gate != NULL;
  moe->table = table;
  moe->work = aligned_alloc(16, (sizeof *moe->work + 15) / 16 * 16);
  bool complete = moe->work;
  const size_t rows = shape->experts * shape->hidden;
  moe->router = copy(weights->router, rows * sizeof *moe->router, &complete);
  moe->router_exponents = copy(weights->router_exponents, shape->experts, &complete);
  moe->down_exponents = copy(weights->down_exponents, rows, &complete);
  if (complete) return moe;
  free_moe(moe);
  return NULL;
}

int duplex_device_load_moe(struct duplex_device *device, const struct duplex_moe_shape *shape,
                           const struct duplex_moe_weights *weights,
                           const struct duplex_activation_table *table, struct duplex_moe **moe) {
  if (moe) *moe = NULL;
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  device->error_text[0] = 0;
  int error = check(device, shape, weights, table, moe);
  if (error) return error;
  struct duplex_moe *made = new_moe(device, shape, weights, table);
  if (!made) return device_no_memory(device);
  struct loading loading = {made, weights};
  const struct duplex_moe_form form = duplex_moe_form(shape, weights);
  error = plan(made, &form);
  if (!error) error = device_each_stack(device, load_stack, &loading);
  if (error) {
    free_moe(made);
    return error;
  }
  made->next = device->layers;
  device->layers = made;
  *moe = made;
  return DUPLEX_OK;
}

int duplex_device_release_moe(struct duplex_device *device, struct duplex_moe *moe) {
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  if (!moe) return DUPLEX_OK;
  struct duplex_moe **link = &device->layers;
  while (*link && *link != moe) link = &(*link)->next;
  if (!*link) return device_fail(device, DUPLEX_ERROR_ARGUMENT, "the layer is not one of this device");
  *link = moe->next;
  free_moe(moe);
  return DUPLEX_OK;
}
