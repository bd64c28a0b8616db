// SPDX-License-Identifier: Apache-2.0
// Costs of a layer beside its streams.
#include "device/charges.h"

#include "device/xpu_works.h"
#include "duplex/arithmetic.h"
#include "xpu/time.h"

// The decision on the RV32 controller in instructions, of which it does 0.7 a clock: lines through the most
// that build/tests/schedule/test_schedule_cost counts for 8 and 256 experts (docs/schedule.md), up to so many
// tokens for halved experts, for others, and beyond. `paper` is charged as if it were `best`.
#define DECIDE_TOKENS 128u
static const struct { uint32_t first, of_expert; } decide_cost[] = {{1600, 29}, {2900, 29}, {3340, 44}};

#define XPU_RATE_THOUSANDTHS 993u  // of 32 bytes a clock and channel (docs/dram.md)
#define PIECE_BYTES (DUPLEX_COLUMN_BYTES / 8)

// Clocks of so many bytes on the xPU's path to one stack.
static uint64_t stack_clocks(const struct moe_run *run, uint64_t bytes) {
  const uint64_t rate = (uint64_t)PIECE_BYTES * run->device->options.stack.backend.channels;
  return (bytes * 1000 + rate * XPU_RATE_THOUSANDTHS - 1) / (rate * XPU_RATE_THOUSANDTHS);
}

static bool is_logic_pims(const struct moe_run *run, unsigned stack, unsigned piece, unsigned owned) {
  return !(run->moe->piece[stack][piece].bundles & ~owned);
}
static bool is_xpus(const struct moe_run *run, unsigned stack, unsigned piece, unsigned owned) {
  return !(run->moe->piece[stack][piece].bundles & owned);
}

// Bytes of the partial sums of so many tokens: of each row the pieces of 32 bytes that hold their lanes.
static uint64_t sums_bytes(const struct moe_run *run, uint32_t tokens) {
  const uint64_t bytes = run->device->options.partials == DUPLEX_PARTIALS_F32 ? 4 : 16;
  uint64_t pieces = tokens / DUPLEX_LANES * (DUPLEX_LANES * bytes / PIECE_BYTES);
  pieces += (tokens % DUPLEX_LANES * bytes + PIECE_BYTES - 1) / PIECE_BYTES;
  return run->moe->shape.hidden * pieces * PIECE_BYTES;
}

struct traffic charges_traffic(const struct moe_run *run, unsigned owned) {
  const struct duplex_moe *moe = run->moe;
  struct traffic most = {0};
  for (unsigned stack = 0; stack < run->device->stacks; stack++) {
    struct traffic bytes = {0};
    for (unsigned piece = 0; piece < moe->pieces; piece++) {
      if (!is_logic_pims(run, stack, piece, owned)) continue;
      for (unsigned e = 0; e < moe->shape.experts; e++) {
        if (!run->counts[e] || !run_cut(run, stack, piece, e)) continue;
        bytes.x +=
            (uint64_t)schedule_groups(run->counts[e]) * DUPLEX_LANES * moe->shape.hidden * sizeof(duplex_f16);
        bytes.sums += sums_bytes(run, run->counts[e]);
      }
    }
    most.x = duplex_larger(most.x, stack_clocks(run, bytes.x));
    most.sums = duplex_larger(most.sums, stack_clocks(run, bytes.sums));
  }
  return most;
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
