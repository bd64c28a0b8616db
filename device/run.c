// SPDX-License-Identifier: Apache-2.0
// Who does what of a run.
#include "device/run.h"

unsigned run_cut(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  const struct duplex_moe *moe = run->moe;
  if (!moe_has_piece(moe, expert, piece)) return 0;
  const unsigned cut = run->decision.cut[piece / moe->turns][expert];
  const unsigned parts = moe->piece[stack][piece].parts;
  return cut < parts ? cut : parts;
}

bool run_is_shared(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  return run->counts[expert] && moe_has_piece(run->moe, expert, piece) &&
         run_cut(run, stack, piece, expert) < run->moe->piece[stack][piece].parts;
}

unsigned run_phases(const struct moe_run *run) {
  unsigned phases = 0;
  for (unsigned i = 0; i < DUPLEX_PHASES; i++)
    if (run->decision.pim[i] || run->decision.xpu[1 - i]) phases |= 1u << i;
  return phases;
}
