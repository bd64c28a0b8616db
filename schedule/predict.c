// SPDX-License-Identifier: Apache-2.0
// What a layer takes, of its phases and the costs of a table (docs/device.md, "What the times are").
#include "duplex/arithmetic.h"
#include "schedule/schedule.h"

// The time of so many clocks of commands with what they begin with; none of nothing.
static uint64_t started(uint64_t commands, uint32_t start) { return commands ? start + commands : 0; }

static uint64_t tokens_of(const struct schedule_costs *costs, const struct schedule_phase *phase) {
  return schedule_tokens(costs, phase->groups, phase->passes);
}

// Adds phase i of those from `first` to `last`, item by item. Tokens and sums move a piece a clock among
// reads of weights, which keep other banks busy; alone they wait for their own banks. The xPU starts when a
// job has begun, and by then bundles that were Logic-PIM's are ready.
static void add_phase(const struct schedule_costs *costs, const struct schedule_phase phases[2], uint32_t i,
                      uint32_t first, uint32_t last, struct schedule_prediction *p) {
  const struct schedule_phase *phase = &phases[i];
  const uint32_t start = costs->reads[i > first && !phase->jobs] + phase->decision;
  const uint64_t experts = duplex_larger_u64(phase->pim, phase->xpu);
  uint64_t commands = phase->xpu;
  p->pim[i] = phase->pim + phase->job_clocks + phase->decision;
  const uint64_t with_starts = duplex_larger_u64(p->pim[i], started(commands, start));
  if (i > first) commands = duplex_larger_u64(commands + phases[i - 1].sum_commands, phases[i - 1].sums);
  const uint64_t with_sums = duplex_larger_u64(p->pim[i], started(commands, start));
  if (i < last)
    commands = duplex_larger_u64(commands + (uint64_t)phases[i + 1].groups * costs->tokens,
                                 tokens_of(costs, &phases[i + 1]));
  p->xpu[i] = started(commands, start);
  p->experts += experts;
  p->starts += with_starts - experts + (i == first ? costs->given : costs->taken);
  p->sums += with_sums - with_starts;
  p->tokens += duplex_larger_u64(p->pim[i], p->xpu[i]) - with_sums;
}

void schedule_predict(const struct schedule_costs *costs, const struct schedule_phase phases[2],
                      struct schedule_prediction *prediction) {
  const uint32_t first = schedule_phase_works(&phases[0]) ? 0 : 1;
  const uint32_t last = schedule_phase_works(&phases[1]) ? 1 : 0;
  *prediction = (struct schedule_prediction){.starts = costs->taken};
  for (uint32_t i = first; i <= last; i++) add_phase(costs, phases, i, first, last, prediction);
  prediction->tokens += started(tokens_of(costs, &phases[first]), costs->first_tokens);
  prediction->sums += started(phases[last].sums, costs->first_sums);
  prediction->total = prediction->experts + prediction->starts + prediction->tokens + prediction->sums;
}
