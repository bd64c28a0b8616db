// SPDX-License-Identifier: Apache-2.0
// A block of prefill attention: some positions, and for each the query heads of one KV head. These are its
// tokens, 8 to a panel. Inside the xPU only.
#ifndef XPU_PREFILL_BLOCK_H
#define XPU_PREFILL_BLOCK_H

#include "xpu/block.h"
#include "xpu/prefill.h"
#include "xpu/softmax.h"

#define PREFILL_CHUNK XPU_BLOCK_COLUMNS  // keys that the context takes together

// The softmax of a panel's tokens.
struct prefill_softmax {
  duplex_f32 maximum[XPU_PANEL_TOKENS];
  uint64_t l[XPU_PANEL_TOKENS];
  uint32_t special;  // tokens whose queries hold NaN or infinities
};

// What a thread works in, for the largest block.
struct prefill_room {
  duplex_f16 *q;       // [tokens][head_size]
  double *q_panels;    // [panels][head_size][8]
  double *k_panel;     // [head_size][24]
  duplex_f32 *scores;  // [panels][keys][8]; -Inf where a token has none, as in lanes that a stack leaves out
  struct prefill_softmax *softmax;  // [panels]
  double *v_panels;                 // [groups][PREFILL_CHUNK][24]
  double *coarse, *fine;            // [PREFILL_CHUNK][8]
  struct xpu_block *sums;           // [panels][groups][2]: of coarse weights, and of fine ones
  uint8_t *flags;                   // [tokens][head_size]: what NaN and infinities of V do to the sums
  struct xpu_gemm_tiers tiers;
};

struct prefill_block {
  const struct xpu_prefill *prefill;
  const struct xpu_kernels *kernels;
  const struct xpu_softmax_kernels *softmax;
  struct prefill_room *room;
  unsigned kv_head;
  unsigned first, positions;  // of the queries
  unsigned heads;             // query heads of the KV head
  unsigned tokens, panels;
  unsigned groups;  // of 24 columns of V
};

// Keys that a token attends to; a panel's are those of its last token, a block's those of its last panel.
static inline unsigned prefill_keys(const struct prefill_block *block, unsigned token) {
  return block->prefill->first + block->first + token / block->heads + 1;
}

// The first key of a token's window; a block's is that of its first token.
static inline unsigned prefill_first_key(const struct prefill_block *block, unsigned token) {
  const unsigned end = prefill_keys(block, token);
  const unsigned window = block->prefill->window;
  return window && end > window ? end - window : 0;
}

// Whether a token attends to a key.
static inline bool prefill_sees(const struct prefill_block *block, unsigned token, unsigned key) {
  const bool in_window = key >= prefill_first_key(block, token) && key < prefill_keys(block, token);
  return in_window || key < block->prefill->pinned;
}

// The first key that a token of the block may attend to.
static inline unsigned prefill_begin(const struct prefill_block *block) {
  return block->prefill->pinned ? 0 : prefill_first_key(block, 0);
}

static inline unsigned prefill_panel_tokens(const struct prefill_block *block, unsigned panel) {
  const unsigned left = block->tokens - panel * XPU_PANEL_TOKENS;
  return left < XPU_PANEL_TOKENS ? left : XPU_PANEL_TOKENS;
}

static inline unsigned prefill_panel_keys(const struct prefill_block *block, unsigned panel) {
  return prefill_keys(block, panel * XPU_PANEL_TOKENS + prefill_panel_tokens(block, panel) - 1);
}

static inline unsigned prefill_block_keys(const struct prefill_block *block) {
  return prefill_keys(block, block->tokens - 1);
}

// The scores of a panel from key `first` on.
static inline duplex_f32 *prefill_scores(const struct prefill_block *block, unsigned panel, unsigned first) {
  const size_t keys = (size_t)block->prefill->first + block->prefill->positions;
  return block->room->scores + (panel * keys + first) * XPU_PANEL_TOKENS;
}

// Makes the scores and the maxima of softmax; then l and o of them.
void prefill_make_scores(const struct prefill_block *block);
void prefill_make_context(const struct prefill_block *block);

#endif
