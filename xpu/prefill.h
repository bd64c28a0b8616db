// SPDX-License-Identifier: Apache-2.0
// Causal attention of many positions of one sequence: the bits of decode attention (docs/xpu_numerics.md).
#ifndef XPU_PREFILL_H
#define XPU_PREFILL_H

#include <stddef.h>

#include "duplex/numerics.h"

// o of positions first to first + positions - 1, each over the keys up to its own, or the last `window` of
// them. Query heads h to h + g - 1, g = q_heads / kv_heads, share KV head h / g.
struct xpu_prefill {
  const duplex_f16 *q;      // [q_heads][positions][head_size], q_stride values from head to head
  const duplex_f16 *k, *v;  // [kv_heads][first + positions][head_size], kv_stride values from head to head
  size_t q_stride, kv_stride;
  unsigned q_heads;    // a multiple of kv_heads
  unsigned kv_heads;   // from 1
  unsigned head_size;  // 1 to 256
  unsigned first;      // first + positions is at most 131,072
  unsigned positions;  // from 1
  unsigned window;     // keys of a position at most; 0: all
  unsigned pinned;     // keys that each sees beside its window, the first ones; `first` is not below
  duplex_f32 scale;    // c of numerics N5 (duplex_attention_scale), positive and finite
  bool wide;           // weights of two parts (p32)
  duplex_f16 *o;       // as q, o_stride values from head to head
  size_t o_stride;
  unsigned threads;  // 0: one
};

struct xpu_gemm_tiers;

// Pairs of a query and a key that it sees.
static inline uint64_t xpu_prefill_pairs(uint64_t first, uint64_t positions, uint64_t window) {
  const uint64_t before = window > first ? window - first : 0;  // queries that see all keys
  const uint64_t whole = window == 0 || positions < before ? positions : before;
  return whole * first + whole * (whole + 1) / 2 + (positions - whole) * window;
}

// Runs it; `tiers` may be NULL and counts the context's blocks of 256 positions: all, those that were split,
// and their pieces. DUPLEX_ERROR_ARGUMENT or _NO_MEMORY.
int xpu_prefill_run(const struct xpu_prefill *prefill, struct xpu_gemm_tiers *tiers);

#endif
