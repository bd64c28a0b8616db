// SPDX-License-Identifier: Apache-2.0
// Descriptors of attention as a channel's queue keeps them, as rtl/attention/attention_queue.v.
#ifndef DUPLEX_CMODEL_ATTENTION_QUEUE_H
#define DUPLEX_CMODEL_ATTENTION_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "cmodel/common/channel_share.h"

// A descriptor in the queue: what it asks of this channel. `below`, `above`: the head has a member before
// this channel, behind it.
struct attention_entry {
  uint16_t k_base, v_base, v_stride, q_base, o_base, stride;
  uint8_t kv_stripe, qo_stripe;
  unsigned last_position, sixteens, mode, row_block, lanes, words, slots;
  bool first, last, below, above;
};

// What a descriptor asks of a channel whose share it is.
struct attention_entry attention_entry_of(const uint32_t *descriptor, const struct attention_share *share);

#endif
