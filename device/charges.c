// SPDX-License-Identifier: Apache-2.0
// Costs of a layer beside its phases.
#include "device/charges.h"

#include "device/xpu_works.h"
#include "duplex/arithmetic.h"
#include "xpu/time.h"

// The decision on the RV32 controller in instructions, of which it does 0.7 a clock: so many, for each
// expert, for each one with tokens, for each number of groups that experts have (each expert beyond the table
// has its own), for each four numbers up to the largest, and for each part of a piece. Fitted for each layout
// to what build/tests/schedule/test_schedule_cost counts, by relative squares. `paper` is charged as if it
// were `best`.
struct decision_cost {
  uint32_t all, expert, used, number, four_numbers, part;
};
static const struct decision_cost decision_costs[] = {[SCHEDULE_STRIPED] = {54, 17, 0, 2, 1, 0},
                                                      [SCHEDULE_ALTERNATE] = {1522, 17, 0, 51, 17, 0},
                                                      [SCHEDULE_SPLIT] = {1966, 19, 0, 58, 24, 0},
                                                      [SCHEDULE_HALVED] = {973, 17, 0, 7, 13, 0},
                                                      [SCHEDULE_REPLICATED] = {406, 18, 0, 23, 6, 13}};
static const struct decision_cost few_alternate = {190, 0, 90, 0, 0, 0};  // up to SCHEDULE_FEW experts

static bool is_xpus(const struct moe_run *run, unsigned stack, unsigned piece, unsigned owned) {
  return !(run->stage->piece[stack][piece].bundles & owned);
}

// Inner columns of an expert, or its rows of down, that are the xPU's in this phase, of all stacks.
static uint64_t shared_rows(const struct moe_run *run, unsigned owned, unsigned expert) {
  uint64_t rows = 0;
  for (unsigned stack = 0; stack < run->device->stacks; stack++)
    for (unsigned piece = 0; piece < run->moe->pieces; piece++)
      if (is_xpus(run, stack, piece, owned) && run_is_shared(run, stack, piece, expert))
        rows += moe_inner_behind(&run->stage->piece[stack][piece], run_share(run, stack, piece, expert).cut);
  return rows;
}

int charges_estimate(struct moe_run *run, unsigned owned, uint64_t *clocks) {
  const struct moe_stage *stage = run->stage;
  struct duplex_device *device = run->device;
  int error = DUPLEX_OK;
  *clocks = 0;
  for (unsigned e = 0; e < run->moe->shape.experts && !error; e++) {
    const unsigned tokens = run_share(run, 0, 0, e).tokens;
    error = device_xpu_stage_clocks(device->xpu, device->clock_khz, stage->kind, &stage->times.shape, tokens,
                                    (unsigned)shared_rows(run, owned, e), &run->estimate[e]);
    *clocks += run->estimate[e];
  }
  return device_xpu_note(device, "estimate", error);
}

uint64_t charges_in_turn(const struct moe_run *run, unsigned owned, uint64_t reads) {
  uint64_t rows[DUPLEX_EXPERTS_MOST];
  uint64_t all = 0;
  uint64_t clocks = reads;
  for (unsigned e = 0; e < run->moe->shape.experts; e++) all += rows[e] = shared_rows(run, owned, e);
  for (unsigned e = 0; e < run->moe->shape.experts && all; e++) {
    const uint64_t own = reads * rows[e] / all;
    if (run->estimate[e] > own) clocks += run->estimate[e] - own;
  }
  return clocks;
}

// Clocks of one work.
static int clocks_of(const struct moe_run *run, const struct duplex_xpu_work *work, uint64_t *clocks) {
  struct duplex_device *device = run->device;
  return device_xpu_note(device, "estimate", device_xpu_clocks(device->xpu, device->clock_khz, work, clocks));
}

