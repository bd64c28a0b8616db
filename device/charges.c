// SPDX-License-Identifier: Apache-2.0
// Costs of a layer beside its phases.
#include "device/charges.h"

#include "device/xpu_works.h"
#include "xpu/time.h"

// The decision on the RV32 controller in instructions, of which it does 0.7 a clock: lines at or above the
// most that build/tests/schedule/test_schedule_cost counts for 8 and 256 experts (docs/schedule.md), up to so
// many tokens for halved experts, for others, and beyond. `paper` is charged as if it were `best`.
#define DECIDE_TOKENS 128u
static const struct { uint32_t first, of_expert; } decide_cost[] = {{1130, 29}, {2250, 25}, {2700, 29}};

static bool is_xpus(const struct moe_run *run, unsigned stack, unsigned piece, unsigned owned) {
  return !(run->moe->piece[stack][piece].bundles & owned);
}

// Inner columns of an expert that are the xPU's in this phase, of all stacks.
static uint64_t shared_inner(const struct moe_run *run, unsigned owned, unsigned expert) {
  uint64_t inner = 0;
  for (unsigned stack = 0; stack < run->device->stacks; stack++)
    for (unsigned piece = 0; piece < run->moe->pieces; piece++)
      if (is_xpus(run, stack, piece, owned) && run_is_shared(run, stack, piece, expert))
        inner += moe_inner_behind(&run->moe->piece[stack][piece], run_cut(run, stack, piece, expert));
  return inner;
}

uint64_t charges_estimate(const struct moe_run *run, unsigned owned) {
  const struct duplex_moe *moe = run->moe;
  uint64_t clocks = 0;
  for (unsigned e = 0; e < moe->shape.experts; e++)
    clocks += device_xpu_expert_clocks(run->device->xpu, run->counts[e], (unsigned)moe->shape.hidden,
                                       (unsigned)shared_inner(run, owned, e), moe->gated);
  return clocks;
}

uint64_t charges_route(const struct moe_run *run) {
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_GEMM,
                                       .gemm = {.tokens = (unsigned)run->tokens,
                                                .columns = (unsigned)run->moe->shape.hidden,
                                                .rows = (unsigned)run->moe->shape.experts,
                                                .format = DUPLEX_RESULT_FORMAT_F32}};
  return device_xpu_clocks(run->device->xpu, &work);
}

uint64_t charges_decision(size_t tokens, size_t experts, bool halved) {
  const unsigned kind = tokens > DECIDE_TOKENS ? 2 : !halved;
  const uint64_t instructions = decide_cost[kind].first + decide_cost[kind].of_expert * experts;
  return (instructions * 10 + 6) / 7;
}

uint64_t charges_decide(const struct moe_run *run) {
  const enum duplex_policy policy = run->device->options.policy;
  if (policy == DUPLEX_POLICY_LOGIC_PIM || policy == DUPLEX_POLICY_XPU) return 0;
  if (run->firmware_decides && run->device->options.stack.riscv) return 0;  // within the first job
  return charges_decision(run->tokens, run->moe->shape.experts,
                          run->moe->times.placement.layout == SCHEDULE_HALVED);
}

uint64_t charges_launch(const struct moe_run *run) {
  struct duplex_xpu *xpu = run->device->xpu;
  return xpu_time_clocks(xpu->ops->launch(xpu));
}

uint64_t charges_combine(const struct moe_run *run) {
  const struct duplex_xpu_work work = {
      .kind = DUPLEX_XPU_ELEMENTS,
      .elements = {.bytes = run->tokens * run->moe->shape.hidden * sizeof(duplex_f16)}};
  return device_xpu_clocks(run->device->xpu, &work);
}

uint64_t charges_note(struct moe_run *run, const char *name, uint64_t *sum, uint64_t begin, uint64_t clocks) {
  *sum += clocks;
  events_add(&run->device->events, name, 0, begin, begin + clocks, -1);
  return begin + clocks;
}
