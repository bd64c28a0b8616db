// SPDX-License-Identifier: Apache-2.0
// Estimates of the xPU in clocks.
#include "device/xpu_estimate.h"

#include "xpu/time.h"

uint64_t xpu_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work) {
  uint64_t picoseconds;
  return xpu->ops->estimate(xpu, work, &picoseconds) ? 0 : xpu_time_clocks(picoseconds);
}

uint64_t xpu_estimate_expert(struct duplex_xpu *xpu, unsigned tokens, unsigned hidden, unsigned inner,
                             bool gated) {
  if (inner == 0) return 0;
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT,
                                       .expert = {.tokens = tokens,
                                                  .columns = hidden,
                                                  .inner = inner,
                                                  .gated = gated,
                                                  .format = DUPLEX_RESULT_FORMAT_F16}};
  return xpu_estimate(xpu, &work);
}
