// SPDX-License-Identifier: Apache-2.0
// The GEMM of one block of rows, as one GEMM module of the hardware does it.
//
// Shapes, all in the order in which the hardware streams them:
//   weights  [k_tiles][rows][64]  binary16; rows 1 to 64 of one block, k_tiles 1 to 1024
//   x tiles  [k_tiles][64][8]     binary16, or weights of softmax; 8 token lanes side by side
//   sums     [rows][8]            exact sums
// K that is no multiple of 64 is padded with zeros in both operands.
#ifndef DUPLEX_GEMM_H
#define DUPLEX_GEMM_H

#include <stddef.h>

#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

// What the elements of x tiles are.
enum duplex_tile_format { DUPLEX_TILE_F16, DUPLEX_TILE_P16 };

// Adds the block into sums[rows][8], which the caller has cleared or carries on. The plain path: anybody can
// check it by reading.
void duplex_gemm_block_reference(const duplex_f16 *weights, unsigned rows, unsigned k_tiles,
                                 const uint16_t *x_tiles, enum duplex_tile_format format,
                                 struct duplex_sum *sums);

// x tiles converted once for the fast path, to be shared by all blocks and threads of a job.
struct duplex_gemm_panel;
struct duplex_gemm_panel *duplex_gemm_panel_new(const uint16_t *x_tiles, unsigned k_tiles,
                                                enum duplex_tile_format format);  // NULL: out of memory
void duplex_gemm_panel_free(struct duplex_gemm_panel *panel);

// How often each tier of the fast path ran, in rows (see cmodel/gemm/gemm_block.c).
struct duplex_gemm_tiers {
  uint64_t direct;  // double sums, proved exact
  uint64_t split;   // shorter double sums joined in integers
  uint64_t wide;    // integers throughout
};

// The same sums on every bit, fast. `tiers` may be NULL. Safe to call from several threads at once.
void duplex_gemm_block_fast(const duplex_f16 *weights, unsigned rows, unsigned k_tiles,
                            const struct duplex_gemm_panel *panel, struct duplex_sum *sums,
                            struct duplex_gemm_tiers *tiers);

// Name of the instructions that the fast path uses on this processor: "portable", "avx2" or "avx512".
// DUPLEX_KERNEL in the environment chooses a slower one; NULL: it names none that this processor has.
const char *duplex_gemm_kernels(void);

#ifdef __cplusplus
}
#endif
#endif
