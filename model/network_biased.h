// SPDX-License-Identifier: Apache-2.0
// An FFN with biases: three products on the xPU, and its activation between them.
#ifndef MODEL_NETWORK_BIASED_H
#define MODEL_NETWORK_BIASED_H

#include "model/network_state.h"

struct biased_ffn {
  struct model_matrix gate, up, down;                 // the caller's
  const duplex_f32 *gate_bias, *up_bias, *down_bias;  // [inner], [inner], [hidden]
};

// out[tokens][hidden], binary32 (docs/model_numerics.md, biases of an FFN).
int network_biased_ffn(struct network *network, const struct biased_ffn *ffn, const duplex_f16 *x,
                       size_t tokens, duplex_f32 *out);

#endif
