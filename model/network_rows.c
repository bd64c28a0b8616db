// SPDX-License-Identifier: Apache-2.0
// What the blocks of a layer do to rows: sums into the residual stream, binary16 for products, products.
#include <math.h>

#include "cmodel/common/f32_fields.h"
#include "cmodel/numerics/exact_mode.h"
#include "model/network_account.h"
#include "xpu/binary32.h"
#include "xpu/gemm.h"
#include "xpu/work.h"

void network_add(struct network_rows *rows, const duplex_f32 *y, const duplex_f32 *bias, size_t bytes) {
  const struct model_config *config = rows->network->config;
  const float scale = (float)config->residual_scale;
  const exact_mode saved = exact_begin(y);
  for (size_t i = 0; i < rows->tokens * config->hidden; i++) {
    float value = binary32_float(y[i]);
    if (bias) value += binary32_float(bias[i % config->hidden]);
    if (scale != 1) value *= scale;
    rows->residual[i] = binary32_bits(binary32_float(rows->residual[i]) + value);
  }
  exact_end(saved, rows->residual);
  rows->added = bytes;
}

void network_add_bias(duplex_f32 *values, const duplex_f32 *bias, size_t tokens, size_t columns) {
  if (!bias) return;
  const exact_mode saved = exact_begin(values);
  for (size_t i = 0; i < tokens * columns; i++)
    values[i] = binary32_bits(binary32_float(values[i]) + binary32_float(bias[i % columns]));
  exact_end(saved, values);
}

void network_narrow(struct network *network, const duplex_f32 *from, size_t count, duplex_f16 *to) {
  for (size_t i = 0; i < count; i++) {
    to[i] = duplex_f16_from_f32(from[i]);
    network->statistics.overflows += (to[i] & 0x7fff) == 0x7c00 && !f32_is_infinite(from[i]);
  }
}

// The built-in xPU's thread would do the same while this one waits: handing over costs more than a small
// product.
int network_work(struct network *network, const struct duplex_xpu_work *work) {
  struct duplex_xpu *xpu = network->xpu;
  uint64_t picoseconds;
  int error = xpu->ops->estimate(xpu, work, &picoseconds);
  if (!error) error = xpu_work_run(work, network->options.device.threads);
  if (!error) account_work(network, work, picoseconds + xpu->ops->launch(xpu));
  return error;
}

int network_product(struct network *network, const struct model_matrix *matrix, const duplex_f16 *x,
                    size_t tokens, duplex_f32 *out) {
  const struct xpu_dense dense = {matrix->values, matrix->columns};
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_GEMM,
                                       .gemm = {.x = x,
                                                .x_stride = matrix->columns,
                                                .tokens = (unsigned)tokens,
                                                .columns = (unsigned)matrix->columns,
                                                .rows = (unsigned)matrix->rows,
                                                .weights = xpu_dense_weights(&dense),
                                                .exponents = matrix->exponents,
                                                .format = DUPLEX_RESULT_FORMAT_F32,
                                                .out = out,
                                                .out_stride = matrix->rows}};
  return network_work(network, &work);
}
