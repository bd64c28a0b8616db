// SPDX-License-Identifier: Apache-2.0
// Attention sinks (network_sinks.h).
#include "model/network_sinks.h"

#include <stdlib.h>

#include "cmodel/numerics/exact_mode.h"
#include "model/network_untimed.h"
#include "xpu/binary32.h"

#define ONE 0x3c00u  // of binary16

int network_make_sinks(const struct network *network, struct network_layer *layer,
                       struct model_error *error) {
  const unsigned heads = network->config->heads;
  layer->sink_queries = malloc(heads * NETWORK_SINK_VALUES * sizeof *layer->sink_queries);
  if (!layer->sink_queries) return model_no_memory(error);
  const exact_mode saved = exact_begin(layer);
  for (unsigned head = 0; head < heads; head++) {
    const double score = (double)binary32_float(layer->sinks[head]) / network_scale(network);
    duplex_f16 *parts = layer->sink_queries + head * NETWORK_SINK_VALUES;
    parts[0] = duplex_f16_from_double(score);
    parts[1] = duplex_f16_from_double(score - duplex_f16_to_double(parts[0]));
  }
  exact_end(saved, layer);
  return DUPLEX_OK;
}

void network_add_sinks(const struct network *network, const struct network_layer *layer, size_t tokens,
                       duplex_f16 *queries) {
  const unsigned size = network->config->head_size;
  for (unsigned head = 0; head < network->q_heads; head++) {
    unsigned of_model;
    const bool real = network_query_head(network, head, &of_model);
    for (size_t token = 0; token < tokens; token++, queries += network->head_size)
      for (unsigned i = 0; i < NETWORK_SINK_VALUES && real; i++)
        queries[size + i] = layer->sink_queries[of_model * NETWORK_SINK_VALUES + i];
  }
}

// K and V of all KV heads, to every layer of a sequence on the device.
static int append(struct network_sequence *sequence, const duplex_f16 *k, const duplex_f16 *v) {
  int error = DUPLEX_OK;
  for (unsigned layer = 0; layer < sequence->network->config->layers && !error; layer++)
    error = duplex_device_append(sequence->kv, layer, k, v, 1);
  return error;
}

int network_pin_sinks(struct network_sequence *sequence) {
  const struct network *network = sequence->network;
  const size_t values = (size_t)network->kv_heads * network->head_size;
  duplex_f16 *k = calloc(values, sizeof *k);
  duplex_f16 *v = calloc(values, sizeof *v);
  int error = k && v ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  for (size_t head = 0; head < network->kv_heads && !error; head++)
    for (unsigned i = 0; i < NETWORK_SINK_VALUES; i++)
      k[head * network->head_size + network->config->head_size + i] = ONE;
  if (!error && network->device) error = append(sequence, k, v);
  if (!error && !network->device) untimed_pin(network, sequence->untimed, k);
  free(k);
  free(v);
  return error;
}
