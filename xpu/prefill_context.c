// SPDX-License-Identifier: Apache-2.0
// Weights times V of a block of prefill attention, some keys at a time for all of its tokens, and o.
#include <string.h>

#include "xpu/panel.h"
#include "xpu/prefill_block.h"

#define TOKENS XPU_PANEL_TOKENS
#define ROWS XPU_PANEL_ROWS

// Keys that are worked on together, from `first` on.
struct chunk {
  unsigned first, count;
  const duplex_f16 *v;
};

static struct xpu_block *sums_of(const struct prefill_block *block, unsigned panel, unsigned group) {
  return block->room->sums + ((size_t)panel * block->groups + group) * 2;
}

static double *v_panel(const struct prefill_block *block, unsigned group) {
  return block->room->v_panels + (size_t)group * PREFILL_CHUNK * ROWS;
}

static unsigned group_columns(const struct prefill_block *block, unsigned group) {
  const unsigned left = block->prefill->head_size - group * ROWS;
  return left < ROWS ? left : ROWS;
}

static void begin(const struct prefill_block *block) {
  const size_t flags = (size_t)block->tokens * block->prefill->head_size;
  memset(block->room->flags, 0, flags * sizeof *block->room->flags);
  for (unsigned panel = 0; panel < block->panels; panel++) {
    memset(block->room->softmax[panel].l, 0, sizeof block->room->softmax[panel].l);
    for (unsigned group = 0; group < block->groups; group++) {
      xpu_block_begin(&sums_of(block, panel, group)[0]);
      xpu_block_begin(&sums_of(block, panel, group)[1]);
    }
  }
}

// True if a value of V is NaN or infinite.
static bool pack_values(const struct prefill_block *block, const struct chunk *chunk) {
  uint32_t special = 0;
  for (unsigned group = 0; group < block->groups; group++)
    special |= xpu_pack_transposed(chunk->v + (size_t)group * ROWS, block->prefill->head_size,
                                   group_columns(block, group), chunk->count, ROWS, v_panel(block, group));
  return special;
}

// What NaN or an infinity of V does to the sums of the tokens that attend to its key. Of weights in two parts
// the high one decides.
static void add_flags(const struct prefill_block *block, unsigned key, unsigned column, duplex_f16 v) {
  const enum duplex_weight_part part = block->prefill->wide ? DUPLEX_P32_HIGH : DUPLEX_P16;
  for (unsigned token = 0; token < block->tokens; token++) {
    if (!prefill_sees(block, token, key)) continue;
    const unsigned panel = token / TOKENS;
    const duplex_f32 t = prefill_scores(block, panel, key)[token % TOKENS];
    struct duplex_sum sum = {0};
    duplex_sum_add_weighted(
        &sum, duplex_exponential(t, block->room->softmax[panel].maximum[token % TOKENS], part), v);
    block->room->flags[(size_t)token * block->prefill->head_size + column] |= (uint8_t)sum.flags;
  }
}

static void add_all_flags(const struct prefill_block *block, const struct chunk *chunk) {
  const size_t size = block->prefill->head_size;
  for (unsigned i = 0; i < chunk->count; i++)
    for (unsigned column = 0; column < size; column++) {
      const duplex_f16 v = chunk->v[i * size + column];
      if ((v & 0x7c00) == 0x7c00) add_flags(block, chunk->first + i, column, v);
    }
}

static void add_panel(const struct prefill_block *block, unsigned panel, const struct chunk *chunk) {
  struct prefill_room *room = block->room;
  struct prefill_softmax *softmax = &room->softmax[panel];
  const unsigned left = prefill_panel_keys(block, panel) - chunk->first;
  const unsigned count = left < chunk->count ? left : chunk->count;
  struct xpu_softmax_weights weights = {.coarse = room->coarse, .fine = room->fine};
  block->softmax->weigh(prefill_scores(block, panel, chunk->first), count, softmax->maximum,
                        block->prefill->wide, &weights, softmax->l);
  for (unsigned group = 0; group < block->groups; group++) {
    struct xpu_block *sums = sums_of(block, panel, group);
    const double *v = v_panel(block, group);
    if (weights.any_coarse)
      xpu_block_continue(block->kernels, room->coarse, v, count, &sums[0], &room->tiers);
    if (weights.any_fine) xpu_block_continue(block->kernels, room->fine, v, count, &sums[1], &room->tiers);
  }
}

static bool is_finite(duplex_f32 value) { return (value & 0x7f800000u) != 0x7f800000u; }

static void write_token(const struct prefill_block *block, unsigned token) {
  const struct xpu_prefill *prefill = block->prefill;
  const struct prefill_softmax *softmax = &block->room->softmax[token / TOKENS];
  const unsigned lane = token % TOKENS;
  const size_t head = block->kv_head * block->heads + token % block->heads;
  const size_t position = block->first + token / block->heads;
  duplex_f16 *o = prefill->o + head * prefill->o_stride + position * prefill->head_size;
  for (unsigned column = 0; column < prefill->head_size; column++) {
    const struct xpu_block *sums = sums_of(block, token / TOKENS, column / ROWS);
    const unsigned number = lane * ROWS + column % ROWS;
    struct duplex_sum sum = xpu_block_sum(&sums[0], number);
    const struct duplex_sum fine = xpu_block_sum(&sums[1], number);
    duplex_sum_add(&sum, &fine);
    sum.flags = block->room->flags[(size_t)token * prefill->head_size + column];
    o[column] = duplex_quotient(&sum, softmax->l[lane], !is_finite(softmax->maximum[lane]));
  }
}

void prefill_make_context(const struct prefill_block *block) {
  const struct xpu_prefill *prefill = block->prefill;
  const unsigned all = prefill_block_keys(block);
  begin(block);
  for (struct chunk chunk = {.first = prefill_begin(block)}; chunk.first < all;
       chunk.first += PREFILL_CHUNK) {
    chunk.count = all - chunk.first < PREFILL_CHUNK ? all - chunk.first : PREFILL_CHUNK;
    chunk.v = prefill->v + block->kv_head * prefill->kv_stride + (size_t)chunk.first * prefill->head_size;
    if (pack_values(block, &chunk)) add_all_flags(block, &chunk);
    for (unsigned panel = 0; panel < block->panels; panel++)
      if (chunk.first < prefill_panel_keys(block, panel)) add_panel(block, panel, &chunk);
  }
  for (unsigned token = 0; token < block->tokens; token++) write_token(block, token);
}
