// SPDX-License-Identifier: Apache-2.0
// Costs of a layer beside its phases.
#include "device/charges.h"

#include "device/xpu_works.h"
#include "duplex/arithmetic.h"
#include "xpu/time.h"

// The decision on the RV32 controller in instructions, of which it does 0.7 a clock: for each layout, up to
// so many tokens and beyond, for 8, 64 and 256 experts, and lines through these. With REPLICATED no decision
// that build/tests/schedule/test_schedule_cost counts takes more, with the others eight of ten take no more.
// `paper` is charged as if it were `best`, turns as ALTERNATE.
#define DECIDE_TOKENS 128u
#define DECIDE_EXPERTS ((const uint32_t[]){8, 64, 256})
static const uint32_t decide_cost[][2][3] = {[SCHEDULE_STRIPED] = {{2400, 4400, 6900}, {3200, 4400, 7800}},
                                             [SCHEDULE_ALTERNATE] = {{2400, 4400, 6900}, {3200, 4400, 7800}},
                                             [SCHEDULE_SPLIT] = {{2600, 3900, 8500}, {5000, 7900, 10200}},
                                             [SCHEDULE_HALVED] = {{1370, 2990, 8560}, {1560, 3180, 8750}},
                                             [SCHEDULE_REPLICATED] = {{955, 1925, 5690}, {1365, 2830, 6200}}};

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

int charges_estimate(const struct moe_run *run, unsigned owned, uint64_t *clocks) {
  const struct moe_stage *stage = run->stage;
  struct duplex_device *device = run->device;
  int error = DUPLEX_OK;
  *clocks = 0;
  for (unsigned e = 0; e < run->moe->shape.experts && !error; e++) {
    uint64_t of_expert;
    const unsigned tokens = run_share(run, 0, 0, e).tokens;
    error = device_xpu_stage_clocks(device->xpu, device->clock_khz, stage->kind, &stage->times.shape, tokens,
                                    (unsigned)shared_rows(run, owned, e), &of_expert);
    *clocks += of_expert;
  }
  return device_xpu_note(device, "estimate", error);
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

uint64_t charges_decision(size_t tokens, size_t experts, enum schedule_layout layout) {
  const uint32_t *cost = decide_cost[layout][tokens > DECIDE_TOKENS];
  const unsigned i = experts > DECIDE_EXPERTS[1];
  const int64_t step = DECIDE_EXPERTS[i + 1] - DECIDE_EXPERTS[i];
  const int64_t beyond = (int64_t)experts - DECIDE_EXPERTS[i];
  const int64_t instructions = cost[i] + ((int64_t)cost[i + 1] - cost[i]) * beyond / step;
  return ((uint64_t)instructions * 10 + 6) / 7;
}

uint64_t charges_decision_of(const struct moe_run *run) {
  return charges_decision(run->tokens, run->moe->shape.experts,
                          (enum schedule_layout)run->moe->times.placement.layout);
}

static bool is_decided(const struct moe_run *run) {
  return schedule_is_decided((enum schedule_policy)run->decision.policy);
}

bool charges_decides_in_job(const struct moe_run *run) {
  const bool job = run->decision.pim[0] || run->decision.pim[1];
  return job && is_decided(run) && run->firmware_decides && run->device->options.stack.riscv;
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
