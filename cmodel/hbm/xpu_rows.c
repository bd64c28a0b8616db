// SPDX-License-Identifier: Apache-2.0
// Rows of the xPU's banks: which row command one may have now.
#include "cmodel/hbm/xpu_rows.h"

// Whether the bank, its rank, its group and the window of four allow an ACT now.
static bool may_activate(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  const unsigned rank = bundle / 2;
  const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
  return x->now >= b->act_at && x->now >= x->rank_at[rank] && x->now >= x->group_act_at[rank][bank % 4] &&
         x->now >= x->activations[rank][0];
}

struct xpu_candidate xpu_open_row(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank,
                                  uint16_t row) {
  const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
  struct xpu_candidate c = {XPU_NOTHING, bundle, bank, row};
  if (b->open && b->row != row && x->now >= b->pre_at) c.command = DUPLEX_ROW_COMMAND_PRE;
  if (!b->open && may_activate(x, bundle, bank)) c.command = DUPLEX_ROW_COMMAND_ACT;
  return c;
}
