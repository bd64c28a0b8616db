// SPDX-License-Identifier: Apache-2.0
// The xPU's share of one piece of one expert on one stack: its numbers, and what it reads of them.
#ifndef DEVICE_SHARE_H
#define DEVICE_SHARE_H

#include <stdatomic.h>

#include "device/layer.h"

struct share {
  const struct duplex_moe *moe;
  const struct moe_stage *stage;
  unsigned stack, expert, piece;
  unsigned cut;            // the parts from here on are the xPU's
  unsigned first, tokens;  // of the tokens of the expert
};

// Adds the exact sums of x[tokens][hidden] to sums[tokens][hidden], 16 bytes each, by the device's xPU. Its
// bundles are the xPU's.
int share_compute(const struct share *share, const duplex_f16 *x, uint8_t *sums);

// A matrix of the share as a source of rows: rows from `first_row` on, of these the columns from
// `first_column` on. share_rows gives what is to be read, as duplex_xpu_weights; `matrix` has to stay.
// share_run has the xPU do a work with `count` such matrices. Errors: the xPU's, or of the stack if it did
// not give the weights.
struct share_matrix {
  const struct share *share;
  enum duplex_layer_matrix kind;
  size_t first_row, first_column, columns;
  atomic_int error;  // of the reading of rows, which goes on in several threads
};
struct duplex_xpu_weights share_rows(struct share_matrix *matrix);
int share_run(const struct share *share, const struct duplex_xpu_work *work,
              const struct share_matrix *matrices, unsigned count);

// Gets `rows` exponents of gate, then those of up, from the stack's DRAM; *exponents is the caller's to free.
// NULL: the stage has none.
int share_exponents(const struct share *share, size_t first, size_t rows, int8_t **exponents);

// Queues the reads of its weights as DRAM commands of the xPU.
int share_read(const struct share *share);

#endif
