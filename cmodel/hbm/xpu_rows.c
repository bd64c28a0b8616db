// SPDX-License-Identifier: Apache-2.0
// What reads and writes of the xPU have in common: their ranges, and which row command a bank may have now.
#include "cmodel/hbm/xpu_rows.h"

bool xpu_is_range(uint64_t address, size_t size) {
  return address % XPU_PIECE_BYTES == 0 && size % XPU_PIECE_BYTES == 0 && size <= DUPLEX_CHANNEL_BYTES &&
         address <= DUPLEX_CHANNEL_BYTES - size;
}

// Whether the bank, its rank and its group allow an ACT or REF now.
bool xpu_rank_ready(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  const unsigned rank = bundle / 2;
  return x->now >= x->bank[bundle][bank].act_at && x->now >= x->rank_at[rank] &&
         x->now >= x->group_act_at[rank][bank % 4] && x->now >= x->ref_at[rank];
}

struct duplex_xpu_candidate xpu_open_row(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank,
                                         unsigned row) {
  const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
  struct duplex_xpu_candidate c = {XPU_NOTHING, bundle, bank, row};
  if (b->open && b->row != row && x->now >= b->pre_at) c.command = DUPLEX_ROW_COMMAND_PRE;
  if (!b->open && xpu_rank_ready(x, bundle, bank) && x->now >= x->activations[bundle / 2][0])
    c.command = DUPLEX_ROW_COMMAND_ACT;
  return c;
}
