// SPDX-License-Identifier: Apache-2.0
// Time of the modelled xPU: a roofline with stated efficiencies, or tables measured on hardware.
//
// All times are whole picoseconds, rounded up: the same on every machine. They are those of the work without
// the launch of its kernel, which is charged once for all that begins together. UINT64_MAX: longer than can
// be told.
#ifndef XPU_TIME_H
#define XPU_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/xpu.h"
#include "xpu/kernel_table.h"

struct xpu_time_model {
  unsigned channels;      // of all stacks of the device, 1 to 256: peak and bandwidth scale by channels / 160
  uint64_t flops, bytes;  // peaks of 160 channels, per second, at most 2^50
  unsigned gemm_share;    // reached of the peak, in thousandths, 1 to 1000: products,
  unsigned attention_share;  // prefill attention,
  unsigned memory_share;     // the bandwidth
  uint64_t launch;           // ps, of a kernel
  // Measured on a device of 160 channels; or NULL: the roofline.
  const struct xpu_kernel_table *gemm_table, *prefill_table, *elements_table;
};

// An H100-class xPU, with the origin of each number in time.c.
struct xpu_time_model xpu_time_h100(unsigned channels);

// [tokens, columns] by [rows, columns], binary16, to results of so many bytes each. tokens and rows to 2^24,
// columns to 65,536.
uint64_t xpu_time_gemm(const struct xpu_time_model *model, unsigned tokens, unsigned columns, unsigned rows,
                       unsigned result_bytes);

// An expert, or the part of it with `inner` inner columns: up (and gate), down.
uint64_t xpu_time_expert(const struct xpu_time_model *model, unsigned tokens, unsigned columns,
                         unsigned inner, bool gated, unsigned result_bytes);

// The same where its bytes are timed apart, as DRAM commands: of the roofline only the arithmetic; a measured
// kernel's whole time, with results of 2 bytes.
uint64_t xpu_time_expert_arithmetic(const struct xpu_time_model *model, unsigned tokens, unsigned columns,
                                    unsigned inner, bool gated);

// Causal attention of positions first to first + tokens - 1. Positions to 2^22, heads and dimension to
// 1024.
uint64_t xpu_time_prefill(const struct xpu_time_model *model, unsigned heads, unsigned kv_heads,
                          unsigned dimension, uint32_t first, uint32_t tokens);

// Work that takes as long as its bytes, read and written.
uint64_t xpu_time_elements(const struct xpu_time_model *model, uint64_t bytes);

// A work of duplex/xpu.h; DUPLEX_ERROR_ARGUMENT: its shape is none, or out of the ranges above.
int xpu_time_work(const struct xpu_time_model *model, const struct duplex_xpu_work *work,
                  uint64_t *picoseconds);

// The model beside stacks whose units have this clock, not DUPLEX_CLOCK_KHZ: the bandwidth goes with it.
void xpu_time_set_clock(struct xpu_time_model *model, unsigned clock_khz);

// In clocks of the stacks' units (duplex_dram_clock_khz), rounded up.
uint64_t xpu_time_clocks(uint64_t picoseconds, unsigned clock_khz);

#endif
