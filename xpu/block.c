// SPDX-License-Identifier: Apache-2.0
// The exact sums of a block of 8 tokens by 24 rows: double sums where they are exact, parts of them,
// integers.
#include "xpu/block.h"

#include <string.h>

#include "xpu/panel.h"

#define TOKENS XPU_PANEL_TOKENS
#define ROWS XPU_PANEL_ROWS
#define PLAIN_COLUMNS 16u  // pieces of this size are not halved any more

void xpu_block_add_values(const double *values, struct duplex_sum *sums) {
  for (unsigned i = 0; i < XPU_BLOCK_SUMS; i++) duplex_sum_add_double(&sums[i], values[i]);
}

// Products are exact in binary64: 23 significant bits at most, 2^-48 to 2^32.
static void add_plain(const double *x, const double *w, unsigned columns, struct duplex_sum *sums) {
  for (unsigned k = 0; k < columns; k++)
    for (unsigned token = 0; token < TOKENS; token++)
      for (unsigned row = 0; row < ROWS; row++)
        duplex_sum_add_double(&sums[token * ROWS + row], x[k * TOKENS + token] * w[k * ROWS + row]);
}

// Adds the columns of a piece into `sums`, halving it as long as its double sums are not exact.
static void add_piece(const struct xpu_kernels *kernels, const double *x, const double *w, unsigned columns,
                      struct duplex_sum *sums, struct xpu_gemm_tiers *tiers) {
  double values[XPU_BLOCK_SUMS] __attribute__((aligned(64))) = {0};
  if (kernels->panel(x, w, columns, values)) {
    xpu_block_add_values(values, sums);
  } else if (columns <= PLAIN_COLUMNS) {
    add_plain(x, w, columns, sums);
    tiers->plain++;
  } else {
    const unsigned half = columns / 2;
    tiers->halved++;
    add_piece(kernels, x, w, half, sums, tiers);
    add_piece(kernels, x + (size_t)half * TOKENS, w + (size_t)half * ROWS, columns - half, sums, tiers);
  }
}

void xpu_block_add(const struct xpu_kernels *kernels, const double *x, const double *w, unsigned columns,
                   struct duplex_sum *sums, struct xpu_gemm_tiers *tiers) {
  double small[XPU_BLOCK_COLUMNS * TOKENS] __attribute__((aligned(64)));
  double large[XPU_BLOCK_COLUMNS * TOKENS] __attribute__((aligned(64)));
  xpu_split_panel(x, (size_t)columns * TOKENS, small, large);
  add_piece(kernels, small, w, columns, sums, tiers);
  add_piece(kernels, large, w, columns, sums, tiers);
}

void xpu_block_begin(struct xpu_block *block) {
  memset(block->values, 0, sizeof block->values);
  block->carried = false;
}

// The values go to the sums, and begin with zero again.
static void carry(struct xpu_block *block) {
  if (!block->carried) memset(block->sums, 0, sizeof block->sums);
  block->carried = true;
  xpu_block_add_values(block->values, block->sums);
  memset(block->values, 0, sizeof block->values);
}

// A kernel that was not exact leaves values without a meaning: those from before are carried, and the panels
// are tried again by themselves.
void xpu_block_continue(const struct xpu_kernels *kernels, const double *x, const double *w, unsigned columns,
                        struct xpu_block *block, struct xpu_gemm_tiers *tiers) {
  double before[XPU_BLOCK_SUMS];
  memcpy(before, block->values, sizeof before);
  tiers->direct++;
  if (kernels->panel(x, w, columns, block->values)) return;
  memcpy(block->values, before, sizeof before);
  carry(block);
  if (kernels->panel(x, w, columns, block->values)) return;
  memset(block->values, 0, sizeof block->values);
  tiers->split++;
  xpu_block_add(kernels, x, w, columns, block->sums, tiers);
}

struct duplex_sum xpu_block_sum(const struct xpu_block *block, unsigned number) {
  struct duplex_sum sum = {0};
  if (block->carried) sum = block->sums[number];
  duplex_sum_add_double(&sum, block->values[number]);
  return sum;
}
