// SPDX-License-Identifier: Apache-2.0
// The parts of a dense FFN: an expert for each, their exact sums, and what rounded sums would give.
#include "model/network_split.h"

#include <stdlib.h>

#include "duplex/arithmetic.h"
#include "xpu/combine.h"
#include "xpu/partials.h"

#define SUM_BYTES 16u
#define ONE 0x3f800000u  // of binary32

// A matrix from one of its rows and columns on.
struct lower_right {
  const struct duplex_xpu_weights *whole;
  unsigned row, column;
};

static const duplex_f16 *lower_right_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  const struct lower_right *part = context;
  const duplex_f16 *rows = part->whole->rows(part->whole->context, part->row + first, count, room);
  return rows ? rows + part->column : NULL;
}

struct split {
  struct network *network;
  const struct duplex_xpu_expert *expert;
  size_t values;         // of the result
  uint8_t *sums, *part;  // exact: of the parts so far, and of one
  duplex_f32 *y;         // of one part, rounded
  struct xpu_combine combine;
  uint32_t *tokens;    // 0, 1, ...
  duplex_f32 *ones;    // their weights
  duplex_f16 *narrow;  // what an MoE layer would give
};

static bool take(struct split *split) {
  const struct duplex_xpu_expert *expert = split->expert;
  split->sums = calloc(split->values, SUM_BYTES);
  split->part = malloc(split->values * SUM_BYTES);
  split->y = malloc(split->values * sizeof *split->y);
  split->tokens = malloc(expert->tokens * sizeof *split->tokens);
  split->ones = malloc(expert->tokens * sizeof *split->ones);
  split->combine =
      (struct xpu_combine){malloc(split->values * sizeof *split->combine.sums), expert->columns,
                           expert->tokens, expert->columns, split->network->options.device.threads};
  split->narrow = malloc(split->values * sizeof *split->narrow);
  return split->sums && split->part && split->y && split->tokens && split->ones && split->combine.sums &&
         split->narrow;
}

static void give_back(struct split *split) {
  free(split->sums);
  free(split->part);
  free(split->y);
  free(split->tokens);
  free(split->ones);
  free(split->combine.sums);
  free(split->narrow);
}

// The exact sums of the inner columns first to end - 1, to split->part.
static int run_part(struct split *split, unsigned first, unsigned end) {
  const struct duplex_xpu_expert *whole = split->expert;
  struct lower_right gate = {&whole->gate, first, 0};
  struct lower_right up = {&whole->up, first, 0};
  struct lower_right down = {&whole->down, 0, first};
  struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT, .expert = *whole};
  work.expert.inner = end - first;
  work.expert.gate = (struct duplex_xpu_weights){lower_right_rows, &gate, whole->gate.stride};
  work.expert.up = (struct duplex_xpu_weights){lower_right_rows, &up, whole->up.stride};
  work.expert.down = (struct duplex_xpu_weights){lower_right_rows, &down, whole->down.stride};
  work.expert.gate_exponents = whole->gate_exponents + first;
  work.expert.up_exponents = whole->up_exponents + first;
  work.expert.format = DUPLEX_RESULT_FORMAT_ACC;
  work.expert.out = split->part;
  work.expert.out_stride = whole->columns;
  return network_work(split->network, &work);
}

// y = RN32(2^e * sums)
static int round_sums(const struct split *split, const uint8_t *sums, duplex_f32 *y, size_t y_stride) {
  const struct duplex_xpu_expert *expert = split->expert;
  const struct xpu_partials partials = {.sources = (const void *const[]){sums},
                                        .count = 1,
                                        .stride = expert->columns,
                                        .tokens = expert->tokens,
                                        .columns = expert->columns,
                                        .format = DUPLEX_RESULT_FORMAT_ACC,
                                        .exponents = expert->down_exponents,
                                        .y = y,
                                        .y_stride = y_stride,
                                        .threads = split->network->options.device.threads};
  return xpu_join_partials(&partials);
}

// Runs all parts: adds their exact sums, and beside these their rounded ones, to compare.
static int run_parts(struct split *split) {
  const struct duplex_xpu_expert *expert = split->expert;
  const unsigned parts = split->network->options.split_ffn;
  for (unsigned i = 0; i < expert->tokens; i++) {
    split->tokens[i] = i;
    split->ones[i] = ONE;
  }
  xpu_combine_begin(&split->combine);
  int error = DUPLEX_OK;
  for (unsigned part = 0; part < parts && !error; part++) {
    const unsigned first = (unsigned)((uint64_t)expert->inner * part / parts);
    const unsigned end = (unsigned)((uint64_t)expert->inner * (part + 1) / parts);
    error = run_part(split, first, end);
    if (error) break;
    xpu_add_sums(split->sums, split->part, split->values);
    error = round_sums(split, split->part, split->y, expert->columns);
    xpu_combine_add(&split->combine, split->tokens, split->ones, expert->tokens, split->y, expert->columns);
  }
  return error;
}

static void count_changes(const struct split *split) {
  const struct duplex_xpu_expert *expert = split->expert;
  struct network_statistics *statistics = &split->network->statistics;
  xpu_combine_finish(&split->combine, split->narrow, expert->columns);
  for (unsigned token = 0; token < expert->tokens; token++)
    for (unsigned i = 0; i < expert->columns; i++) {
      const size_t at = (size_t)token * expert->columns + i;
      const duplex_f32 exact = ((const duplex_f32 *)expert->out)[token * expert->out_stride + i];
      statistics->split_outputs++;
      statistics->split_changed_f32 += exact != split->combine.sums[at];
      statistics->split_changed_f16 += duplex_f16_from_f32(exact) != split->narrow[at];
    }
}

int network_split_ffn(struct network *network, const struct duplex_xpu_expert *expert) {
  struct split split = {
      .network = network, .expert = expert, .values = (size_t)expert->tokens * expert->columns};
  int error = take(&split) ? run_parts(&split) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = round_sums(&split, split.sums, expert->out, expert->out_stride);
  if (!error) count_changes(&split);
  give_back(&split);
  return error;
}
