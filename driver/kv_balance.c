// SPDX-License-Identifier: Apache-2.0
// How full the channels of the KV cache are.
#include "driver/kv_balance.h"

// Heads of a sequence of which positions lie in a channel.
static uint32_t heads_in(const struct duplex_kv_cache *cache, uint32_t first_channel, uint32_t spread,
                         uint32_t channel) {
  const uint32_t channels = cache->stack->channels;
  const uint32_t head = ((channel + channels - first_channel) % channels) >> spread;
  return head < cache->heads ? (cache->heads - head - 1) / channels + 1 : 0;
}

// What so many positions of a sequence weigh in a channel.
static size_t load_of(const struct duplex_kv_cache *cache, uint32_t first_channel, uint32_t spread,
                      uint32_t channel, size_t positions) {
  return ((positions + (1u << spread) - 1) >> spread) * heads_in(cache, first_channel, spread, channel);
}

void kv_set_weight(struct duplex_sequence *sequence, size_t weight) {
  struct duplex_kv_cache *cache = sequence->cache;
  const uint32_t first = sequence->first_channel;
  const uint32_t spread = sequence->spread;
  for (uint32_t channel = 0; channel < cache->stack->channels; channel++) {
    cache->load[channel] -= load_of(cache, first, spread, channel, sequence->weight);
    cache->load[channel] += load_of(cache, first, spread, channel, weight);
  }
  sequence->weight = weight;
}

uint32_t kv_choose_channel(const struct duplex_kv_cache *cache, uint32_t spread, size_t positions) {
  const uint32_t channels = cache->stack->channels;
  uint32_t best = 0;
  size_t least = SIZE_MAX;
  for (uint32_t first = 0; first < channels; first++) {
    size_t fullest = 0;
    for (uint32_t channel = 0; channel < channels; channel++) {
      const size_t load = cache->load[channel] + load_of(cache, first, spread, channel, positions);
      if (heads_in(cache, first, spread, channel) && load > fullest) fullest = load;
    }
    if (fullest < least) least = fullest, best = first;
  }
  return best;
}

uint32_t kv_channels_of(const struct duplex_sequence *sequence) {
  uint32_t mask = 0;
  for (uint32_t channel = 0; channel < sequence->cache->stack->channels; channel++)
    if (heads_in(sequence->cache, sequence->first_channel, sequence->spread, channel)) mask |= 1u << channel;
  return mask;
}
