// SPDX-License-Identifier: Apache-2.0
// GEMM on the xPU: blocks of 8 tokens by 24 weight rows, in double sums that the host proves exact.
//
// Tiers of a block. direct: one double sum over all columns. split: the same for the small and for the large
// numbers of x apart, since large ones are coarse: their sums are exact up to far larger magnitudes. halved:
// what is still not exact, in halves of its columns, down to 16. plain: those product by product into
// integers. Each tier gives the exact sums, so the bits are the same. With up to 8 tokens the first tier
// reads weight rows as they lie, where there is a kernel for it.
#include "xpu/gemm.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "xpu/block.h"
#include "xpu/panel.h"
#include "xpu/panel_kernels.h"
#include "xpu/parallel.h"
#include "xpu/row_kernels.h"

#define TOKENS XPU_PANEL_TOKENS
#define ROWS XPU_PANEL_ROWS
#define BLOCK XPU_BLOCK_SUMS
#define MOST_COLUMNS 65536u
#define MOST_ROWS (1u << 30)  // of weights, and tokens

// What is worked on together stays in the caches: a chunk of columns of one group of weight rows in the first
// level, the same of a token block in the second; a piece's groups share the token block.
#define CHUNK XPU_BLOCK_COLUMNS
#define BLOCK_PANELS 16u  // token panels of a block
#define PASS_PANELS 64u   // token panels of a pass over the weights
#define PIECE_GROUPS 8u   // groups of weight rows of a piece, the work that a thread takes at a time
#define PIECE_ROWS (PIECE_GROUPS * ROWS)

// What one thread works in: for the groups of a piece and the panels of a pass as far as the GEMM has them.
struct room {
  duplex_f16 *rows;  // [groups * ROWS][columns], for weights that are brought
  double *weights;   // [groups, but 1 for few tokens][CHUNK][ROWS]
  double *sums;      // [groups][panels][TOKENS][ROWS]
  bool *exact;       // [groups][panels]
};

// A GEMM, and the pass over its weights that is under way.
struct work {
  const struct xpu_gemm *gemm;
  const struct xpu_kernels *kernels;
  unsigned most_panels;             // of a pass
  unsigned first_token, panels;     // of the pass
  double *tokens;                   // by chunk: [panels][columns of the chunk][TOKENS]
  uint32_t x_special[PASS_PANELS];  // tokens with NaN or infinities
  xpu_row_kernel *rows;             // of few tokens; NULL: panels
  double *wide;                     // for it: [tokens][wide_stride], padded with zeros
  size_t wide_stride;
  struct room *rooms;            // of each thread
  struct xpu_gemm_tiers *tiers;  // of each thread
  atomic_int error;
};

// The weight rows that a thread works on.
struct piece {
  unsigned first, count;  // rows
  const duplex_f16 *rows;
  uint32_t special[PIECE_GROUPS];  // rows with NaN or infinities
};

static unsigned chunk_columns(const struct xpu_gemm *gemm, unsigned first) {
  return gemm->columns - first < CHUNK ? gemm->columns - first : CHUNK;
}

// The chunk of a token panel that begins with column `first`.
static double *chunk_of(const struct work *work, unsigned panel, unsigned first) {
  const size_t before = (size_t)first * work->panels * TOKENS;
  return work->tokens + before + (size_t)panel * chunk_columns(work->gemm, first) * TOKENS;
}

// The place of a block among those of a piece.
static size_t block_of(const struct work *work, unsigned group, unsigned panel) {
  return (size_t)group * work->most_panels + panel;
}

static unsigned group_rows(const struct piece *piece, unsigned group) {
  return duplex_smaller(piece->count - group * ROWS, ROWS);
}

static unsigned panel_tokens(const struct work *work, unsigned panel) {
  return duplex_smaller(work->gemm->tokens - work->first_token - panel * TOKENS, TOKENS);
}

