// SPDX-License-Identifier: Apache-2.0
// Room for positions of a sequence that are appended next.
#ifndef DUPLEX_DRIVER_KV_SEQUENCE_H
#define DUPLEX_DRIVER_KV_SEQUENCE_H

#include "driver/kv_cache.h"

// Pages for so many positions, the last page that is there the sequence's own. Errors leave it as it was.
int kv_reserve(struct duplex_sequence *sequence, unsigned layer, size_t positions);

// Gives away the pages that the layer does not need.
void kv_trim(struct duplex_sequence *sequence, unsigned layer);

#endif
