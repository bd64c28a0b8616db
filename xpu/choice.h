// SPDX-License-Identifier: Apache-2.0
// A router that chooses by more than its logits: scores with a bias, groups of experts, scaled weights
// (DeepSeek-V3; docs/xpu_numerics.md).
#ifndef XPU_CHOICE_H
#define XPU_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "xpu/score.h"

struct xpu_choice {
  const duplex_f32 *bias;  // [experts], added to the scores, for the choice alone; NULL: none
  unsigned groups,
      groups_taken;  // experts / groups of them each, 2 or more; 1 to groups are taken. 1, 1: no groups
  duplex_f32 scale;  // of the weights
};

#define XPU_CHOICE_BEST 2u  // of a group, by which it ranks

// Whether k of so many experts can be chosen so.
static inline bool xpu_choice_is_legal(const struct xpu_choice *choice, unsigned experts, unsigned k) {
  if (!choice->groups || experts % choice->groups || !choice->groups_taken) return false;
  const unsigned size = experts / choice->groups;
  if (choice->groups > 1 && size < XPU_CHOICE_BEST) return false;
  return choice->groups_taken <= choice->groups && k && k <= choice->groups_taken * size;
}

// Binary32 numbers of room that one token needs.
size_t xpu_choice_room(const struct xpu_choice *choice, unsigned experts);

// Chooses by v = RN32(sigmoid(logit) + bias). A group ranks by RN32(sum of its two largest v), and experts of
// the groups taken rank by v; ties and NaN as in xpu_top_k. The weights of the chosen experts, in ascending
// order, are RN32(scale * w): w their sigmoids, or, renormalised, RN32(sigmoid / RN32(sum + 1e-20)).
void xpu_choose_token(const struct xpu_choice *choice, bool renormalise, const duplex_f32 *logits,
                      unsigned experts, unsigned k, duplex_f32 *room, uint32_t *chosen, duplex_f32 *weights);

#endif