static void *room_of(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

// What NaN and infinities do to the sums: panels have zeros in their place.
static void add_special(const struct work *work, const struct piece *piece, unsigned group, unsigned panel,
                        struct duplex_sum *sums) {
  const struct xpu_gemm *gemm = work->gemm;
  for (unsigned token = 0; token < panel_tokens(work, panel); token++)
    for (unsigned row = 0; row < group_rows(piece, group); row++) {
      if (!(work->x_special[panel] >> token & 1) && !(piece->special[group] >> row & 1)) continue;
      const duplex_f16 *x = gemm->x + (work->first_token + panel * TOKENS + token) * gemm->x_stride;
      const duplex_f16 *w = piece->rows + (group * ROWS + row) * gemm->weights.stride;
      for (unsigned k = 0; k < gemm->columns; k++)
        if ((x[k] & 0x7c00) == 0x7c00 || (w[k] & 0x7c00) == 0x7c00)
          duplex_sum_add_product(&sums[token * ROWS + row], x[k], w[k]);
    }
}

static void store_sum(const struct xpu_gemm *gemm, size_t at, int exponent, const struct duplex_sum *sum) {
  if (gemm->format == DUPLEX_RESULT_FORMAT_F16) {
    ((duplex_f16 *)gemm->out)[at] = duplex_round_f16(sum, exponent);
  } else if (gemm->format == DUPLEX_RESULT_FORMAT_F32) {
    ((duplex_f32 *)gemm->out)[at] = duplex_round_f32(sum, exponent);
  } else {
    uint8_t *bytes = (uint8_t *)gemm->out + 16 * at;
    struct duplex_sum total = *sum;
    struct duplex_sum held = {0};
    if (gemm->add) duplex_sum_unpack(bytes, &held);
    duplex_sum_add(&total, &held);
    duplex_sum_pack(&total, bytes);
  }
}

static void store_sums(const struct work *work, const struct piece *piece, unsigned group, unsigned panel,
                       const struct duplex_sum *sums) {
  const struct xpu_gemm *gemm = work->gemm;
  const unsigned first_row = piece->first + group * ROWS;
  for (unsigned token = 0; token < panel_tokens(work, panel); token++)
    for (unsigned row = 0; row < group_rows(piece, group); row++)
      store_sum(gemm, (work->first_token + panel * TOKENS + token) * gemm->out_stride + first_row + row,
                gemm->exponents ? gemm->exponents[first_row + row] : 0, &sums[token * ROWS + row]);
}

// Exact double sums, rounded once.
static void store_values(const struct work *work, const struct piece *piece, unsigned group, unsigned panel,
                         const double *values) {
  const struct xpu_gemm *gemm = work->gemm;
  const unsigned first_row = piece->first + group * ROWS;
  const int8_t *exponents = gemm->exponents ? gemm->exponents + first_row : NULL;
  for (unsigned token = 0; token < panel_tokens(work, panel); token++) {
    const size_t at = (work->first_token + panel * TOKENS + token) * gemm->out_stride + first_row;
    const double *row_values = values + token * ROWS;
    if (gemm->format == DUPLEX_RESULT_FORMAT_F16) {
      work->kernels->round_f16(row_values, exponents, group_rows(piece, group), (duplex_f16 *)gemm->out + at);
    } else {
      work->kernels->round_f32(row_values, exponents, group_rows(piece, group), (duplex_f32 *)gemm->out + at);
    }
  }
}

// Packs a chunk of a group; the rows with NaN or infinities come back.
static uint32_t pack_group(const struct work *work, const struct piece *piece, unsigned group, unsigned k,
                           double *panel) {
  const size_t stride = work->gemm->weights.stride;
  return xpu_pack_panel(piece->rows + group * ROWS * stride + k, stride, group_rows(piece, group),
                        chunk_columns(work->gemm, k), ROWS, panel);
}

// A block whose double sums are not exact. Its chunks of weights are packed anew: such blocks are rare.
static void add_split(const struct work *work, struct room *room, const struct piece *piece, unsigned group,
                      unsigned panel, struct duplex_sum *sums, struct xpu_gemm_tiers *tiers) {
  for (unsigned k = 0; k < work->gemm->columns; k += CHUNK) {
    pack_group(work, piece, group, k, room->weights);
    xpu_block_add(work->kernels, chunk_of(work, panel, k), room->weights, chunk_columns(work->gemm, k), sums,
                  tiers);
  }
}

// Rounds and stores a block whose chunks have all been added.
static void finish_block(const struct work *work, struct room *room, const struct piece *piece,
                         unsigned group, unsigned panel, struct xpu_gemm_tiers *tiers) {
  const size_t at = block_of(work, group, panel);
  const double *values = room->sums + at * BLOCK;
  const bool exact = room->exact[at];
  const bool special = work->x_special[panel] || piece->special[group];
  if (exact) {
    tiers->direct++;
  } else {
    tiers->split++;
  }
  if (exact && !special && work->gemm->format != DUPLEX_RESULT_FORMAT_ACC) {
    store_values(work, piece, group, panel, values);
    return;
  }
  struct duplex_sum sums[BLOCK] = {0};
  if (exact) {
    xpu_block_add_values(values, sums);
  } else {
    add_split(work, room, piece, group, panel, sums, tiers);
  }
  if (special) add_special(work, piece, group, panel, sums);
  store_sums(work, piece, group, panel, sums);
}

// Adds a chunk of all groups of a piece for a block of token panels.
static void add_chunk(const struct work *work, struct room *room, unsigned groups, unsigned first_panel,
                      unsigned k) {
  const unsigned last = duplex_smaller(first_panel + BLOCK_PANELS, work->panels);
  const unsigned columns = chunk_columns(work->gemm, k);
  for (unsigned group = 0; group < groups; group++)
    for (unsigned panel = first_panel; panel < last; panel++) {
      const size_t at = block_of(work, group, panel);
      if (room->exact[at])
        room->exact[at] = work->kernels->panel(chunk_of(work, panel, k), room->weights + group * CHUNK * ROWS,
                                               columns, room->sums + at * BLOCK);
    }
}

// All columns of a piece for few tokens.
static void add_rows(const struct work *work, struct room *room, struct piece *piece, unsigned groups) {
  const struct xpu_gemm *gemm = work->gemm;
  for (unsigned group = 0; group < groups; group++) {
    const size_t at = block_of(work, group, 0);
    room->exact[at] =
        work->rows(work->wide, work->wide_stride, gemm->tokens,
                   piece->rows + group * ROWS * gemm->weights.stride, gemm->weights.stride,
                   group_rows(piece, group), gemm->columns, room->sums + at * BLOCK, &piece->special[group]);
  }
}

static void clear_group(const struct work *work, struct room *room, unsigned group) {
  const size_t first = block_of(work, group, 0);
  memset(room->sums + first * BLOCK, 0, (size_t)work->panels * BLOCK * sizeof *room->sums);
  for (unsigned panel = 0; panel < work->panels; panel++) room->exact[first + panel] = true;
}

// One piece of the weight rows for all tokens of the pass.
static void do_piece(void *context, unsigned thread, size_t number) {
  struct work *work = context;
  const struct xpu_gemm *gemm = work->gemm;
  struct room *room = &work->rooms[thread];
  if (atomic_load(&work->error)) return;
  struct piece piece = {.first = (unsigned)number * PIECE_ROWS};
  piece.count = duplex_smaller(gemm->rows - piece.first, PIECE_ROWS);
  piece.rows = gemm->weights.rows(gemm->weights.context, piece.first, piece.count, room->rows);
  if (!piece.rows) {
    atomic_store(&work->error, DUPLEX_ERROR_IO);
    return;
  }
  const unsigned groups = (piece.count + ROWS - 1) / ROWS;
  for (unsigned group = 0; group < groups; group++) clear_group(work, room, group);
  if (work->rows) add_rows(work, room, &piece, groups);
  for (unsigned k = 0; k < gemm->columns && !work->rows; k += CHUNK) {
    for (unsigned group = 0; group < groups; group++)
      piece.special[group] |= pack_group(work, &piece, group, k, room->weights + group * CHUNK * ROWS);
    for (unsigned panel = 0; panel < work->panels; panel += BLOCK_PANELS)
      add_chunk(work, room, groups, panel, k);
  }
  for (unsigned group = 0; group < groups; group++)
    for (unsigned panel = 0; panel < work->panels; panel++)
      finish_block(work, room, &piece, group, panel, &work->tiers[thread]);
}

static void pack_tokens(void *context, unsigned thread, size_t panel) {
  (void)thread;
  struct work *work = context;
  const struct xpu_gemm *gemm = work->gemm;
  const duplex_f16 *x = gemm->x + (work->first_token + panel * TOKENS) * gemm->x_stride;
  work->x_special[panel] = 0;
  for (unsigned k = 0; k < gemm->columns; k += CHUNK)
    work->x_special[panel] |=
        xpu_pack_panel(x + k, gemm->x_stride, panel_tokens(work, (unsigned)panel), chunk_columns(gemm, k),
                       TOKENS, chunk_of(work, (unsigned)panel, k));
}

// The tokens once more, each by itself and NaN and infinities as zeros, for the kernel of few tokens.
static bool widen_tokens(struct work *work) {
  const struct xpu_gemm *gemm = work->gemm;
  work->wide_stride = (gemm->columns + XPU_ROW_STEP - 1) / XPU_ROW_STEP * XPU_ROW_STEP;
  work->wide = room_of(gemm->tokens * work->wide_stride * sizeof *work->wide);
  if (!work->wide) return false;
  memset(work->wide, 0, gemm->tokens * work->wide_stride * sizeof *work->wide);
  for (unsigned token = 0; token < gemm->tokens; token++)
    xpu_widen_row(gemm->x + token * gemm->x_stride, gemm->columns, work->wide + token * work->wide_stride);
  return true;
}

static bool make_room(const struct work *work, struct room *room) {
  const unsigned groups = duplex_smaller((work->gemm->rows + ROWS - 1) / ROWS, PIECE_GROUPS);
  const size_t blocks = (size_t)groups * work->most_panels;
  room->rows = room_of((size_t)work->gemm->columns * groups * ROWS * sizeof *room->rows);
  room->weights = room_of((size_t)CHUNK * (work->rows ? 1 : groups) * ROWS * sizeof *room->weights);
  room->sums = room_of(blocks * BLOCK * sizeof *room->sums);
  room->exact = room_of(blocks * sizeof *room->exact);
  return room->rows && room->weights && room->sums && room->exact;
}

static void free_room(struct room *room) {
  free(room->rows);
  free(room->weights);
  free(room->sums);
  free(room->exact);
}

// Rows and tokens that neither overflow nor overlap.
static bool has_legal_shape(const struct xpu_gemm *gemm) {
  return gemm->tokens && gemm->tokens <= MOST_ROWS && gemm->rows && gemm->rows <= MOST_ROWS &&
         gemm->columns && gemm->columns <= MOST_COLUMNS && gemm->out_stride >= gemm->rows &&
         gemm->x_stride >= gemm->columns && gemm->weights.stride >= gemm->columns;
}

static bool is_legal(const struct xpu_gemm *gemm) {
  return gemm && gemm->x && gemm->out && gemm->weights.rows && has_legal_shape(gemm) &&
         gemm->format <= DUPLEX_RESULT_FORMAT_ACC && (!gemm->add || gemm->format == DUPLEX_RESULT_FORMAT_ACC);
}

static void join_tiers(struct xpu_gemm_tiers *tiers, const struct xpu_gemm_tiers *parts, unsigned threads) {
  for (unsigned i = 0; tiers && i < threads; i++) {
    tiers->direct += parts[i].direct;
    tiers->split += parts[i].split;
    tiers->halved += parts[i].halved;
    tiers->plain += parts[i].plain;
  }
}

static void run_passes(struct work *work, unsigned threads, unsigned pieces) {
  const unsigned tokens = work->gemm->tokens;
  for (work->first_token = 0; work->first_token < tokens; work->first_token += PASS_PANELS * TOKENS) {
    work->panels = duplex_smaller((tokens - work->first_token + TOKENS - 1) / TOKENS, PASS_PANELS);
    xpu_parallel(threads, work->panels, pack_tokens, work);
    xpu_parallel(threads, pieces, do_piece, work);
  }
}

int xpu_gemm_run(const struct xpu_gemm *gemm, struct xpu_gemm_tiers *tiers) {
  if (!is_legal(gemm)) return DUPLEX_ERROR_ARGUMENT;
  const unsigned pieces = (gemm->rows + PIECE_ROWS - 1) / PIECE_ROWS;
  const unsigned threads = duplex_smaller(gemm->threads ? gemm->threads : 1, pieces);
  struct work work = {.gemm = gemm, .kernels = xpu_kernels()};
  work.most_panels = duplex_smaller((gemm->tokens + TOKENS - 1) / TOKENS, PASS_PANELS);
  work.tokens = room_of((size_t)work.most_panels * gemm->columns * TOKENS * sizeof *work.tokens);
  work.rooms = calloc(threads, sizeof *work.rooms);
  work.tiers = calloc(threads, sizeof *work.tiers);
  if (gemm->tokens <= TOKENS) work.rows = xpu_row_kernel_of(work.kernels);
  bool ready = work.tokens && work.rooms && work.tiers && (!work.rows || widen_tokens(&work));
  for (unsigned i = 0; ready && i < threads; i++) ready = make_room(&work, &work.rooms[i]);
  if (ready) {
    run_passes(&work, threads, pieces);
    join_tiers(tiers, work.tiers, threads);
  }
  for (unsigned i = 0; work.rooms && i < threads; i++) free_room(&work.rooms[i]);
  free(work.tokens);
  free(work.wide);
  free(work.rooms);
  free(work.tiers);
  return ready ? atomic_load(&work.error) : DUPLEX_ERROR_NO_MEMORY;
}

static const duplex_f16 *dense_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  (void)count;
  (void)room;
  const struct xpu_dense *dense = context;
  return dense->values + first * dense->stride;
}

struct duplex_xpu_weights xpu_dense_weights(const struct xpu_dense *dense) {
  return (struct duplex_xpu_weights){.rows = dense_rows, .context = (void *)dense, .stride = dense->stride};
}
