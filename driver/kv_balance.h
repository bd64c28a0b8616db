// SPDX-License-Identifier: Apache-2.0
// How full the channels are, and where a sequence begins so that they fill evenly.
#ifndef DUPLEX_DRIVER_KV_BALANCE_H
#define DUPLEX_DRIVER_KV_BALANCE_H

#include "driver/kv_cache.h"

// Channels that a sequence lies in, one bit each.
uint32_t kv_channels_of(const struct duplex_sequence *sequence);

// The sequence counts for `weight` positions in the balance from now on.
void kv_set_weight(struct duplex_sequence *sequence, size_t weight);

// The first channel with which the fullest of the channels of a new sequence would hold least.
uint32_t kv_choose_channel(const struct duplex_kv_cache *cache, uint32_t spread, size_t positions);

#endif
