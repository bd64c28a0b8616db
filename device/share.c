// SPDX-License-Identifier: Apache-2.0
// The xPU's share of an expert: weights by its own path, exact sums on the host's processor.
#include "device/share.h"

#include "driver/stack.h"
#include "duplex/error.h"
#include "duplex/xpu.h"

// A matrix of the share as a source of rows.
struct matrix {
  const struct share *share;
  enum duplex_layer_matrix kind;
  size_t first_row, first_column, columns;
};

static const duplex_f16 *read_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  const struct matrix *m = context;
  const struct share *s = m->share;
  const int error =
      duplex_layer_read(s->moe->slice[s->stack], s->expert, s->piece, m->kind, m->first_row + first, count,
                        m->first_column, m->columns, room, 0, NULL);
  return error ? NULL : room;
}

static struct duplex_xpu_weights source_of(struct matrix *matrix) {
  return (struct duplex_xpu_weights){read_rows, matrix, matrix->columns};
}

int share_compute(const struct share *share, const duplex_f16 *x, unsigned tokens, uint8_t *sums) {
  const struct duplex_moe *moe = share->moe;
  const struct moe_piece *piece = &moe->piece[share->stack][share->piece];
  const size_t hidden = moe->shape.hidden;
  const size_t before = moe_inner_before(piece, share->cut);
  const size_t inner = moe_inner_behind(piece, share->cut);
  struct duplex_xpu *xpu = moe->device->xpu;
  struct matrix gate = {share, DUPLEX_LAYER_GATE, before, 0, hidden};
  struct matrix up = {share, DUPLEX_LAYER_UP, before, 0, hidden};
  struct matrix down = {share, DUPLEX_LAYER_DOWN, 0, before, inner};
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT,
                                       .expert = {.x = x,
                                                  .x_stride = hidden,
                                                  .tokens = tokens,
                                                  .columns = (unsigned)hidden,
                                                  .inner = (unsigned)inner,
                                                  .gated = moe->gated,
                                                  .gate = source_of(&gate),
                                                  .up = source_of(&up),
                                                  .down = source_of(&down),
                                                  .activation = moe->table,
                                                  .format = DUPLEX_RESULT_FORMAT_ACC,
                                                  .out = sums,
                                                  .out_stride = hidden,
                                                  .add = true}};
  uint64_t ticket;
  const int error = xpu->ops->submit(xpu, &work, &ticket);
  return error ? error : xpu->ops->wait(xpu, ticket);
}

static int queue_read(void *context, unsigned channel, uint64_t address, size_t bytes) {
  struct duplex_backend *backend = context;
  return backend->ops->xpu_read(backend, channel, address, NULL, bytes);
}

int share_read(const struct share *share) {
  struct duplex_backend *backend = share->moe->device->stack[share->stack]->backend;
  return duplex_layer_ranges(share->moe->slice[share->stack], share->expert, share->piece, share->cut,
                             queue_read, backend);
}
