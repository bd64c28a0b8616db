// SPDX-License-Identifier: Apache-2.0
// Attention sinks: a score of each query head that takes part in the softmax and has no value. It is that of
// a position before the first token, which all see whatever their window: its K is 0 but for two values of 1
// behind those of the model, its V is 0, and the queries have the sink there, in two binary16 numbers.
#ifndef MODEL_NETWORK_SINKS_H
#define MODEL_NETWORK_SINKS_H

#include "model/network_state.h"

#define NETWORK_SINK_VALUES 2u  // of a head

// The two numbers of each head of a layer.
int network_make_sinks(const struct network *network, struct network_layer *layer, struct model_error *error);

// Puts them behind queries[heads][tokens][head_size].
void network_add_sinks(const struct network *network, const struct network_layer *layer, size_t tokens,
                       duplex_f16 *queries);

// The position of a new sequence, in all layers.
int network_pin_sinks(struct network_sequence *sequence);

#endif
