// SPDX-License-Identifier: Apache-2.0
// The tokens of a job: passes that serve them, their space in DRAM, activations in and results out.
#ifndef DUPLEX_DRIVER_TOKENS_H
#define DUPLEX_DRIVER_TOKENS_H

#include "driver/stack.h"

#define TILE_BYTES (DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES)

// One job's own regions, pass after pass, and the tokens that they are for.
struct token_work {
  struct region x, results;
  uint32_t x_row_sets, result_row_sets;     // of one pass
  uint32_t groups, groups_of_pass, passes;  // groups of 8 tokens
  size_t m;                                 // tokens, of each matrix of a pair
  bool pair;                                // a pass has one group for each matrix
  const uint32_t *rows;                     // of x, of each token; NULL: in order
};

// The work of m tokens (of each matrix of a pair) whose activations have k_tiles tiles, in passes that serve
// groups_of_pass groups of 8 tokens at once. It has no regions yet.
struct token_work tokens_plan(const struct duplex_stack *stack, size_t m, uint32_t groups_of_pass,
                              uint32_t k_tiles, const struct weight_layout *results,
                              enum duplex_result_format format);

// Regions for activations and results in these bundles. DUPLEX_ERROR_OUT_OF_SPACE: what was taken is in
// `work`, for tokens_give_back.
int tokens_take_space(struct duplex_stack *stack, unsigned bundles, struct token_work *work);
void tokens_give_back(struct duplex_stack *stack, const struct token_work *work);

// x[m][k] (pair: [2][m][k]) as tiles of 64 columns and 8 tokens, over the channels.
int tokens_upload(struct duplex_stack *stack, const struct token_work *work, const duplex_f16 *x, size_t k);

// y[m][rows of the layout] (pair: [2][m][rows]) in the format, from what the channels wrote; its rows lie
// `stride` values apart.
int tokens_read_results(struct duplex_stack *stack, const struct token_work *work,
                        const struct weight_layout *layout, enum duplex_result_format format, size_t stride,
                        uint8_t *y);

#endif
