// SPDX-License-Identifier: Apache-2.0
// A dense FFN as experts that are all active with weight 1.
#ifndef MODEL_NETWORK_SPLIT_H
#define MODEL_NETWORK_SPLIT_H

#include "duplex/xpu.h"
#include "model/network_state.h"

// Runs `expert`, whose result is binary32, in options.split_ffn parts of its inner columns, each a work of
// its own. Their sums are added exactly and rounded once: the bits of the whole. Beside it the results are
// made by rule N7, which rounds each part and each sum, and those that differ are counted. Errors: NO_MEMORY,
// and those of the works.
int network_split_ffn(struct network *network, const struct duplex_xpu_expert *expert);

#endif
