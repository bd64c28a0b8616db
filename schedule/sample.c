// SPDX-License-Identifier: Apache-2.0
// What a placement loses on a sample of layers, by formulas.
#include "duplex/random.h"
#include "schedule/place.h"

#define OCTAVES 13u        // of tokens: 1, 2, 3, 4, 6, 8, ... 4096
#define LONG_LAYER 32500u  // clocks, 50 us: from here on a decision is charged
#define DECODE 4u          // weight of layers with 2 to 32 choices an expert, as decoding has them
#define WORST 1u           // weight of squares, so that the worst layers count more
#define DRAWS 512u         // of a layer at most
#define CHOSEN 8u          // experts of a token, in half of the layers; one in the others

// The experts in an order drawn at random.
static void draw_order(struct duplex_random *random, uint32_t experts, uint8_t order[SCHEDULE_EXPERTS]) {
  for (uint32_t e = 0; e < experts; e++) {
    const uint32_t other = (uint32_t)duplex_random_below(random, e + 1);
    order[e] = order[other];
    order[other] = (uint8_t)e;
  }
}

// So many choices of experts, many of them at once: all are as likely as each other, or few of them are hot.
static void draw_layer(struct duplex_random *random, uint32_t experts, uint32_t choices, bool hot,
                       uint16_t counts[SCHEDULE_EXPERTS]) {
  uint8_t order[SCHEDULE_EXPERTS];
  draw_order(random, experts, order);
  for (uint32_t e = 0; e < experts; e++) counts[e] = 0;
  const uint32_t at_once = choices / DRAWS + 1;
  for (uint32_t drawn = 0; drawn < choices; drawn += at_once) {
    uint32_t at = (uint32_t)duplex_random_below(random, experts);
    if (hot) at = (uint32_t)duplex_random_below(random, at + 1);
    counts[order[at]] = (uint16_t)(counts[order[at]] + at_once);
  }
}

// Clocks that a decision takes longer than with halves (docs/schedule.md, "The cost of a decision").
static const int16_t longer_decision[] = {[SCHEDULE_ALTERNATE] = 1000,
                                          [SCHEDULE_SPLIT] = 2000,
                                          [SCHEDULE_HALVED] = 0,
                                          [SCHEDULE_REPLICATED] = -750};

// How much longer than its bound a layer takes, and the square of that.
static uint64_t layer_loss(const struct schedule_times *times, const uint16_t *counts,
                           struct schedule_work *work) {
  struct schedule_decision decision;
  const uint64_t bound = schedule_bound(times, counts) + 1;
  schedule_decide(SCHEDULE_BEST, times, counts, work, &decision);
  uint64_t total = decision.total;
  if (bound >= LONG_LAYER / times->clocks_per_unit)
    total += (uint64_t)(longer_decision[times->placement.layout] / (int32_t)times->clocks_per_unit);
  const uint64_t excess = total > bound ? (total - bound) * PLACE_SCALE / bound : 0;
  return excess + excess * excess * WORST / PLACE_SCALE;
}

uint64_t place_loss(const struct schedule_shape *shape, const struct schedule_placement *placement) {
  struct schedule_times times;
  struct schedule_work work;
  struct duplex_random random;
  const uint32_t chosen = shape->experts < CHOSEN ? shape->experts : CHOSEN;
  uint64_t sum = 0;
  uint64_t weights = 0;
  duplex_random_seed(&random, 0, 0);
  schedule_formula(shape, placement, &times);
  for (uint32_t half = 1; half < 2 * OCTAVES; half++)
    for (uint32_t kind = 0; kind < 4; kind++) {
      const uint32_t tokens = (2 + half % 2) << half / 2 >> 1;
      const uint32_t choices = tokens * (kind % 2 ? chosen : 1);
      const uint64_t weight = choices >= 2 * shape->experts && choices <= 32 * shape->experts ? DECODE : 1;
      uint16_t counts[SCHEDULE_EXPERTS];
      draw_layer(&random, shape->experts, choices, kind >= 2, counts);
      sum += layer_loss(&times, counts, &work) * weight;
      weights += weight;
    }
  return sum / weights;
}
