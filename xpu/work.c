// SPDX-License-Identifier: Apache-2.0
// Hands each kind of work to the function that does it.
#include "xpu/work.h"

#include "duplex/error.h"
#include "xpu/gemm.h"

static struct xpu_weights weights_of(const struct duplex_xpu_weights *w) {
  return (struct xpu_weights){.rows = w->rows, .context = w->context, .stride = w->stride};
}

static int run_gemm(const struct duplex_xpu_gemm *w, unsigned threads) {
  const struct xpu_gemm gemm = {.x = w->x,
                                .x_stride = w->x_stride,
                                .tokens = w->tokens,
                                .columns = w->columns,
                                .rows = w->rows,
                                .weights = weights_of(&w->weights),
                                .exponents = w->exponents,
                                .format = w->format,
                                .out = w->out,
                                .out_stride = w->out_stride,
                                .add = w->add,
                                .threads = threads};
  return xpu_gemm_run(&gemm, NULL);
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
    case DUPLEX_XPU_PREFILL:
      return DUPLEX_ERROR_NOT_AVAILABLE;
    case DUPLEX_XPU_ELEMENTS:
      return run_elements(&work->elements);
  }
  return DUPLEX_ERROR_ARGUMENT;
}
