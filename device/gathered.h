// SPDX-License-Identifier: Apache-2.0
// Layers whose h is gathered over the stacks: what becomes of the products of both sides.
#ifndef DEVICE_GATHERED_H
#define DEVICE_GATHERED_H

#include "device/run.h"
#include "device/share.h"

// Room for h and y_e. Errors: NO_MEMORY.
int gathered_take(struct moe_run *run);

// Values of a token's products of one piece: g and u in turn, or some of y_e.
size_t gathered_columns(const struct moe_run *run, unsigned stack, unsigned piece);

// Products of Logic-PIM's job on one piece, [pairs][gathered_columns] as layer_job_fetch gives them: of UP h
// follows, of DOWN they are y_e. Pieces have columns of their own, so that several stacks may do this at
// once.
void gathered_take_products(struct moe_run *run, unsigned stack, unsigned piece, const duplex_f32 *products);

// The same of the xPU's share, by the device's xPU. Its bundles are the xPU's. Errors: those of the xPU,
// NO_MEMORY.
int gathered_share(struct moe_run *run, const struct share *share);

#endif
