// SPDX-License-Identifier: Apache-2.0
// Bytes of the kernels on elements: each value comes once and goes once, what is between stays in registers.
#include "model/network_elements.h"

#include "model/network_account.h"

// A kernel that moves so many bytes; none: there is no kernel.
static int run(struct network *network, const char *name, uint64_t bytes) {
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_ELEMENTS, .elements = {.bytes = bytes}};
  struct duplex_xpu *xpu = network->xpu;
  uint64_t picoseconds;
  if (!bytes) return DUPLEX_OK;
  const int error = xpu->ops->estimate(xpu, &work, &picoseconds);
  if (!error) account_elements(network, name, bytes, picoseconds + xpu->ops->launch(xpu));
  return error;
}

int elements_embed(const struct network_rows *rows) {
  const uint64_t values = (uint64_t)rows->tokens * rows->network->config->hidden;
  return run(rows->network, "embedding", values * (sizeof(duplex_f16) + sizeof(duplex_f32)));
}

int elements_norm(const struct network_rows *rows, size_t normed) {
  const uint64_t hidden = rows->network->config->hidden;
  const uint64_t sums = rows->added ? rows->tokens * hidden * (rows->added + 2 * sizeof(duplex_f32))
                                    : normed * hidden * sizeof(duplex_f32);
  return run(rows->network, "norm", sums + normed * hidden * sizeof(duplex_f16));
}

int elements_latent(const struct network_rows *rows) {
  const struct model_config *config = rows->network->config;
  const uint64_t values = rows->tokens * ((uint64_t)config->q_rank + config->kv_rank);
  return run(rows->network, "norm", values * (sizeof(duplex_f32) + sizeof(duplex_f16)));
}

int elements_rotate(const struct network_rows *rows) {
  const struct model_config *config = rows->network->config;
  const uint64_t values = ((uint64_t)config->heads + config->kv_heads) * config->head_size +
                          (uint64_t)config->kv_heads * config->value_size;
  const uint64_t angles = 2 * rows->network->rotary.pairs;
  return run(
      rows->network, "rotation",
      rows->tokens * (values * (sizeof(duplex_f32) + sizeof(duplex_f16)) + angles * sizeof(duplex_f32)));
}

int elements_choose(const struct network_rows *rows) {
  uint64_t reads = 0;
  for (size_t i = 0; i < rows->piece_count; i++)
    if (rows->pieces[i].logits) reads += rows->pieces[i].logit_reads;
  return run(rows->network, "choice", reads * rows->network->config->vocabulary * sizeof(duplex_f32));
}
