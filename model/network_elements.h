// SPDX-License-Identifier: Apache-2.0
// Time of the xPU's work on elements, each kernel by the bytes that it moves (docs/model_runner.md, "Work on
// elements").
#ifndef MODEL_NETWORK_ELEMENTS_H
#define MODEL_NETWORK_ELEMENTS_H

#include "model/network_state.h"

// Rows of the embedding, to the residual stream.
int elements_embed(const struct network_rows *rows);

// The sums of the block before, whose results are of rows->added bytes a value, to the residual stream; and
// the norm of so many of its rows, to binary16. They are one kernel.
int elements_norm(const struct network_rows *rows, size_t normed);

// Norms of the vectors that q, and k and v, of latent attention come from.
int elements_latent(const struct network_rows *rows);

// Norms and rotation of q, k and v, to binary16.
int elements_rotate(const struct network_rows *rows);

// Logits that are read to choose tokens, all of the step in one kernel.
int elements_choose(const struct network_rows *rows);

#endif
