// SPDX-License-Identifier: Apache-2.0
// Works on the xPU: done, and told in clocks.
#include "device/xpu_works.h"

#include "xpu/time.h"

int device_xpu_run(struct duplex_xpu *xpu, const struct duplex_xpu_work *work) {
  uint64_t ticket;
  const int error = xpu->ops->submit(xpu, work, &ticket);
  return error ? error : xpu->ops->wait(xpu, ticket);
}

uint64_t device_xpu_clocks(struct duplex_xpu *xpu, unsigned clock_khz, const struct duplex_xpu_work *work) {
  uint64_t picoseconds;
  return xpu->ops->estimate(xpu, work, &picoseconds) ? 0 : xpu_time_clocks(picoseconds, clock_khz);
}

uint64_t device_xpu_expert_clocks(struct duplex_xpu *xpu, unsigned clock_khz, unsigned tokens,
                                  unsigned hidden, unsigned inner, bool gated) {
  if (inner == 0) return 0;
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT,
                                       .expert = {.tokens = tokens,
                                                  .columns = hidden,
                                                  .inner = inner,
                                                  .gated = gated,
                                                  .format = DUPLEX_RESULT_FORMAT_F16,
                                                  .memory_apart = true}};
  return device_xpu_clocks(xpu, clock_khz, &work);
}

uint64_t device_xpu_stage_clocks(struct duplex_xpu *xpu, unsigned clock_khz, enum stage_kind kind,
                                 const struct schedule_shape *shape, unsigned tokens, unsigned rows) {
  const uint64_t of_down = ((uint64_t)rows * shape->inner + shape->hidden - 1) / shape->hidden;
  const unsigned inner = kind == STAGE_DOWN ? (unsigned)of_down : rows;
  const unsigned products = stage_matrices(STAGE_EXPERTS, shape->gated);
  const unsigned own = stage_matrices(kind, shape->gated);
  const uint64_t whole = device_xpu_expert_clocks(xpu, clock_khz, tokens, shape->hidden, inner, shape->gated);
  return (whole * own + products - 1) / products;
}
