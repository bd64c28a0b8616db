// SPDX-License-Identifier: Apache-2.0
// Brings the weights of MoE layers to the stacks.
#include "device/layer.h"

#include <stdlib.h>
#include <string.h>

#include "device/tables.h"
#include "driver/arguments.h"
#include "duplex/arithmetic.h"

bool moe_is_of(const struct duplex_device *device, const struct duplex_moe *moe) {
  for (const struct duplex_moe *layer = device->layers; layer; layer = layer->next)
    if (layer == moe) return true;
  return false;
}

// What the loading of all stacks needs.
struct loading {
  struct duplex_moe *moe;
  struct moe_stage *stage;
  const struct duplex_moe_weights *weights;
};

// Those of row `row` on, or none.
static const int8_t *exponents_from(const int8_t *exponents, size_t row) {
  return exponents ? exponents + row : NULL;
}

// The rows of down that piece q of an expert has on a stack.
static struct duplex_layer_source down_rows(const struct loading *loading, unsigned expert, size_t first) {
  const size_t hidden = loading->moe->shape.hidden;
  const size_t inner = loading->moe->shape.inner;
  const size_t row = expert * hidden + first;
  return (struct duplex_layer_source){.up = loading->weights->down + row * inner,
                                      .up_stride = inner,
                                      .up_exponents = exponents_from(loading->weights->down_exponents, row)};
}

// Its rows of gate and up, and its columns of down.
static struct duplex_layer_source inner_columns(const struct loading *loading, unsigned expert,
                                                size_t first) {
  const struct duplex_moe *moe = loading->moe;
  const size_t hidden = moe->shape.hidden;
  const size_t inner = moe->shape.inner;
  const size_t row = expert * inner + first;
  const struct duplex_moe_weights *weights = loading->weights;
  return (struct duplex_layer_source){
      .gate = moe->gated ? weights->gate + row * hidden : NULL,
      .up = weights->up + row * hidden,
      .up_stride = hidden,
      .down = weights->down + expert * inner * hidden + first,
      .down_stride = inner,
      .gate_exponents = exponents_from(weights->gate_exponents, row),
      .up_exponents = exponents_from(weights->up_exponents, row),
      .down_exponents = exponents_from(weights->down_exponents, expert * hidden)};
}

// Loads piece q of an expert into a stack.
static int load_piece(const struct loading *loading, unsigned stack, unsigned expert, unsigned q) {
  const struct moe_stage *stage = loading->stage;
  const size_t first = stage->piece[stack][q].first;
  const struct duplex_layer_source source =
      stage->kind == STAGE_DOWN ? down_rows(loading, expert, first) : inner_columns(loading, expert, first);
  return duplex_layer_load(stage->slice[stack], expert, q, &source);
}

// The activation table comes to the stack with the weights, by a job without tokens: it would be part of the
// first layer's time. So would what the firmware keeps for jobs of that format.
static int load_table(const struct loading *loading, unsigned stack) {
  static const uint8_t cuts[DUPLEX_EXPERTS_MOST];
  static const uint32_t counts[DUPLEX_EXPERTS_MOST];
  const duplex_f16 x = 0;
  duplex_f32 y;
  struct duplex_job *job;
  unsigned piece = 0;
  while (!loading->stage->piece[stack][piece].parts) piece++;
  const struct duplex_layer_work work = {.piece = piece,
                                         .cuts = cuts,
                                         .counts = counts,
                                         .x = &x,
                                         .table = loading->moe->table,
                                         .format = stage_result_format(loading->stage)};
  const int error = duplex_layer_start(loading->stage->slice[stack], &work, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, &y);
}

