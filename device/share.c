// SPDX-License-Identifier: Apache-2.0
// The xPU's share of an expert: weights by its own path, exact sums on the host's processor.
#include "device/share.h"

#include <stdlib.h>

#include "device/xpu_works.h"
#include "driver/stack.h"
#include "duplex/error.h"
#include "duplex/xpu.h"

static const duplex_f16 *read_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  struct share_matrix *m = context;
  const struct share *s = m->share;
  const int error =
      duplex_layer_read(s->stage->slice[s->stack], s->expert, s->piece, m->kind, m->first_row + first, count,
                        m->first_column, m->columns, room, 0, NULL);
  if (error) m->error = error;
  return error ? NULL : room;
}

struct duplex_xpu_weights share_rows(struct share_matrix *matrix) {
  return (struct duplex_xpu_weights){read_rows, matrix, matrix->columns};
}

int share_run(const struct share *share, const struct duplex_xpu_work *work,
              const struct share_matrix *matrices, unsigned count) {
  struct duplex_device *device = share->moe->device;
  const int error = device_xpu_run(device, share->stack, work);
  for (unsigned i = 0; i < count && error; i++) {
    if (!matrices[i].error) continue;
    device->xpu_failure[share->stack] = (struct xpu_failure){0};
    return matrices[i].error;
  }
  return error;
}

int share_exponents(const struct share *share, size_t first, size_t rows, int8_t **exponents) {
  struct duplex_layer *slice = share->stage->slice[share->stack];
  const struct duplex_layer_options options = stage_layer(share->stage->kind, &share->stage->times.shape, 1);
  duplex_f16 none;
  const bool any = options.up_exponents;
  *exponents = any ? malloc(2 * rows) : NULL;
  if (!*exponents) return any ? DUPLEX_ERROR_NO_MEMORY : DUPLEX_OK;
  int error = DUPLEX_OK;
  if (options.gated)
    error = duplex_layer_read(slice, share->expert, share->piece, DUPLEX_LAYER_GATE, first, rows, 0, 0, &none,
                              0, *exponents);
  if (error) return error;
  return duplex_layer_read(slice, share->expert, share->piece, DUPLEX_LAYER_UP, first, rows, 0, 0, &none, 0,
                           *exponents + rows);
}

int share_compute(const struct share *share, const duplex_f16 *x, uint8_t *sums) {
  const struct duplex_moe *moe = share->moe;
  const struct moe_piece *piece = &share->stage->piece[share->stack][share->piece];
  const size_t hidden = moe->shape.hidden;
  const size_t before = moe_inner_before(piece, share->cut);
  const size_t inner = moe_inner_behind(piece, share->cut);
  struct share_matrix matrices[] = {{share, DUPLEX_LAYER_GATE, before, 0, hidden, 0},
                                    {share, DUPLEX_LAYER_UP, before, 0, hidden, 0},
                                    {share, DUPLEX_LAYER_DOWN, 0, before, inner, 0}};
  int8_t *exponents;
  int error = share_exponents(share, before, inner, &exponents);
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT,
                                       .expert = {.x = x,
                                                  .x_stride = hidden,
                                                  .tokens = share->tokens,
                                                  .columns = (unsigned)hidden,
                                                  .inner = (unsigned)inner,
                                                  .gated = moe->gated,
                                                  .gate = share_rows(&matrices[0]),
                                                  .up = share_rows(&matrices[1]),
                                                  .down = share_rows(&matrices[2]),
                                                  .gate_exponents = exponents,
                                                  .up_exponents = exponents ? exponents + inner : NULL,
                                                  .activation = moe->table,
                                                  .format = DUPLEX_RESULT_FORMAT_ACC,
                                                  .out = sums,
                                                  .out_stride = hidden,
                                                  .add = true}};
  if (!error) error = share_run(share, &work, matrices, 3);
  free(exponents);
  return error;
}

static int queue_read(void *context, unsigned channel, uint64_t address, size_t bytes) {
  struct duplex_backend *backend = context;
  return backend->ops->xpu_read(backend, channel, address, NULL, bytes);
}

int share_read(const struct share *share) {
  struct duplex_backend *backend = share->moe->device->stack[share->stack]->backend;
  return duplex_layer_ranges(share->stage->slice[share->stack], share->expert, share->piece, share->cut,
                             queue_read, backend);
}
