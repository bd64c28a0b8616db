// SPDX-License-Identifier: Apache-2.0
// Hands each kind of work to the function that does it.
#include "xpu/work.h"

#include "duplex/error.h"
#include "xpu/expert.h"
#include "xpu/gemm.h"
#include "xpu/prefill.h"

static int run_gemm(const struct duplex_xpu_gemm *w, unsigned threads) {
  const struct xpu_gemm gemm = {.x = w->x,
                                .x_stride = w->x_stride,
                                .tokens = w->tokens,
                                .columns = w->columns,
                                .rows = w->rows,
                                .weights = w->weights,
                                .exponents = w->exponents,
                                .format = w->format,
                                .out = w->out,
                                .out_stride = w->out_stride,
                                .add = w->add,
                                .threads = threads};
  return xpu_gemm_run(&gemm, NULL);
}

static int run_expert(const struct duplex_xpu_expert *w, unsigned threads) {
  struct xpu_expert expert = {.x = w->x,
                              .x_stride = w->x_stride,
                              .tokens = w->tokens,
                              .columns = w->columns,
                              .inner = w->inner,
                              .rows = w->columns,
                              .up = w->up,
                              .down = w->down,
                              .gate_exponents = w->gate_exponents,
                              .up_exponents = w->up_exponents,
                              .down_exponents = w->down_exponents,
                              .activation = w->activation,
                              .format = w->format,
                              .out = w->out,
                              .out_stride = w->out_stride,
                              .add = w->add,
                              .threads = threads};
  if (w->gated) expert.gate = w->gate;
  return w->gated && !w->gate.rows ? DUPLEX_ERROR_ARGUMENT : xpu_expert_run(&expert);
}

static int run_prefill(const struct duplex_xpu_prefill *w, unsigned threads) {
  const size_t stride = (size_t)w->tokens * w->dimension;
  const struct xpu_prefill prefill = {.q = w->q,
                                      .k = w->k,
                                      .v = w->v,
                                      .q_stride = stride,
                                      .kv_stride = w->kv_stride,
                                      .q_heads = w->heads,
                                      .kv_heads = w->kv_heads,
                                      .head_size = w->dimension,
                                      .first = w->first,
                                      .positions = w->tokens,
                                      .window = w->window,
                                      .pinned = w->pinned,
                                      .scale = w->scale,
                                      .wide = w->wide,
                                      .o = w->out,
                                      .o_stride = stride,
                                      .threads = threads};
  return xpu_prefill_run(&prefill, NULL);
}

static int run_elements(const struct duplex_xpu_elements *w) {
  if (w->run) w->run(w->context);
  return DUPLEX_OK;
}

int xpu_work_run(const struct duplex_xpu_work *work, unsigned threads) {
  switch (work->kind) {
    case DUPLEX_XPU_GEMM:
      return run_gemm(&work->gemm, threads);
    case DUPLEX_XPU_EXPERT:
      return run_expert(&work->expert, threads);
    case DUPLEX_XPU_PREFILL:
      return run_prefill(&work->prefill, threads);
    case DUPLEX_XPU_ELEMENTS:
      return run_elements(&work->elements);
  }
  return DUPLEX_ERROR_ARGUMENT;
}
