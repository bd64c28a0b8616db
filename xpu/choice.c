// SPDX-License-Identifier: Apache-2.0
// Groups by their two best experts, experts by score and bias, weights by score alone.
#include "xpu/choice.h"

#include "cmodel/numerics/exact_mode.h"
#include "xpu/binary32.h"
#include "xpu/top_k.h"

#define ADDED_TO_SUM 0x1e3ce508u  // RN32(1e-20): a sum of zeros divides too

size_t xpu_choice_room(const struct xpu_choice *choice, unsigned experts) {
  return (size_t)experts + 2 * (size_t)choice->groups;
}

static duplex_f32 plus(duplex_f32 a, duplex_f32 b) {
  return binary32_bits(binary32_float(a) + binary32_float(b));
}

// values[experts] = what the choice goes by.
static void make_values(const struct xpu_choice *choice, const duplex_f32 *logits, unsigned experts,
                        duplex_f32 *values) {
  for (uint32_t i = 0; i < experts; i++)
    xpu_score_token(XPU_SCORE_SIGMOID, false, logits, experts, &i, 1, &values[i]);
  for (unsigned i = 0; i < experts && choice->bias; i++) values[i] = plus(values[i], choice->bias[i]);
}

// Moves the values of the taken groups to the front; taken[groups_taken] are their numbers, in ascending
// order.
static void take_groups(const struct xpu_choice *choice, unsigned size, duplex_f32 *values, duplex_f32 *ranks,
                        uint32_t *taken) {
  for (unsigned group = 0; group < choice->groups; group++) {
    uint32_t best[XPU_CHOICE_BEST];
    xpu_top_k(values + group * size, size, XPU_CHOICE_BEST, best);
    ranks[group] = plus(values[group * size + best[0]], values[group * size + best[1]]);
  }
  xpu_top_k(ranks, choice->groups, choice->groups_taken, taken);
  for (unsigned i = 0; i < choice->groups_taken; i++)
    for (unsigned j = 0; j < size; j++) values[i * size + j] = values[taken[i] * size + j];
}

void xpu_choose_token(const struct xpu_choice *choice, bool renormalise, const duplex_f32 *logits,
                      unsigned experts, unsigned k, duplex_f32 *room, uint32_t *chosen, duplex_f32 *weights) {
  const unsigned size = experts / choice->groups;
  duplex_f32 *values = room;
  duplex_f32 *ranks = values + experts;
  uint32_t *taken = ranks + choice->groups;
  const exact_mode saved = exact_begin(logits);
  make_values(choice, logits, experts, values);
  taken[0] = 0;
  if (choice->groups > 1) take_groups(choice, size, values, ranks, taken);
  xpu_top_k(values, choice->groups_taken * size, k, chosen);
  for (unsigned i = 0; i < k; i++) chosen[i] = taken[chosen[i] / size] * size + chosen[i] % size;
  xpu_score_token(XPU_SCORE_SIGMOID, false, logits, experts, chosen, k, weights);
  if (renormalise) xpu_score_normalise(weights, k, ADDED_TO_SUM);
  for (unsigned i = 0; i < k; i++)
    weights[i] = binary32_bits(binary32_float(weights[i]) * binary32_float(choice->scale));
  exact_end(saved, weights);
}
