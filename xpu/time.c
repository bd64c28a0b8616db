// SPDX-License-Identifier: Apache-2.0
// Time of the modelled xPU (time.h).
#include "xpu/time.h"

#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "xpu/prefill.h"
#include "xpu/rational.h"

enum {
  WHOLE_CHANNELS = 160,  // five stacks of 32
  F16_BYTES = 2,
  // Tokens are the narrow side of the matrix units, which take them by eight: an H100's wgmma multiplies 64
  // rows of weights by 8, 16, ... tokens, and mma m16n8k16 by 8.
  TOKEN_GROUP = 8,
  SHARES = 1000,
  COUNT_MOST = 1 << 24,  // tokens, rows
  COLUMNS_MOST = 65536,
  POSITIONS_MOST = 1 << 22,
  HEADS_MOST = 1024,
};

#define SECOND UINT64_C(1000000000000)  // in ps

struct xpu_time_model xpu_time_h100(unsigned channels) {
  return (struct xpu_time_model){
      .channels = channels,
      // H100 SXM, data sheet: dense binary16 with sums in binary32; five stacks of HBM3.
      .flops = UINT64_C(989400000000000),
      .bytes = UINT64_C(3352000000000),
      // 940 of 989.4 TFLOP/s: the highest points of the paper's roofline (MICRO 2024, Fig. 4b).
      .gemm_share = 950,
      // FlashAttention-3 (arXiv 2407.08608): about 0.6 of the peak, causal, head dimension 128, 8192
      // positions.
      .attention_share = 600,
      // Timed reads of this project's xPU: 0.993 of 32 bytes a clock of 650 MHz and channel, which is 3.305
      // TB/s of 160 channels.
      .memory_share = 986,
      // An assumption: what a kernel costs within a captured graph.
      .launch = 1000000,
  };
}

// Time of `amount`, below 2^70, at `peak` a second, of which `share` thousandths are reached.
static uint64_t time_at(const struct xpu_time_model *m, xpu_wide amount, uint64_t peak, unsigned share) {
  return xpu_rounded_up(amount * SECOND * SHARES * WHOLE_CHANNELS, (xpu_wide)peak * share * m->channels);
}

static uint64_t memory_time(const struct xpu_time_model *m, xpu_wide bytes) {
  return time_at(m, bytes, m->bytes, m->memory_share);
}

