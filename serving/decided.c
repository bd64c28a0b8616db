// SPDX-License-Identifier: Apache-2.0
// Decisions about the experts of a device, kept by their groups of tokens.
#include "serving/decided.h"

#include <stdlib.h>
#include <string.h>

#include "device/charges.h"

#define KEPT 4096u        // layers that are kept
#define KEPT_EXPERTS 64u  // of so many experts at most

enum { OWN, XPU_ALONE, PIM_ALONE, WAYS };  // the policy itself, and one side where it does not pay

// A way to divide a layer, and its phases by each firmware without sums.
struct way {
  bool known;
  uint64_t clocks;  // of the layer without sums
  struct schedule_decision decision;
  struct schedule_phase phase[2], controlled[2];
};

// What is known of layers with the same tokens, as decisions know them.
struct kept {
  uint64_t hash;  // 0: none
  uint16_t tokens[KEPT_EXPERTS];
  struct way way[WAYS];
  uint64_t decision_clocks;  // of the policy itself
  struct schedule_least least;
};

struct decided {
  struct decided_tables tables;
  struct schedule_work work;
  struct schedule_worth worth;  // of decisions of `best`
  struct kept one;              // of experts too many to be kept
  struct kept kept[KEPT];
};

unsigned decided_tokens(enum schedule_policy policy, unsigned count) {
  return policy == SCHEDULE_SPACES ? count : schedule_groups(count) * SCHEDULE_LANES;
}

// With the firmware that the machine runs.
static const struct schedule_times *own_times(const struct decided *d) {
  return d->tables.controlled ? d->tables.controlled : d->tables.times;
}

// What a layer takes on a device, with a launch in each phase.
static uint64_t clocks_of(const struct decided *d, const struct schedule_decision *decision,
                          const struct schedule_phase phases[2]) {
  struct schedule_prediction prediction;
  const unsigned launches = schedule_phase_works(&phases[0]) + schedule_phase_works(&phases[1]);
  schedule_predict(schedule_costs_of(own_times(d), decision), phases, &prediction);
  return prediction.total + (uint64_t)launches * d->tables.launch;
}

// As a device predicts it.
static uint64_t predict_under(void *context, enum schedule_policy policy, uint16_t *counts) {
  struct decided *d = context;
  struct schedule_decision *decision = &d->one.way[OWN].decision;
  struct schedule_phase phases[2];
  schedule_divide(policy, d->tables.charged, counts, &d->work, decision);
  schedule_phases(own_times(d), counts, decision, phases);
  return clocks_of(d, decision, phases);
}

struct decided *decided_open(const struct decided_tables *tables) {
  struct decided *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->tables = *tables;
  const struct schedule_ways ways = {tables->charged, predict_under, d};
  if (tables->policy == SCHEDULE_BEST) schedule_weigh(&ways, tables->launch, &d->worth);
  return d;
}

void decided_close(struct decided *decided) { free(decided); }

// What is known of layers with these tokens; of a new one it is what every way of it has in common. It takes
// the place of another.
static struct kept *find(struct decided *d, const uint16_t *tokens) {
  const struct schedule_times *times = d->tables.charged;
  const unsigned experts = times->shape.experts;
  const size_t size = experts * sizeof *tokens;
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (unsigned e = 0; e < experts; e++) hash = (hash ^ tokens[e]) * 1099511628211u;
  struct kept *kept = experts <= KEPT_EXPERTS ? &d->kept[(hash ^ hash >> 32) % KEPT] : &d->one;
  if (experts <= KEPT_EXPERTS && kept->hash == hash && memcmp(kept->tokens, tokens, size) == 0) return kept;
  kept->hash = hash;
  for (unsigned i = 0; i < WAYS; i++) kept->way[i].known = false;
  if (experts <= KEPT_EXPERTS) memcpy(kept->tokens, tokens, size);
  kept->decision_clocks = charges_decision(tokens, experts, &times->placement);
  if (d->tables.policy == SCHEDULE_BEST) schedule_least(times, tokens, &kept->least);
  return kept;
}

static const struct schedule_phase *own_phases(const struct decided *d, const struct way *way) {
  return d->tables.controlled ? way->controlled : way->phase;
}

// One way of that layer.
static const struct way *way_of(struct decided *d, struct kept *kept, unsigned number,
                                const uint16_t *tokens) {
  struct way *way = &kept->way[number];
  const enum schedule_policy policies[WAYS] = {d->tables.policy, SCHEDULE_XPU_ALONE, SCHEDULE_PIM_ALONE};
  if (way->known) return way;
  way->known = true;
  schedule_divide(policies[number], d->tables.charged, tokens, &d->work, &way->decision);
  schedule_phases_by_groups(d->tables.times, tokens, &way->decision, way->phase);
  if (d->tables.controlled)
    schedule_phases_by_groups(d->tables.controlled, tokens, &way->decision, way->controlled);
  way->clocks = clocks_of(d, &way->decision, own_phases(d, way));
  return way;
}

// Clocks of a layer that Logic-PIM has alone; where the xPU is as fast without the sums, no sums are asked
// for.
static uint64_t of_pim(struct decided *d, const struct way *way, const uint16_t *counts, uint64_t xpu) {
  struct schedule_phase phases[2];
  if (way->clocks >= xpu) return way->clocks;
  memcpy(phases, own_phases(d, way), sizeof phases);
  schedule_add_sums(own_times(d), counts, &way->decision, phases);
  return clocks_of(d, &way->decision, phases);
}

// `best` where its decision pays with all that it brings about, or one side alone, as on a device.
static unsigned choose(struct decided *d, struct kept *kept, const uint16_t *counts, const uint16_t *tokens) {
  struct schedule_alone sides = {.least = kept->least};
  if (d->tables.policy != SCHEDULE_BEST) return OWN;
  for (unsigned e = 0; e < d->tables.times->shape.experts; e++) sides.pairs += counts[e];
  sides.xpu = way_of(d, kept, XPU_ALONE, tokens)->clocks;  // which has no sums
  sides.pim = of_pim(d, way_of(d, kept, PIM_ALONE, tokens), counts, sides.xpu);
  const enum schedule_policy side = schedule_side(&d->worth, &sides, kept->decision_clocks);
  return side == SCHEDULE_BEST ? OWN : side == SCHEDULE_XPU_ALONE ? XPU_ALONE : PIM_ALONE;
}

void decided_divide(struct decided *d, const uint16_t *counts, struct decided_layer *layer) {
  uint16_t tokens[SCHEDULE_EXPERTS];
  for (unsigned e = 0; e < d->tables.times->shape.experts; e++)
    tokens[e] = (uint16_t)decided_tokens(d->tables.policy, counts[e]);
  struct kept *kept = find(d, tokens);
  const struct way *way = way_of(d, kept, choose(d, kept, counts, tokens), tokens);
  const bool decided = schedule_is_decided((enum schedule_policy)way->decision.policy);
  layer->decision = &way->decision;
  layer->decision_clocks = decided ? kept->decision_clocks : 0;
  memcpy(layer->phase, way->phase, sizeof layer->phase);
  schedule_add_sums(d->tables.times, counts, &way->decision, layer->phase);
  if (!d->tables.controlled) return;
  memcpy(layer->controlled, way->controlled, sizeof layer->controlled);
  schedule_add_sums(d->tables.controlled, counts, &way->decision, layer->controlled);
}
