// A descriptor as the queue keeps it, as rtl/attention/attention_queue.v.
#include "cmodel/attention/attention_queue.h"

#include "duplex/descriptor.h"

#define GET(field) DUPLEX_DESCRIPTOR_GET(d, field)

struct attention_entry attention_entry_of(const uint32_t *d, const struct attention_share *share) {
  const uint32_t scores = share->length << GET(LANES);
  return (struct attention_entry){.k_base = (uint16_t)GET(SRC_BASE),
                                  .v_base = (uint16_t)GET(V_BASE),
                                  .v_stride = (uint16_t)GET(V_BLOCK_STRIDE),
                                  .q_base = (uint16_t)GET(Q_BASE),
                                  .o_base = (uint16_t)GET(DST_BASE),
                                  .stride = (uint16_t)GET(SRC_STRIDE),
                                  .kv_stripe = (uint8_t)GET(SRC_STRIPE),
                                  .qo_stripe = (uint8_t)GET(DST_STRIPE),
                                  .last_position = share->length - 1,
                                  .sixteens = GET(HEAD_SIZE) / 16,
                                  .mode = GET(MODE),
                                  .row_block = GET(ROW_BLOCK),
                                  .lanes = GET(LANES),
                                  .words = (scores + DUPLEX_SCORES_OF_WORD - 1) / DUPLEX_SCORES_OF_WORD,
                                  .slots = share->slots,
                                  .first = GET(FIRST),
                                  .last = GET(LAST),
                                  .below = share->member != 0,
                                  .above = share->member + 1 != 1u << GET(SPREAD)};
}
