// SPDX-License-Identifier: Apache-2.0
// Which query heads share a stream of K and V: the plan of a batch.
#ifndef DUPLEX_DRIVER_ATTENTION_PLAN_H
#define DUPLEX_DRIVER_ATTENTION_PLAN_H

#include "driver/kv_cache.h"

// Lanes of one unit: `lanes` query heads of each KV head's group, from `head` of the group on, of sequence
// `index` of the batch.
struct plan_member {
  size_t index;
  uint32_t head, lanes;
};

// One sequence of the firmware's job: a sequence of the batch, or several that share a prefix.
struct plan_unit {
  struct plan_member members[DUPLEX_LANES];
  uint32_t count, lanes;               // members, lanes in all
  struct attention_segment *segments;  // of the plan's list
  uint32_t segment_count, score_room;  // row sets of a channel for scores that do not fit its slice
  uint32_t q, o;                       // row sets of its slot 0 in the region of q and o
  uint32_t together;                   // in a message's first unit: units of the message
  size_t positions;                    // of all segments
  size_t share;                        // of one of its channels, about
};

struct plan {
  struct plan_unit *units;  // those first that keep their channels busy for longest
  size_t count;
  struct attention_segment *segments;
};

// group: query heads of a KV head, at most 2 * DUPLEX_LANES; lanes: of a unit at most, 4 or 8. An error
// leaves nothing to free.
int plan_attention(struct duplex_kv_cache *cache, unsigned layer, struct duplex_sequence *const *sequences,
                   size_t batch, uint32_t group, uint32_t lanes, struct plan *plan);
void plan_free(struct plan *plan);

#endif