// All experts' pieces of one stack for a stage.
static int load_stack(void *context, unsigned stack) {
  const struct loading *loading = context;
  const struct duplex_moe *moe = loading->moe;
  struct moe_stage *stage = loading->stage;
  struct duplex_layer_options options;
  if (!moe_stack_options(moe, stage, stack, &options)) return DUPLEX_OK;
  int error = duplex_stack_open_layer(moe->device->stack[stack], &options, &stage->slice[stack]);
  for (unsigned expert = 0; expert < options.experts && !error; expert++)
    for (unsigned q = 0; q < moe->pieces && !error; q++)
      if (moe_has_piece(moe, expert, q) && stage->piece[stack][q].parts)
        error = load_piece(loading, stack, expert, q);
  return error || stage->kind == STAGE_DOWN ? error : load_table(loading, stack);
}

// All stages, one after the other.
static int load_stages(struct duplex_moe *moe, const struct duplex_moe_weights *weights) {
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < moe->stages && !error; i++) {
    struct loading loading = {moe, &moe->stage[i], weights};
    error = device_each_stack(moe->device, load_stack, &loading);
  }
  return error;
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

void moe_free(struct duplex_moe *moe) {
  for (unsigned i = 0; i < MOE_STAGES; i++)
    for (unsigned stack = 0; stack < moe->device->stacks; stack++)
      duplex_layer_close(moe->stage[i].slice[stack]);
  free(moe->router);
  free(moe->router_exponents);
  free(moe->down_exponents);
  free(moe->work);
  free(moe);
}

struct duplex_moe *moe_new(struct duplex_device *device, const struct duplex_moe_form *form) {
  struct duplex_moe *moe = calloc(1, sizeof *moe);
  if (!moe) return NULL;
  moe->device = device;
  moe->shape = form->shape;
  moe->gated = form->gated;
  moe->work = aligned_alloc(16, (sizeof *moe->work + 15) / 16 * 16);
  if (moe->work) return moe;
  moe_free(moe);
  return NULL;
}

// A copy, or NULL of NULL. Where there is too little memory *complete becomes false.
static void *copy(const void *from, size_t bytes, bool *complete) {
  void *made = from ? malloc(bytes) : NULL;
  if (made) memcpy(made, from, bytes);
  *complete = *complete && (made || !from);
  return made;
}

// What of the weights does not go to the stacks; false: too little memory.
static bool copy_weights(struct duplex_moe *moe, const struct duplex_moe_weights *weights) {
  const size_t rows = moe->shape.experts * moe->shape.hidden;
  bool complete = true;
  moe->router = copy(weights->router, rows * sizeof *moe->router, &complete);
  moe->router_exponents = copy(weights->router_exponents, moe->shape.experts, &complete);
  moe->down_exponents = copy(weights->down_exponents, rows, &complete);
  return complete;
}

int duplex_device_load_moe(struct duplex_device *device, const struct duplex_moe_shape *shape,
                           const struct duplex_moe_weights *weights,
                           const struct duplex_activation_table *table, struct duplex_moe **moe) {
  if (moe) *moe = NULL;
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  device->error_text[0] = 0;
  int error = check(device, shape, weights, table, moe);
  if (error) return error;
  const struct duplex_moe_form form = duplex_moe_form(shape, weights);
  struct duplex_moe *made = moe_new(device, &form);
  if (!made) return device_no_memory(device);
  made->table = table;
  error = copy_weights(made, weights) ? moe_choose(made, &form) : device_no_memory(device);
  if (!error) error = load_stages(made, weights);
  if (error) {
    moe_free(made);
    return error;
  }
  made->next = device->layers;
  device->layers = made;
  *moe = made;
  return DUPLEX_OK;
}

int duplex_device_release_moe(struct duplex_device *device, struct duplex_moe *moe) {
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  device->error_text[0] = 0;
  if (!moe) return DUPLEX_OK;
  if (need_process(device->stack[0]))
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%s", duplex_stack_last_error(device->stack[0]));
  struct duplex_moe **link = &device->layers;
  while (*link && *link != moe) link = &(*link)->next;
  if (!*link) return device_fail(device, DUPLEX_ERROR_ARGUMENT, "the layer is not one of this device");
  *link = moe->next;
  moe_free(moe);
  return DUPLEX_OK;
}
