// SPDX-License-Identifier: Apache-2.0
// Layers as they are to be expected: pairs of token and expert, any expert as likely as another.
#include "duplex/random.h"
#include "schedule/schedule.h"

// Pairs from which they are spread evenly: 64 or more an expert, of which counts differ by little.
#define EVEN 16384u

void schedule_spread(uint32_t experts, uint32_t pairs, uint16_t *counts) {
  for (uint32_t e = 0; e < experts; e++) counts[e] = (uint16_t)(pairs / experts + (e < pairs % experts));
}

void schedule_expect(uint32_t experts, uint32_t pairs, uint32_t number, uint16_t *counts) {
  struct duplex_random random;
  if (pairs >= EVEN) {
    schedule_spread(experts, pairs, counts);
    return;
  }
  schedule_spread(experts, 0, counts);
  duplex_random_seed(&random, number, 0);
  for (uint32_t i = 0; i < pairs; i++) counts[duplex_random_below(&random, experts)]++;
}
