// SPDX-License-Identifier: Apache-2.0
// A network without stacks: keys, values and experts in the host's memory, all work by the xPU's numerics.
// The bits are the same; no clock is counted.
#ifndef MODEL_NETWORK_UNTIMED_H
#define MODEL_NETWORK_UNTIMED_H

#include "model/network_state.h"

// Keys and values of one sequence.
struct untimed_kv {
  size_t room, *lengths;  // positions of each head; [layers]
  duplex_f16 **k, **v;    // [layers] of [kv_heads][room][head_size]
};

int untimed_begin(const struct network *network, size_t expected, struct untimed_kv **kv);
// A first position of every layer and head: k[head_size], v 0.
void untimed_pin(const struct network *network, struct untimed_kv *kv, const duplex_f16 *k);
// A copy of the first positions of a sequence.
int untimed_share(const struct network *network, const struct untimed_kv *from, size_t positions,
                  size_t expected, struct untimed_kv **kv);
void untimed_end(const struct network *network, struct untimed_kv *kv);  // NULL: nothing

// Appends k and v, [kv_heads][positions][head_size], to a layer, and attends from there: q and o are
// [heads][positions][head_size].
int untimed_attend(struct network *network, struct untimed_kv *kv, unsigned layer, size_t positions,
                   const duplex_f16 *k, const duplex_f16 *v, const duplex_f16 *q, duplex_f16 *o);

// An MoE layer: x[tokens][hidden] to y[tokens][hidden], and how many tokens each expert has.
int untimed_experts(struct network *network, const struct network_layer *layer, const duplex_f16 *x,
                    size_t tokens, duplex_f16 *y, uint16_t *counts);

#endif
