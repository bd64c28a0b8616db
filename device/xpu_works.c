// SPDX-License-Identifier: Apache-2.0
// Works on the xPU: done, and told in clocks.
#include "device/xpu_works.h"

#include <stdio.h>

#include "xpu/time.h"

// Codes are below 0. One above, which the interface does not have, must not be taken for another function's.
static int code_of(int error) { return error > 0 ? DUPLEX_ERROR_DEVICE : error; }

int device_xpu_run(struct duplex_device *device, unsigned stack, const struct duplex_xpu_work *work) {
  struct duplex_xpu *xpu = device->xpu;
  uint64_t ticket;
  const char *call = "submit";
  int error = code_of(xpu->ops->submit(xpu, work, &ticket));
  if (!error) {
    call = "wait";
    error = code_of(xpu->ops->wait(xpu, ticket));
  }
  device->xpu_failure[stack] = (struct xpu_failure){error ? call : NULL, error};
  return error;
}

int device_xpu_picoseconds(struct duplex_xpu *xpu, const struct duplex_xpu_work *work,
                           uint64_t *picoseconds) {
  *picoseconds = 0;
  const int error = code_of(xpu->ops->estimate(xpu, work, picoseconds));
  if (error) *picoseconds = 0;
  return error;
}

int device_xpu_clocks(struct duplex_xpu *xpu, unsigned clock_khz, const struct duplex_xpu_work *work,
                      uint64_t *clocks) {
  uint64_t picoseconds;
  const int error = device_xpu_picoseconds(xpu, work, &picoseconds);
  *clocks = xpu_time_clocks(picoseconds, clock_khz);
  return error;
}

int device_xpu_expert_clocks(struct duplex_xpu *xpu, unsigned clock_khz, unsigned tokens, unsigned hidden,
                             unsigned inner, bool gated, uint64_t *clocks) {
  *clocks = 0;
  if (inner == 0) return DUPLEX_OK;
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT,
                                       .expert = {.tokens = tokens,
                                                  .columns = hidden,
                                                  .inner = inner,
                                                  .gated = gated,
                                                  .format = DUPLEX_RESULT_FORMAT_F16,
                                                  .memory_apart = true}};
  return device_xpu_clocks(xpu, clock_khz, &work, clocks);
}

int device_xpu_stage_clocks(struct duplex_xpu *xpu, unsigned clock_khz, enum stage_kind kind,
                            const struct schedule_shape *shape, unsigned tokens, unsigned rows,
                            uint64_t *clocks) {
  const uint64_t of_down = ((uint64_t)rows * shape->inner + shape->hidden - 1) / shape->hidden;
  const unsigned inner = kind == STAGE_DOWN ? (unsigned)of_down : rows;
  const unsigned products = stage_matrices(STAGE_EXPERTS, shape->gated);
  const unsigned own = stage_matrices(kind, shape->gated);
  uint64_t whole;
  const int error =
      device_xpu_expert_clocks(xpu, clock_khz, tokens, shape->hidden, inner, shape->gated, &whole);
  *clocks = (whole * own + products - 1) / products;
  return error;
}

void device_xpu_text(const struct duplex_xpu *xpu, const char *call, int error, char *text, size_t size) {
  const char *name = xpu->ops->name;
  if (text && size)
    snprintf(text, size, "the xPU \"%s\": %s returned %d, %s", name ? name : "", call, error,
             duplex_error_text(error));
}

int device_xpu_note(struct duplex_device *device, const char *call, int error) {
  if (error) device_xpu_text(device->xpu, call, error, device->error_text, sizeof device->error_text);
  return error;
}
