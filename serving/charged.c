// SPDX-License-Identifier: Apache-2.0
// What mode full charges outside the experts (docs/serving.md, "Mode full").
#include "serving/charged.h"

#include <math.h>

#include "xpu/time.h"

#define PICO 1e-12
#define F16 2.0
#define STACKS 5.0
#define PAIR_BYTES 512.0     // K and V of a position and KV head of 128 values: what the clocks below are of
#define DECODE_BEGIN 450.0   // clocks of a job,
#define DECODE_LEAST 1550.0  // at least
#define APPEND_PAIR 6.0      // clocks of a new token's K and V, of a sequence and KV head
#define FIRMWARE_PAIR 5.7  // clocks of the firmware for a sequence and KV head (tests/controller/overhead.sh)
#define PRODUCT_MOST 16777216.0  // tokens of a product at once, as xpu_time_gemm takes them
#define KERNELS 5.0  // launched a layer, beside the experts: QKV, append, output, router, sum of experts

// Clocks of a sequence and KV head, by activation rule, and of each of its positions; of a DRAM whose clock
// is at least so fast.
static const struct decode_clocks {
  double clock, pair[2], position;
} decode_clocks[] = {{700e6, {5.0, 10.0}, 0.1276}, {0, {4.3, 8.8}, 0.1264}};

static uint64_t whole(double value) { return (uint64_t)ceil(value); }

double charged_product(const struct machine *m, const struct serving_model *model, double tokens,
                       double columns, double rows) {
  const unsigned n = (unsigned)whole(rows);
  const unsigned k = (unsigned)whole(columns);
  const double bytes = columns * rows * model_weight_bytes(model) + F16 * tokens * (columns + rows);
  if (model->weight_bits != 16) return fmax(2 * tokens * columns * rows / m->xpu.flops, bytes / m->xpu.bytes);
  double picoseconds = 0;
  for (; tokens > 0; tokens -= PRODUCT_MOST) {
    const unsigned part = (unsigned)fmin(tokens, PRODUCT_MOST);
    kernels_ask(m->kernels, XPU_KERNEL_GEMM, (uint64_t[]){n, k}, part);
    picoseconds += (double)xpu_time_gemm(&m->xpu_time, part, k, n, 2);
  }
  return picoseconds * PICO;
}

// Query and KV heads of a device's xPU.
struct heads {
  unsigned query, kv;
};
static struct heads heads_of(const struct machine *m, const struct serving_model *model) {
  return (struct heads){(unsigned)whole((double)model->heads / m->xpus),
                        (unsigned)whole((double)model->kv_heads / m->xpus)};
}

double charged_prefill(const struct machine *m, const struct serving_model *model, unsigned before,
                       unsigned tokens) {
  const struct heads h = heads_of(m, model);
  kernels_ask(m->kernels, XPU_KERNEL_PREFILL, (uint64_t[]){h.query, h.kv, model->head_size, 1},
              (uint64_t)before + tokens);
  return (double)xpu_time_prefill(&m->xpu_time, h.query, h.kv, model->head_size, before, tokens) * PICO;
}

double charged_xpu_decode(const struct machine *m, const struct serving_model *model,
                          const struct node_load *load, double formula) {
  const struct heads h = heads_of(m, model);
  const uint64_t shape[] = {h.query, h.kv, model->head_size, load->decoding};
  if (load->decoding == 0) return formula;
  const uint64_t length = whole(load->positions / load->decoding);
  if (!kernels_ask(m->kernels, XPU_KERNEL_DECODE, shape, length)) return formula;
  const uint64_t launch = m->xpu_time.launch;
  const uint64_t time = xpu_kernel_time(&m->kernels->table[XPU_KERNEL_DECODE], shape, length);
  return time > launch ? (double)(time - launch) * PICO : 0;
}

// Sequences and KV heads of the fullest stack.
static double pairs_of(const struct machine *m, const struct serving_model *model, double sequences) {
  return ceil(sequences * model->kv_heads / m->pims / STACKS);
}