static uint64_t sum(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

// A measured time of 160 channels, which holds a launch, on those of this device.
static uint64_t scaled(const struct xpu_time_model *m, uint64_t measured) {
  const uint64_t work = measured > m->launch ? measured - m->launch : 0;
  return xpu_rounded_up((xpu_wide)work * WHOLE_CHANNELS, m->channels);
}

// The arithmetic of a product alone.
static uint64_t gemm_arithmetic(const struct xpu_time_model *m, unsigned tokens, unsigned columns,
                                unsigned rows) {
  const unsigned lanes = (tokens + TOKEN_GROUP - 1) / TOKEN_GROUP * TOKEN_GROUP;
  return time_at(m, (xpu_wide)2 * lanes * columns * rows, m->flops, m->gemm_share);
}

uint64_t xpu_time_gemm(const struct xpu_time_model *m, unsigned tokens, unsigned columns, unsigned rows,
                       unsigned result_bytes) {
  if (tokens == 0 || columns == 0 || rows == 0) return 0;
  if (m->gemm_table) return scaled(m, xpu_kernel_time(m->gemm_table, (uint64_t[]){rows, columns}, tokens));
  const xpu_wide bytes = (xpu_wide)rows * columns * F16_BYTES + (xpu_wide)tokens * columns * F16_BYTES +
                         (xpu_wide)tokens * rows * result_bytes;
  return duplex_larger_u64(gemm_arithmetic(m, tokens, columns, rows), memory_time(m, bytes));
}

uint64_t xpu_time_expert_arithmetic(const struct xpu_time_model *m, unsigned tokens, unsigned columns,
                                    unsigned inner, bool gated) {
  if (m->gemm_table) return xpu_time_expert(m, tokens, columns, inner, gated, F16_BYTES);
  if (tokens == 0 || columns == 0 || inner == 0) return 0;
  return sum(gemm_arithmetic(m, tokens, columns, gated ? 2 * inner : inner),
             gemm_arithmetic(m, tokens, inner, columns));
}

uint64_t xpu_time_expert(const struct xpu_time_model *m, unsigned tokens, unsigned columns, unsigned inner,
                         bool gated, unsigned result_bytes) {
  const unsigned rows = gated ? 2 * inner : inner;  // one product: its results stay inside, h goes out
  return sum(xpu_time_gemm(m, tokens, columns, rows, gated ? F16_BYTES / 2 : F16_BYTES),
             xpu_time_gemm(m, tokens, inner, columns, result_bytes));
}

// A table has prefills that begin at position 0: a chunk takes its share of the pairs.
static uint64_t measured_prefill(const struct xpu_time_model *m, const uint64_t shape[XPU_KERNEL_SHAPE],
                                 uint64_t first, uint64_t tokens, uint64_t window) {
  const uint64_t whole = scaled(m, xpu_kernel_time(m->prefill_table, shape, first + tokens));
  return xpu_rounded_up((xpu_wide)whole * xpu_prefill_pairs(first, tokens, window),
                        xpu_prefill_pairs(0, first + tokens, 0));
}

// Of positions that see the last `window` ones, or all (0); shapes as xpu_time_prefill has them.
static uint64_t prefill_time(const struct xpu_time_model *m, const struct duplex_xpu_prefill *w) {
  if (w->tokens == 0) return 0;
  if (m->prefill_table)
    return measured_prefill(m, (uint64_t[]){w->heads, w->kv_heads, w->dimension, 1}, w->first, w->tokens,
                            w->window);
  const uint64_t before = w->window && w->first >= w->window ? w->window - 1 : w->first;
  const xpu_wide flops =
      (xpu_wide)4 * w->dimension * w->heads * xpu_prefill_pairs(w->first, w->tokens, w->window);
  const xpu_wide values = (xpu_wide)2 * w->heads * w->dimension * w->tokens +
                          (xpu_wide)2 * w->kv_heads * w->dimension * (before + w->tokens);
  return duplex_larger_u64(time_at(m, flops, m->flops, m->attention_share),
                           memory_time(m, values * F16_BYTES));
}

uint64_t xpu_time_prefill(const struct xpu_time_model *m, unsigned heads, unsigned kv_heads,
                          unsigned dimension, uint32_t first, uint32_t tokens) {
  return prefill_time(
      m, &(struct duplex_xpu_prefill){
             .heads = heads, .kv_heads = kv_heads, .dimension = dimension, .first = first, .tokens = tokens});
}

uint64_t xpu_time_elements(const struct xpu_time_model *m, uint64_t bytes) {
  if (bytes == 0) return 0;
  if (m->elements_table) return scaled(m, xpu_kernel_time(m->elements_table, NULL, bytes));
  return memory_time(m, bytes);
}

// Bytes of a result, 0 for a format that there is not.
static unsigned result_bytes(enum duplex_result_format format) {
  switch (format) {
    case DUPLEX_RESULT_FORMAT_F16:
      return 2;
    case DUPLEX_RESULT_FORMAT_F32:
      return 4;
    case DUPLEX_RESULT_FORMAT_ACC:
      return 16;
  }
  return 0;
}

static int gemm_work(const struct xpu_time_model *m, const struct duplex_xpu_gemm *w, uint64_t *ps) {
  const unsigned bytes = result_bytes(w->format);
  if (w->tokens > COUNT_MOST || w->rows > COUNT_MOST || w->columns > COLUMNS_MOST || !bytes)
    return DUPLEX_ERROR_ARGUMENT;
  *ps = xpu_time_gemm(m, w->tokens, w->columns, w->rows, bytes);
  return DUPLEX_OK;
}

static int expert_work(const struct xpu_time_model *m, const struct duplex_xpu_expert *w, uint64_t *ps) {
  const unsigned bytes = result_bytes(w->format);
  if (w->tokens > COUNT_MOST || w->inner > COLUMNS_MOST || w->columns > COLUMNS_MOST || !bytes)
    return DUPLEX_ERROR_ARGUMENT;
  *ps = w->memory_apart ? xpu_time_expert_arithmetic(m, w->tokens, w->columns, w->inner, w->gated)
                        : xpu_time_expert(m, w->tokens, w->columns, w->inner, w->gated, bytes);
  return DUPLEX_OK;
}

static int prefill_work(const struct xpu_time_model *m, const struct duplex_xpu_prefill *w, uint64_t *ps) {
  const bool groups = w->kv_heads && w->heads && w->heads % w->kv_heads == 0;
  if (!groups || w->heads > HEADS_MOST || w->dimension == 0 || w->dimension > HEADS_MOST ||
      w->first > POSITIONS_MOST || w->tokens > POSITIONS_MOST - w->first)
    return DUPLEX_ERROR_ARGUMENT;
  *ps = prefill_time(m, w);
  return DUPLEX_OK;
}

int xpu_time_work(const struct xpu_time_model *m, const struct duplex_xpu_work *work, uint64_t *picoseconds) {
  switch (work->kind) {
    case DUPLEX_XPU_GEMM:
      return gemm_work(m, &work->gemm, picoseconds);
    case DUPLEX_XPU_EXPERT:
      return expert_work(m, &work->expert, picoseconds);
    case DUPLEX_XPU_PREFILL:
      return prefill_work(m, &work->prefill, picoseconds);
    case DUPLEX_XPU_ELEMENTS:
      *picoseconds = xpu_time_elements(m, work->elements.bytes);
      return DUPLEX_OK;
  }
  return DUPLEX_ERROR_ARGUMENT;
}

void xpu_time_set_clock(struct xpu_time_model *m, unsigned clock_khz) {
  m->bytes = xpu_rounded_up((xpu_wide)m->bytes * clock_khz, DUPLEX_CLOCK_KHZ);
}

uint64_t xpu_time_clocks(uint64_t picoseconds, unsigned clock_khz) {
  return xpu_rounded_up((xpu_wide)picoseconds * clock_khz, SECOND / 1000);
}
