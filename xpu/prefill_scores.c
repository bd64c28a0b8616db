// SPDX-License-Identifier: Apache-2.0
// The scores of a block of prefill attention: 24 keys at a time for all of its tokens.
#include <string.h>

#include "xpu/panel.h"
#include "xpu/prefill_block.h"

#define TOKENS XPU_PANEL_TOKENS
#define ROWS XPU_PANEL_ROWS

// Keys that are worked on together, and which of them hold NaN or infinities.
struct keys {
  unsigned first, count;
  const duplex_f16 *values;
  uint32_t special;
};

// Brings the queries of a block together and packs a panel of them; those with NaN or infinities come back.
static uint32_t pack_queries(const struct prefill_block *block, unsigned panel) {
  const struct xpu_prefill *prefill = block->prefill;
  const size_t size = prefill->head_size;
  duplex_f16 *rows = block->room->q + panel * TOKENS * size;
  const unsigned count = prefill_panel_tokens(block, panel);
  for (unsigned i = 0; i < count; i++) {
    const unsigned token = panel * TOKENS + i;
    const size_t head = block->kv_head * block->heads + token % block->heads;
    const size_t position = block->first + token / block->heads;
    memcpy(rows + i * size, prefill->q + head * prefill->q_stride + position * size, size * sizeof *rows);
  }
  return xpu_pack_panel(rows, size, count, prefill->head_size, TOKENS,
                        block->room->q_panels + panel * size * TOKENS);
}

// What NaN and infinities do to a sum: panels have zeros in their place.
static void add_special(const struct prefill_block *block, const duplex_f16 *q, const duplex_f16 *k,
                        struct duplex_sum *sum) {
  for (unsigned i = 0; i < block->prefill->head_size; i++)
    if ((q[i] & 0x7c00) == 0x7c00 || (k[i] & 0x7c00) == 0x7c00) duplex_sum_add_product(sum, q[i], k[i]);
}

// scores[8][24] = RN32 of the sums.
static void round_sums(const struct prefill_block *block, unsigned panel, const struct keys *keys,
                       uint32_t q_special, const struct xpu_block *sums, duplex_f32 *scores) {
  if (!sums->carried && !q_special && !keys->special) {
    block->kernels->round_f32(sums->values, NULL, XPU_BLOCK_SUMS, scores);
    return;
  }
  const size_t size = block->prefill->head_size;
  for (unsigned token = 0; token < prefill_panel_tokens(block, panel); token++)
    for (unsigned row = 0; row < keys->count; row++) {
      struct duplex_sum sum = xpu_block_sum(sums, token * ROWS + row);
      add_special(block, block->room->q + (panel * TOKENS + token) * size, keys->values + row * size, &sum);
      scores[token * ROWS + row] = duplex_round_f32(&sum, 0);
    }
}

// Scores to their places; -Inf where a token does not attend to the key.
static void place_scores(const struct prefill_block *block, unsigned panel, const struct keys *keys,
                         const duplex_f32 *scores) {
  duplex_f32 *to = prefill_scores(block, panel, keys->first);
  const unsigned panel_keys = prefill_panel_keys(block, panel);
  for (unsigned token = 0; token < TOKENS; token++) {
    const bool exists = token < prefill_panel_tokens(block, panel);
    for (unsigned row = 0; row < keys->count && keys->first + row < panel_keys; row++) {
      const bool sees = exists && prefill_sees(block, panel * TOKENS + token, keys->first + row);
      to[row * TOKENS + token] = sees ? scores[token * ROWS + row] : DUPLEX_MAXIMUM_START;
    }
  }
}

static void score_panel(const struct prefill_block *block, unsigned panel, const struct keys *keys,
                        uint32_t q_special) {
  struct prefill_room *room = block->room;
  const unsigned size = block->prefill->head_size;
  struct xpu_block sums;
  duplex_f32 scores[XPU_BLOCK_SUMS];
  xpu_block_begin(&sums);
  xpu_block_continue(block->kernels, room->q_panels + (size_t)panel * size * TOKENS, room->k_panel, size,
                     &sums, &room->tiers);
  round_sums(block, panel, keys, q_special, &sums, scores);
  place_scores(block, panel, keys, scores);
}

void prefill_make_scores(const struct prefill_block *block) {
  const struct xpu_prefill *prefill = block->prefill;
  struct prefill_room *room = block->room;
  const unsigned begin = prefill_begin(block);
  const unsigned all = prefill_block_keys(block);
  const size_t size = prefill->head_size;
  for (unsigned panel = 0; panel < block->panels; panel++)
    room->softmax[panel].special = pack_queries(block, panel);
  for (struct keys keys = {.first = begin}; keys.first < all; keys.first += ROWS) {
    keys.count = all - keys.first < ROWS ? all - keys.first : ROWS;
    keys.values = prefill->k + block->kv_head * prefill->kv_stride + keys.first * size;
    keys.special = xpu_pack_panel(keys.values, size, keys.count, prefill->head_size, ROWS, room->k_panel);
    for (unsigned panel = 0; panel < block->panels; panel++)
      if (keys.first < prefill_panel_keys(block, panel))
        score_panel(block, panel, &keys, room->softmax[panel].special);
  }
  for (unsigned panel = 0; panel < block->panels; panel++) {
    duplex_f32 *maximum = room->softmax[panel].maximum;
    for (unsigned token = 0; token < TOKENS; token++) maximum[token] = DUPLEX_MAXIMUM_START;
    block->softmax->scale(prefill_scores(block, panel, begin), prefill_panel_keys(block, panel) - begin,
                          prefill->scale, maximum);
  }
}
