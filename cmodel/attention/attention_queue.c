// SPDX-License-Identifier: Apache-2.0
// A descriptor as the queue keeps it, as rtl/attention/attention_queue.v.
#include "cmodel/attention/attention_queue.h"

#include "duplex/descriptor.h"

struct attention_entry attention_entry_of(const uint32_t *d, const struct attention_share *share) {
  const uint32_t scores = share->length << DUPLEX_DESCRIPTOR_GET(d, LANES);
  return (struct attention_entry){.k_base = (uint16_t)DUPLEX_DESCRIPTOR_GET(d, SRC_BASE),
                                  .v_base = (uint16_t)DUPLEX_DESCRIPTOR_GET(d, V_BASE),
                                  .v_stride = (uint16_t)DUPLEX_DESCRIPTOR_GET(d, V_BLOCK_STRIDE),
                                  .q_base = (uint16_t)DUPLEX_DESCRIPTOR_GET(d, Q_BASE),
                                  .o_base = (uint16_t)DUPLEX_DESCRIPTOR_GET(d, DST_BASE),
                                  .stride = (uint16_t)DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE),
                                  .kv_stripe = (uint8_t)DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE),
                                  .qo_stripe = (uint8_t)DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE),
                                  .last_position = share->length - 1,
                                  .sixteens = DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) / 16,
                                  .mode = DUPLEX_DESCRIPTOR_GET(d, MODE),
                                  .row_block = DUPLEX_DESCRIPTOR_GET(d, ROW_BLOCK),
                                  .lanes = DUPLEX_DESCRIPTOR_GET(d, LANES),
                                  .words = (scores + DUPLEX_SCORES_OF_WORD - 1) / DUPLEX_SCORES_OF_WORD,
                                  .slots = share->slots,
                                  .first = DUPLEX_DESCRIPTOR_GET(d, FIRST),
                                  .last = DUPLEX_DESCRIPTOR_GET(d, LAST),
                                  .below = share->member != 0,
                                  .above = share->member + 1 != 1u << DUPLEX_DESCRIPTOR_GET(d, SPREAD)};
}
