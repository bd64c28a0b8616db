// SPDX-License-Identifier: Apache-2.0
// The phases of a layer one after the other, and what the slowest stack took for each.
#include <string.h>

#include "device/charges.h"
#include "device/phase.h"
#include "duplex/arithmetic.h"

static struct phase_times slowest(const struct moe_run *run, const struct phase_times *times) {
  struct phase_times most = {0};
  for (unsigned stack = 0; stack < run->device->stacks; stack++) {
    most.tokens = duplex_larger(most.tokens, times[stack].tokens);
    most.hand_over = duplex_larger(most.hand_over, times[stack].hand_over);
    most.logic_pim = duplex_larger(most.logic_pim, times[stack].logic_pim);
    most.decision = duplex_larger(most.decision, times[stack].decision);
    most.xpu = duplex_larger(most.xpu, times[stack].xpu);
  }
  return most;
}

// An event of each stack from `begin` on: the hand-over, which ends for all at `from`, and its jobs.
static void note_stacks(struct moe_run *run, unsigned number, const struct phase_times *times, uint64_t begin,
                        uint64_t from) {
  static const char *const names[DUPLEX_PHASES] = {"experts, phase 0", "experts, phase 1", "experts, phase 2",
                                                   "experts, phase 3"};
  struct events *events = &run->device->events;
  for (unsigned stack = 0; stack < run->device->stacks; stack++) {
    events_add(events, "hand-over", stack + 1, begin, begin + times[stack].hand_over, -1);
    events_add(events, names[number], stack + 1, from, from + times[stack].logic_pim, -1);
  }
}

// Notes the times of a phase that begins at clock `clock`, whose estimate is there; returns its end.
static uint64_t note_phase(struct moe_run *run, unsigned number, unsigned owned,
                           const struct phase_times *times, uint64_t clock) {
  static const char *const names[DUPLEX_PHASES] = {"read, phase 0", "read, phase 1", "read, phase 2",
                                                   "read, phase 3"};
  struct duplex_moe_stats *stats = &run->device->stats;
  const struct phase_times most = slowest(run, times);
  const uint64_t begin = charges_note(run, run->stage->kind == STAGE_DOWN ? "h" : "tokens",
                                      &stats->distribute, clock, most.tokens);
  const uint64_t from = begin + most.hand_over;
  note_stacks(run, number, times, begin, from);
  stats->logic_pim[number] = most.logic_pim;
  stats->xpu_reads[number] = most.xpu;
  const uint64_t reads = most.xpu - duplex_smaller(most.xpu, most.decision);
  const uint64_t in_turn = charges_in_turn(run, owned, reads);
  if (in_turn > reads) stats->xpu_estimate[number] = in_turn;
  if (stats->xpu_estimate[number]) stats->xpu_estimate[number] += most.decision;
  const uint64_t xpu = duplex_larger(most.xpu, stats->xpu_estimate[number]);
  const uint64_t sides = duplex_larger(most.logic_pim, xpu);
  events_add(&run->device->events, names[number], 0, from, from + xpu, -1);
  stats->hand_over += most.hand_over;
  stats->sides += sides;
  return from + sides;
}

// The same of the reduction.
static uint64_t note_reduction(struct moe_run *run, const struct phase_times *times, uint64_t clock) {
  struct duplex_moe_stats *stats = &run->device->stats;
  const struct phase_times most = slowest(run, times);
  for (unsigned stack = 0; stack < run->device->stacks; stack++)
    events_add(&run->device->events, "hand-over", stack + 1, clock, clock + times[stack].hand_over, -1);
  stats->hand_over += most.hand_over;
  return charges_note(run, run->stage->kind == STAGE_UP ? "g and u" : "reduce", &stats->reduce,
                      clock + most.hand_over, most.xpu);
}

// Phase `i` of the run's stage, whose phases are the layer's from number `number` on. The xPU tells of its
// works before anything of them is done.
static int run_phase(struct moe_run *run, unsigned number, unsigned i, uint64_t launch, uint64_t *clock) {
  struct duplex_moe_stats *stats = &run->device->stats;
  struct phase_times times[DUPLEX_STACKS_MOST];
  int error = charges_estimate(run, run_owned(run, i), &stats->xpu_estimate[number + i]);
  if (error) return error;
  *clock = charges_note(run, "launch", &stats->launch, *clock, launch);
  error = phase_run(run, run_owned(run, i), times);
  *clock = note_phase(run, number + i, run_owned(run, i), times, *clock);
  return error;
}

// The run's stage, whose phases are the layer's from number `number` on.
static int run_stage(struct moe_run *run, unsigned number, uint64_t *clock) {
  const unsigned phases = run_phases(run);
  const unsigned first = phases & 1 ? 0 : 1;
  struct phase_times times[DUPLEX_STACKS_MOST];
  int error = DUPLEX_OK;
  memset(run->job, 0, sizeof run->job);
  for (unsigned i = 0; i < STAGE_PHASES && !error; i++)
    if (phases >> i & 1) error = phase_plan(run, run_owned(run, i));
  for (unsigned i = 0; i < STAGE_PHASES && !error; i++) {
    if (!(phases >> i & 1)) continue;
    const bool beside_decision = number == 0 && i == first;
    const uint64_t launch = beside_decision ? charges_first_launch(run) : charges_launch(run);
    error = run_phase(run, number, i, launch, clock);
  }
  if (error) return error;
  error = phase_reduce(run, times);
  *clock = note_reduction(run, times, *clock);
  return error;
}

int phases_run(struct moe_run *run, uint64_t *clock) {
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < run->moe->stages && !error; i++) {
    run->stage = &run->moe->stage[i];
    error = run_stage(run, i * STAGE_PHASES, clock);
  }
  return error;
}
