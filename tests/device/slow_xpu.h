// SPDX-License-Identifier: Apache-2.0
// The built-in xPU, whose works take so many times as long: its sums take longer than its reads from a few
// tokens on, so that small layers have hot experts.
#ifndef DUPLEX_TEST_SLOW_XPU_H
#define DUPLEX_TEST_SLOW_XPU_H

#include "duplex/xpu.h"

struct slow_xpu {
  struct duplex_xpu xpu;
  struct duplex_xpu *builtin;
  unsigned times;
};

static inline struct slow_xpu *slow_of(struct duplex_xpu *xpu) { return (struct slow_xpu *)xpu; }

static inline void slow_close(struct duplex_xpu *xpu) { (void)xpu; }
static inline int slow_submit(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *ticket) {
  return slow_of(xpu)->builtin->ops->submit(slow_of(xpu)->builtin, work, ticket);
}
static inline int slow_ended(struct duplex_xpu *xpu, uint64_t ticket) {
  return slow_of(xpu)->builtin->ops->ended(slow_of(xpu)->builtin, ticket);
}
static inline int slow_wait(struct duplex_xpu *xpu, uint64_t ticket) {
  return slow_of(xpu)->builtin->ops->wait(slow_of(xpu)->builtin, ticket);
}
static inline int slow_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work,
                                uint64_t *picoseconds) {
  const int error = slow_of(xpu)->builtin->ops->estimate(slow_of(xpu)->builtin, work, picoseconds);
  *picoseconds *= slow_of(xpu)->times;
  return error;
}
static inline uint64_t slow_launch(struct duplex_xpu *xpu) {
  return slow_of(xpu)->builtin->ops->launch(slow_of(xpu)->builtin);
}

// Of a device with so many channels; 0 or the error of duplex_xpu_open. duplex_xpu_close ends `builtin`.
static inline int slow_open(struct slow_xpu *own, unsigned channels, unsigned times) {
  static const struct duplex_xpu_ops ops = {"slow",    slow_close,    slow_submit, slow_ended,
                                            slow_wait, slow_estimate, slow_launch};
  const struct duplex_xpu_options options = {.channels = channels, .threads = 2};
  *own = (struct slow_xpu){.xpu = {&ops}, .times = times};
  return duplex_xpu_open(&options, &own->builtin, NULL, 0);
}

#endif
