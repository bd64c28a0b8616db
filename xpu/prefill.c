// SPDX-License-Identifier: Apache-2.0
// Causal attention of many positions: its blocks are shared among threads, the longest ones first.
#include "xpu/prefill.h"

#include <stdlib.h>

#include "duplex/error.h"
#include "xpu/parallel.h"
#include "xpu/prefill_block.h"

#define TOKENS XPU_PANEL_TOKENS
#define BLOCK_TOKENS 64u  // of a block, unless one position has more query heads
#define MOST_HEADS (1u << 20)
#define INFINITE 0x7f800000u

struct work {
  struct prefill_block block;  // what all blocks have in common; positions: of a whole block
  unsigned blocks;             // of a KV head
  struct prefill_room *rooms;  // of each thread
};

static unsigned divide_up(unsigned a, unsigned b) { return (a + b - 1) / b; }

static void do_block(void *context, unsigned thread, size_t number) {
  const struct work *work = context;
  const struct xpu_prefill *prefill = work->block.prefill;
  struct prefill_block block = work->block;
  block.room = &work->rooms[thread];
  block.kv_head = (unsigned)(number % prefill->kv_heads);
  block.first = (work->blocks - 1 - (unsigned)(number / prefill->kv_heads)) * block.positions;
  const unsigned left = prefill->positions - block.first;
  if (left < block.positions) block.positions = left;
  block.tokens = block.positions * block.heads;
  block.panels = divide_up(block.tokens, TOKENS);
  prefill_make_scores(&block);
  prefill_make_context(&block);
}

static void *room_of(size_t count, size_t bytes) { return aligned_alloc(64, (count * bytes + 63) / 64 * 64); }

// Room for blocks of the size of `largest`.
static bool make_room(const struct prefill_block *largest, struct prefill_room *room) {
  const size_t size = largest->prefill->head_size;
  const size_t keys = (size_t)largest->prefill->first + largest->prefill->positions;
  const size_t panels = largest->panels;
  room->q = room_of(panels * TOKENS * size, sizeof *room->q);
  room->q_panels = room_of(panels * TOKENS * size, sizeof *room->q_panels);
  room->k_panel = room_of(size * XPU_PANEL_ROWS, sizeof *room->k_panel);
  room->scores = room_of(panels * keys * TOKENS, sizeof *room->scores);
  room->softmax = room_of(panels, sizeof *room->softmax);
  room->v_panels = room_of(largest->groups * PREFILL_CHUNK * XPU_PANEL_ROWS, sizeof *room->v_panels);
  room->coarse = room_of(PREFILL_CHUNK * TOKENS, sizeof *room->coarse);
  room->fine = room_of(PREFILL_CHUNK * TOKENS, sizeof *room->fine);
  room->sums = room_of(panels * largest->groups * 2, sizeof *room->sums);
  room->flags = room_of(panels * TOKENS * size, sizeof *room->flags);
  return room->q && room->q_panels && room->k_panel && room->scores && room->softmax && room->v_panels &&
         room->coarse && room->fine && room->sums && room->flags;
}

static void free_room(struct prefill_room *room) {
  free(room->q);
  free(room->q_panels);
  free(room->k_panel);
  free(room->scores);
  free(room->softmax);
  free(room->v_panels);
  free(room->coarse);
  free(room->fine);
  free(room->sums);
  free(room->flags);
}

static void join_tiers(struct xpu_gemm_tiers *tiers, const struct prefill_room *rooms, unsigned threads) {
  for (unsigned i = 0; tiers && i < threads; i++) {
    tiers->direct += rooms[i].tiers.direct;
    tiers->split += rooms[i].tiers.split;
    tiers->halved += rooms[i].tiers.halved;
    tiers->plain += rooms[i].tiers.plain;
  }
}

static bool has_legal_shape(const struct xpu_prefill *prefill) {
  return prefill->kv_heads && prefill->q_heads && prefill->q_heads <= MOST_HEADS &&
         prefill->q_heads % prefill->kv_heads == 0 && prefill->head_size &&
         prefill->head_size <= DUPLEX_HEAD_SIZE_MAX && prefill->positions &&
         prefill->positions <= DUPLEX_POSITIONS_MAX &&
         prefill->first <= DUPLEX_POSITIONS_MAX - prefill->positions && prefill->pinned <= prefill->first;
}

// The strides hold a whole head.
static bool has_legal_strides(const struct xpu_prefill *prefill) {
  const size_t queries = (size_t)prefill->positions * prefill->head_size;
  const size_t keys = ((size_t)prefill->first + prefill->positions) * prefill->head_size;
  return prefill->q_stride >= queries && prefill->o_stride >= queries && prefill->kv_stride >= keys;
}

static bool is_legal(const struct xpu_prefill *prefill) {
  return prefill && prefill->q && prefill->k && prefill->v && prefill->o && has_legal_shape(prefill) &&
         has_legal_strides(prefill) && prefill->scale > 0 && prefill->scale < INFINITE;
}

// What all blocks have in common, and the size of a whole one.
static struct prefill_block common_of(const struct xpu_prefill *prefill) {
  struct prefill_block block = {
      .prefill = prefill, .kernels = xpu_kernels(), .softmax = xpu_softmax_kernels()};
  block.heads = prefill->q_heads / prefill->kv_heads;
  block.positions = block.heads < BLOCK_TOKENS ? BLOCK_TOKENS / block.heads : 1;
  if (block.positions > prefill->positions) block.positions = prefill->positions;
  block.tokens = block.positions * block.heads;
  block.panels = divide_up(block.tokens, TOKENS);
  block.groups = divide_up(prefill->head_size, XPU_PANEL_ROWS);
  return block;
}

int xpu_prefill_run(const struct xpu_prefill *prefill, struct xpu_gemm_tiers *tiers) {
  if (!is_legal(prefill)) return DUPLEX_ERROR_ARGUMENT;
  struct work work = {.block = common_of(prefill)};
  work.blocks = divide_up(prefill->positions, work.block.positions);
  const size_t all = (size_t)work.blocks * prefill->kv_heads;
  unsigned threads = prefill->threads ? prefill->threads : 1;
  if (threads > all) threads = (unsigned)all;
  work.rooms = calloc(threads, sizeof *work.rooms);
  bool ready = work.rooms;
  for (unsigned i = 0; ready && i < threads; i++) ready = make_room(&work.block, &work.rooms[i]);
  if (ready) {
    xpu_parallel(threads, all, do_block, &work);
    join_tiers(tiers, work.rooms, threads);
  }
  for (unsigned i = 0; work.rooms && i < threads; i++) free_room(&work.rooms[i]);
  free(work.rooms);
  return ready ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}
