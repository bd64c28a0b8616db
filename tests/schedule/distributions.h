// SPDX-License-Identifier: Apache-2.0
// Random layers for the tests of the schedule: shapes of known models, experts of a device, tokens, counts.
#ifndef DUPLEX_TEST_SCHEDULE_DISTRIBUTIONS_H
#define DUPLEX_TEST_SCHEDULE_DISTRIBUTIONS_H

#include <string.h>

#include "duplex/random.h"
#include "schedule/schedule.h"

enum { MODELS = 5, KINDS = 4 };
enum { UNIFORM, ZIPF, ONE_HOT, BIMODAL };

static const char *const model_names[MODELS] = {"Mixtral-8x7B", "GLaM", "Grok1", "Qwen3-30B-A3B",
                                                "DeepSeek-V3"};
static const char *const kind_names[KINDS] = {"uniform", "zipf", "one hot", "bimodal"};

static inline struct schedule_shape model_shape(unsigned model, uint32_t experts) {
  static const uint32_t sizes[MODELS][3] = {
      {4096, 14336, 1}, {4096, 16384, 0}, {6144, 32768, 1}, {2048, 768, 1}, {7168, 2048, 1}};
  return (struct schedule_shape){sizes[model][0], sizes[model][1], experts, 5, 32, sizes[model][2], 0, 0, 0};
}

// A number from 1 to `most`, small ones as likely as large ones by their logarithm.
static inline uint32_t draw_scale(struct duplex_random *random, uint32_t most) {
  uint32_t octaves = 0;
  while (2u << octaves <= most) octaves++;
  for (;;) {
    const uint32_t low = 1u << duplex_random_below(random, octaves + 1);
    const uint32_t value = low + (uint32_t)duplex_random_below(random, low);
    if (value <= most) return value;
  }
}

// The shape of a layer of up to so many columns, the i-th of all that there are: with room for a second copy
// of each expert or without, of exact or of rounded sums.
static inline struct schedule_shape draw_shape(struct duplex_random *random, uint32_t hidden, uint32_t inner,
                                               unsigned i) {
  return (struct schedule_shape){draw_scale(random, hidden),
                                 draw_scale(random, inner),
                                 draw_scale(random, SCHEDULE_EXPERTS),
                                 1 + (uint32_t)duplex_random_below(random, 8),
                                 1 + (uint32_t)duplex_random_below(random, 32),
                                 (uint32_t)duplex_random_below(random, 2),
                                 0,
                                 i % 2,
                                 i / 4 % 2};
}

// Weights of the experts as running sums, in an order drawn at random.
static inline double draw_weights(struct duplex_random *random, unsigned kind, uint32_t experts,
                                  double *sums) {
  const double hot = 1 + 20 * duplex_random_unit(random);
  const double skew = 0.5 + duplex_random_unit(random);
  double weight[SCHEDULE_EXPERTS], sum = 0;
  for (uint32_t e = 0; e < experts; e++) {
    weight[e] = 1;
    if (kind == ZIPF) weight[e] = __builtin_pow(e + 1, -skew);
    if (kind == ONE_HOT && e == 0) weight[e] = hot * experts / 8;
    if (kind == BIMODAL && e % 4 == 0) weight[e] = hot;
  }
  for (uint32_t e = experts; e-- > 1;) {
    const uint32_t other = (uint32_t)duplex_random_below(random, e + 1);
    const double swapped = weight[e];
    weight[e] = weight[other];
    weight[other] = swapped;
  }
  for (uint32_t e = 0; e < experts; e++) sums[e] = sum += weight[e];
  return sum;
}

static inline uint32_t draw_expert(struct duplex_random *random, const double *sums, uint32_t experts) {
  const double at = duplex_random_unit(random) * sums[experts - 1];
  uint32_t low = 0;
  uint32_t high = experts - 1;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (sums[middle] > at) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// `tokens` tokens, each of which chooses `chosen` different experts.
static inline void draw_counts(struct duplex_random *random, unsigned kind, uint32_t experts, uint32_t tokens,
                               uint32_t chosen, uint16_t *counts) {
  double sums[SCHEDULE_EXPERTS];
  draw_weights(random, kind, experts, sums);
  memset(counts, 0, experts * sizeof *counts);
  for (uint32_t token = 0; token < tokens; token++) {
    uint32_t taken[8];
    for (uint32_t i = 0; i < chosen; i++) {
      bool again = true;
      for (uint32_t tries = 0; again; tries++) {
        taken[i] =
            tries < 16 ? draw_expert(random, sums, experts) : (uint32_t)duplex_random_below(random, experts);
        again = false;
        for (uint32_t j = 0; j < i; j++) again |= taken[j] == taken[i];
      }
      counts[taken[i]]++;
    }
  }
}

#endif