int charges_route(const struct moe_run *run, uint64_t *clocks) {
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_GEMM,
                                       .gemm = {.tokens = (unsigned)run->tokens,
                                                .columns = (unsigned)run->moe->shape.hidden,
                                                .rows = (unsigned)run->moe->shape.experts,
                                                .format = DUPLEX_RESULT_FORMAT_F32}};
  return clocks_of(run, &work, clocks);
}

uint64_t charges_instructions(uint64_t instructions) { return (instructions * 10 + 6) / 7; }

uint64_t charges_decision(const uint16_t *counts, size_t experts,
                          const struct schedule_placement *placement) {
  const bool few = placement->layout == SCHEDULE_ALTERNATE && experts <= SCHEDULE_FEW;
  const struct decision_cost *cost = few ? &few_alternate : &decision_costs[placement->layout];
  bool there[SCHEDULE_GROUPS + 1] = {false};
  uint64_t used = 0;
  uint64_t numbers = 0;
  unsigned most = 0;
  for (size_t e = 0; e < experts; e++) {
    const unsigned groups = schedule_groups(counts[e]);
    const unsigned number = duplex_smaller(groups, SCHEDULE_GROUPS);
    used += groups > 0;
    numbers += groups > SCHEDULE_GROUPS || (number && !there[number]);
    there[number] |= groups <= SCHEDULE_GROUPS;
    most = duplex_larger(most, number);
  }
  const uint64_t instructions = cost->all + cost->expert * experts + cost->used * used +
                                cost->number * numbers + cost->four_numbers * duplex_divide_up(most + 1, 4) +
                                cost->part * placement->parts[0];
  return charges_instructions(instructions);
}

uint64_t charges_decision_of(const struct moe_run *run) {
  return charges_decision(run->dispatch.count, run->moe->shape.experts, &run->moe->times.placement);
}

// Of the instructions of layer_decide (`duplex moe --firmware-profile`, 2 to 128 experts) those that
// test_schedule_cost does not count.
uint64_t charges_counts(size_t experts) { return charges_instructions(56 + experts * 9 / 2); }

// Two experts without work are five instructions of the loop in firmware/protocol/layer_run.c, and four whose
// cuts are decided are six.
uint64_t charges_search(size_t skipped, bool decided) {
  return charges_instructions(decided ? skipped * 3 / 2 : skipped * 5 / 2);
}

static bool is_decided(const struct moe_run *run) {
  return schedule_is_decided((enum schedule_policy)run->decision.policy);
}

bool charges_decides_in_job(const struct moe_run *run) {
  const bool job = run->decision.pim[0] || run->decision.pim[1];
  return job && is_decided(run) && run->firmware_decides && run->device->options.stack.riscv;
}

uint64_t charges_decision_in_job(const struct moe_run *run) {
  return charges_decision_of(run) + charges_counts(run->moe->shape.experts);
}

uint64_t charges_decide(const struct moe_run *run) {
  return is_decided(run) && !charges_decides_in_job(run) ? charges_decision_of(run) : 0;
}

uint64_t charges_launch(const struct moe_run *run) {
  struct duplex_xpu *xpu = run->device->xpu;
  return xpu_time_clocks(xpu->ops->launch(xpu), run->device->clock_khz);
}

uint64_t charges_first_launch(const struct moe_run *run) {
  const uint64_t launch = charges_launch(run);
  return launch - duplex_smaller(launch, is_decided(run) ? charges_decision_of(run) : 0);
}

int charges_combine(const struct moe_run *run, uint64_t *clocks) {
  const struct duplex_xpu_work work = {
      .kind = DUPLEX_XPU_ELEMENTS,
      .elements = {.bytes = run->tokens * run->moe->shape.hidden * sizeof(duplex_f16)}};
  return clocks_of(run, &work, clocks);
}

uint64_t charges_note(struct moe_run *run, const char *name, uint64_t *sum, uint64_t begin, uint64_t clocks) {
  *sum += clocks;
  events_add(&run->device->events, name, 0, begin, begin + clocks, -1);
  return begin + clocks;
}
