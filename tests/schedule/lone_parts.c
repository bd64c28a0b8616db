// SPDX-License-Identifier: Apache-2.0
// How much a lone expert that lies twice takes over the bound at most, with the parts that schedule_place
// chooses and with the best that a random search finds: 1 to 64 groups of tokens, by formulas.
#include <stdio.h>
#include <string.h>

#include "duplex/random.h"
#include "schedule/schedule.h"
#include "tests/common/environment.h"

#define MOVES 60000u
#define ENDS 4u  // that a move changes at most
#define CHANNELS 32u
#define MEAN_WEIGHT 0.1  // of what is searched for, beside the most

static const struct expert {
  const char *name;
  uint32_t hidden, inner, gated;
} experts[] = {{"Mixtral-8x7B", 4096, 14336, 1}, {"GLaM", 4096, 16384, 0}, {"Grok1", 6144, 32768, 1}};

struct losses {
  double most, mean;
};

static struct losses losses_of(const struct schedule_shape *shape,
                               const struct schedule_placement *placement) {
  static struct schedule_times times;
  static struct schedule_work work;
  struct schedule_decision decision;
  struct losses losses = {0};
  schedule_formula(shape, placement, &times);
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++) {
    const uint16_t count = (uint16_t)(groups * SCHEDULE_LANES);
    schedule_decide(SCHEDULE_BEST, &times, &count, &work, &decision);
    const double loss = (double)decision.total / schedule_bound(&times, &count);
    losses.most = loss > losses.most ? loss : losses.most;
    losses.mean += loss / SCHEDULE_GROUPS;
  }
  return losses;
}

static double badness(const struct losses *losses) { return losses->most + MEAN_WEIGHT * losses->mean; }

// The same parts with some ends more or fewer.
static struct schedule_placement move_end(const struct schedule_placement *from,
                                          struct duplex_random *random) {
  const uint32_t unit = schedule_cut_unit(CHANNELS);
  bool ends[1024] = {false};
  uint32_t columns = 0;
  uint32_t count = 0;
  for (uint32_t part = 0; part < from->parts[0]; part++) {
    columns += from->width[0][part];
    if (part + 1 < from->parts[0]) ends[columns / unit] = true;
  }
  const uint32_t units = (columns + unit - 1) / unit;
  for (uint64_t i = 1 + duplex_random_below(random, ENDS); i > 0; i--) {
    bool *end = &ends[1 + duplex_random_below(random, units - 1)];
    *end = !*end;
  }
  struct schedule_placement to = *from;
  memset(to.width[0], 0, sizeof to.width[0]);
  uint32_t begin = 0;
  for (uint32_t at = 1; at < units && count + 1 < SCHEDULE_PARTS; at++) {
    if (!ends[at]) continue;
    to.width[0][count++] = (at - begin) * unit;
    begin = at;
  }
  to.width[0][count++] = columns - begin * unit;
  to.parts[0] = count;
  return to;
}

static void search(const struct expert *expert, struct duplex_random *random) {
  const struct schedule_shape shape = {.hidden = expert->hidden,
                                       .inner = expert->inner,
                                       .experts = 1,
                                       .stacks = 5,
                                       .channels = CHANNELS,
                                       .gated = expert->gated,
                                       .replicated = 1};
  struct schedule_placement best;
  schedule_place(&shape, &best);
  struct losses least = losses_of(&shape, &best);
  printf("%-13s chosen: %.3f at most, %.3f on average;", expert->name, least.most, least.mean);
  for (uint32_t move = 0; move < MOVES; move++) {
    const struct schedule_placement tried = move_end(&best, random);
    const struct losses losses = losses_of(&shape, &tried);
    if (badness(&losses) >= badness(&least)) continue;
    least = losses;
    best = tried;
  }
  printf(" best of %u: %.3f at most, %.3f on average, in parts of", MOVES, least.most, least.mean);
  for (uint32_t part = 0; part < best.parts[0]; part++) printf(" %u", best.width[0][part]);
  printf("\n");
}

int main(void) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 0);
  for (unsigned i = 0; i < sizeof experts / sizeof *experts; i++) search(&experts[i], &random);
  return 0;
}
