// SPDX-License-Identifier: Apache-2.0
// Who does what of a run.
#include "device/run.h"

#include <string.h>

unsigned run_owned(const struct moe_run *run, unsigned phase) {
  return moe_turned(run->decision.owned[phase], run->moe->xpu_bundle);
}

unsigned run_cut(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  const struct duplex_moe *moe = run->moe;
  if (!moe_has_piece(moe, expert, piece)) return 0;
  const unsigned cut = run->decision.cut[moe_piece_of_schedule(moe, piece)][expert];
  const unsigned parts = run->stage->piece[stack][piece].parts;
  return cut < parts ? cut : parts;
}

unsigned run_cut_tokens(const struct moe_run *run, unsigned expert) {
  const unsigned groups = run->groups[run->stage - run->moe->stage];
  return groups && expert == run->decision.divided ? SCHEDULE_LANES * groups : run->counts[expert];
}

struct share run_share(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  const unsigned tokens = run->counts[expert];
  const unsigned first = run_cut_tokens(run, expert);
  struct share share = {run->moe, run->stage, stack, expert, piece, 0, first, tokens - first};
  if (first < tokens) return share;
  share.cut = run_cut(run, stack, piece, expert);
  share.first = 0;
  share.tokens = tokens;
  return share;
}

bool run_is_shared(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  return run->counts[expert] && moe_has_piece(run->moe, expert, piece) &&
         run_share(run, stack, piece, expert).cut < run->stage->piece[stack][piece].parts;
}

// Whether any side has work at a piece in this phase.
static bool works(const struct moe_run *run, unsigned phase, unsigned stack, unsigned piece) {
  const unsigned bundles = run->stage->piece[stack][piece].bundles;
  const unsigned owned = run_owned(run, phase);
  bool any = false;
  for (unsigned e = 0; e < run->moe->shape.experts; e++) {
    any = any || (!(bundles & ~owned) && run->counts[e] && run_cut(run, stack, piece, e));
    any = any || (!(bundles & owned) && run_is_shared(run, stack, piece, e));
  }
  return any;
}

// A side may have a time and no work: what it is charged for the other's.
unsigned run_phases(const struct moe_run *run) {
  const struct schedule_decision *decision = &run->decision;
  unsigned phases = 0;
  for (unsigned i = 0; i < STAGE_PHASES; i++) {
    if (!decision->pim[i] && !decision->xpu[1 - i]) continue;
    for (unsigned stack = 0; stack < run->device->stacks; stack++)
      for (unsigned piece = 0; piece < run->moe->pieces; piece++)
        phases |= (unsigned)works(run, i, stack, piece) << i;
  }
  return phases;
}

void run_gather(const struct moe_run *run, const struct share *share, duplex_f16 *rows) {
  const size_t hidden = run->moe->shape.hidden;
  const uint32_t *token = run->dispatch.token + run->dispatch.first[share->expert] + share->first;
  for (uint32_t i = 0; i < share->tokens; i++)
    memcpy(rows + i * hidden, run->x + token[i] * hidden, hidden * sizeof *rows);
}
