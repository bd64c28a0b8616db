// SPDX-License-Identifier: Apache-2.0
// The paper's policy: prefix search in order of increasing tokens, by whole spaces.
#include "duplex/arithmetic.h"
#include "schedule/policies.h"

#define LONE 0u  // bundles less one: experts of Logic-PIM's only space
#define PAIR 1u  // of two spaces, whose experts are streamed in pairs

struct space {
  uint32_t tokens, experts, index;
  uint32_t lone, pair, xpu;  // times
};

// Expert e lies in space e % 4. Spaces in order of increasing tokens; of equal ones the first comes first.
static void sum_spaces(const struct schedule_times *times, const uint16_t *counts,
                       struct space spaces[SCHEDULE_BUNDLES]) {
  for (uint32_t s = 0; s < SCHEDULE_BUNDLES; s++) spaces[s] = (struct space){.index = s};
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    struct space *space = &spaces[e % SCHEDULE_BUNDLES];
    const uint32_t groups = schedule_groups(counts[e]);
    space->tokens += counts[e];
    space->experts += groups != 0;
    space->lone += SCHEDULE_TIME(times, groups, striped[LONE]);
    space->pair += SCHEDULE_TIME(times, groups, striped[PAIR]);
    space->xpu += SCHEDULE_TIME(times, groups, whole);
  }
  for (uint32_t i = 1; i < SCHEDULE_BUNDLES; i++)
    for (uint32_t at = i; at > 0 && spaces[at].tokens < spaces[at - 1].tokens; at--) {
      const struct space moved = spaces[at];
      spaces[at] = spaces[at - 1];
      spaces[at - 1] = moved;
    }
}

// Time of Logic-PIM on the first spaces: in pairs if two of them have experts.
static uint32_t prefix_time(const struct space spaces[SCHEDULE_BUNDLES], uint32_t count) {
  uint32_t lone = 0;
  uint32_t pair = 0;
  uint32_t used = 0;
  for (uint32_t s = 0; s < count; s++) {
    lone += spaces[s].lone;
    pair += spaces[s].pair;
    used += spaces[s].experts != 0;
  }
  return used >= 2 ? pair : lone;
}

// The prefix of spaces that ends first; its spaces as a mask.
static void choose_prefix(const struct space spaces[SCHEDULE_BUNDLES], struct schedule_decision *decision) {
  uint32_t xpu = 0;
  uint32_t least = UINT32_MAX;
  uint32_t mask = 0;
  for (uint32_t s = 0; s < SCHEDULE_BUNDLES; s++) xpu += spaces[s].xpu;
  for (uint32_t count = 0; count <= SCHEDULE_BUNDLES; count++) {
    const uint32_t pim = prefix_time(spaces, count);
    if (duplex_larger(pim, xpu) < least) {
      least = duplex_larger(pim, xpu);
      decision->owned[0] = mask;
      decision->pim[0] = pim;
      decision->xpu[1] = xpu;
    }
    if (count == SCHEDULE_BUNDLES) break;
    mask |= 1u << spaces[count].index;
    xpu -= spaces[count].xpu;
  }
}

void schedule_spaces(const struct schedule_times *times, const uint16_t *counts,
                     struct schedule_decision *decision) {
  struct space spaces[SCHEDULE_BUNDLES];
  sum_spaces(times, counts, spaces);
  choose_prefix(spaces, decision);
  decision->spaces = 1;
  for (uint32_t e = 0; e < times->shape.experts; e++)
    decision->cut[0][e] = counts[e] && decision->owned[0] >> e % SCHEDULE_BUNDLES & 1;
}

void schedule_paper(const struct schedule_times *times, const uint16_t *counts,
                    struct schedule_decision *decision) {
  schedule_turns(times, counts, decision);
  const uint32_t turns = decision->pim[0] + decision->xpu[0];
  const uint32_t pim = decision->pim[0];
  struct space spaces[SCHEDULE_BUNDLES];
  sum_spaces(times, counts, spaces);
  choose_prefix(spaces, decision);
  if (duplex_larger(decision->pim[0], decision->xpu[1]) >= turns) {
    decision->owned[0] = SCHEDULE_ALL_BUNDLES;
    decision->pim[0] = pim;
    decision->xpu[1] = 0;
    return;
  }
  decision->xpu[0] = 0;
  schedule_spaces(times, counts, decision);
}