double charged_decode(const struct machine *m, const struct serving_model *model,
                      const struct node_load *load) {
  const double pairs = pairs_of(m, model, load->decoding);
  const double size = 2 * F16 * model->head_size / PAIR_BYTES;
  if (load->decoding == 0) return 0;
  const double positions = pairs * load->positions / load->decoding;
  const struct decode_clocks *of = &decode_clocks[m->clock < decode_clocks[0].clock];
  const double clocks = DECODE_BEGIN + of->pair[m->strict] * pairs + of->position * size * positions;
  return (clocks > DECODE_LEAST ? clocks : DECODE_LEAST) / m->clock;
}

// So many bytes that the xPU moves in each of `times` passes.
static double elements(const struct machine *m, double times, double bytes, struct work *work) {
  if (bytes > 0 && times > 0) kernels_ask(m->kernels, XPU_KERNEL_ELEMENTS, NULL, whole(bytes));
  work->bytes += times * bytes;
  return times * (double)xpu_time_elements(&m->xpu_time, whole(bytes)) * PICO;
}

// K and V of all new tokens: those of prompts, and of decoding sequences where they decode.
static double append_of(const struct machine *m, const struct serving_model *model,
                        const struct node_load *load, bool pim, struct work *work) {
  const double layers = model->layers;
  const double token = 2 * F16 * model->kv_heads * model->head_size / m->xpus;
  if (!pim) return elements(m, layers, token * (load->prefill.tokens + load->decoding), work);
  work->bytes += layers * token * load->decoding;
  return elements(m, layers, token * load->prefill.tokens, work) +
         layers * APPEND_PAIR * pairs_of(m, model, load->decoding) / m->clock;
}

// The LM head, a row a request; of no row, as of a chunk that does not end its prompt, nothing.
static double head_of(const struct machine *m, const struct serving_model *model,
                      const struct node_load *load, struct work *work) {
  const double rows = load->decoding + load->prefill.ends;
  const double slice = (double)model->vocabulary / m->xpus;
  if (rows == 0) return 0;
  work->macs += rows * model->hidden * slice;
  work->bytes += model_weight_bytes(model) * model->hidden * slice + F16 * rows * (model->hidden + slice);
  return charged_product(m, model, rows, model->hidden, slice);
}

// Attention is a kernel of the xPU's where that has any of it.
void charged_node(const struct machine *m, const struct serving_model *model, const struct node_load *load,
                  double *charge, struct work *work) {
  const double layers = model->layers;
  const double tokens = load->decoding + load->prefill.tokens;
  const double hidden = F16 * tokens * model->hidden;
  const bool pim = m->beside != BESIDE_NONE;
  if (tokens == 0) return;
  charge[SERVING_LAUNCHES] += layers * (KERNELS + (!pim || load->prefill.tokens > 0)) * m->launch;
  charge[SERVING_NORMS] += elements(m, layers, 2 * 3 * hidden, work);  // x and the residual in, their sum out
  charge[SERVING_HEAD] += head_of(m, model, load, work) + elements(m, 1, 2 * hidden, work);
  charge[SERVING_APPEND] += append_of(m, model, load, pim, work);
  charge[SERVING_COMBINE] += elements(m, model_moe_layers(model), hidden, work);
  if (!pim) return;
  charge[SERVING_MIGRATION] += elements(
      m, layers, 2 * 2 * F16 * load->prefill.tokens * model->kv_heads * model->head_size / m->xpus, work);
  if (m->controller)
    charge[SERVING_FIRMWARE] += layers * FIRMWARE_PAIR * pairs_of(m, model, load->decoding) / m->clock;
}

double charged_on_xpu(const double *charge) {
  return charge[SERVING_NORMS] + charge[SERVING_HEAD] + charge[SERVING_APPEND] + charge[SERVING_COMBINE] +
         charge[SERVING_MIGRATION];
}
