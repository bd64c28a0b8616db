// SPDX-License-Identifier: Apache-2.0
// Sends the projections kernel a job and compares results and clocks with three gemm jobs.
// usage: projections [native|riscv] [cmodel|rtl] [CHANNELS] [FILE for the trace of the firmware]
#include "examples/projections/projections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/bundle_owner.h"
#include "driver/queue.h"
#include "driver/transfer.h"
#include "duplex/random.h"

enum { TOKENS = 8, K = 1024, TILE_BYTES = DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES };
static const uint32_t rows[PROJECTIONS_MOST] = {1024, 256, 256};

static int fail(const struct duplex_stack *stack, const char *what) {
  fprintf(stderr, "projections: %s: %s\n", what, stack ? duplex_stack_last_error(stack) : "");
  return 1;
}

static duplex_f16 *tensor(uint64_t stream, size_t count) {
  struct duplex_random random;
  duplex_f16 *values = malloc(count * sizeof *values);
  duplex_random_seed(&random, 1, stream);
  for (size_t i = 0; values && i < count; i++)
    values[i] = duplex_f16_from_double(0.1 * duplex_random_normal(&random));
  return values;
}

// Activations as a LOAD reads them (docs/architecture.md): tile t in channel t mod channels, 64 columns of 8
// lanes.
static int place_x(struct duplex_stack *stack, struct region region, const duplex_f16 *x) {
  for (uint32_t t = 0; t < K / DUPLEX_WIDTH; t++) {
    duplex_f16 tile[DUPLEX_WIDTH * DUPLEX_LANES];
    for (uint32_t i = 0; i < DUPLEX_WIDTH; i++)
      for (uint32_t lane = 0; lane < DUPLEX_LANES; lane++)
        tile[i * DUPLEX_LANES + lane] = x[lane * K + t * DUPLEX_WIDTH + i];
    const int error = region_write(stack, t % stack->channels, region,
                                   (uint64_t)(t / stack->channels) * TILE_BYTES, tile, sizeof tile);
    if (error) return error;
  }
  return 0;
}

// Results of one matrix: blocks of rows of 8 lanes.
static int fetch(struct duplex_stack *stack, const struct weight_layout *layout, struct region region,
                 duplex_f16 *y) {
  const uint32_t block_bytes =
      result_block_columns(layout, DUPLEX_RESULT_FORMAT_F16, 1) * DUPLEX_COLUMN_BYTES;
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    const uint32_t first = layout_row(layout, channel, 0);
    const uint32_t count = layout_channel_rows(layout, channel);
    for (uint32_t row = 0; row < count; row++) {
      duplex_f16 lanes[DUPLEX_LANES];
      const uint64_t at =
          (uint64_t)(row / layout->block_rows) * block_bytes + row % layout->block_rows * sizeof lanes;
      const int error = region_read(stack, channel, region, at, lanes, sizeof lanes);
      if (error) return error;
      for (uint32_t lane = 0; lane < DUPLEX_LANES; lane++) y[lane * layout->rows + first + row] = lanes[lane];
    }
  }
  return 0;
}

// Places x, sends the message, and fetches the results; *clocks: of the job.
static int project(struct duplex_stack *stack, struct duplex_weights *const w[], const duplex_f16 *x,
                   duplex_f16 *const y[], uint64_t *clocks) {
  struct projections_message m = {.count = PROJECTIONS_MOST, .format = DUPLEX_RESULT_FORMAT_F16};
  struct region place, results[PROJECTIONS_MOST];
  bool taken = space_take(stack->space, stack->bundles,
                          activation_row_sets(K / DUPLEX_WIDTH, stack->channels), &place);
  m.x = (struct region_words){place.base, place.stripe};
  for (uint32_t i = 0; i < PROJECTIONS_MOST; i++) {
    taken = taken && space_take(stack->space, stack->bundles,
                                result_row_sets(&w[i]->layout, DUPLEX_RESULT_FORMAT_F16, 1), &results[i]);
    m.weights[i] = (struct matrix_words){rows[i], K, 0, w[i]->region.base, w[i]->region.stripe};
    m.results[i] = (struct region_words){results[i].base, results[i].stripe};
  }
  uint32_t number;
  struct completion completion;
  int error = taken ? place_x(stack, place, x) : 1;
  if (!error) error = bundle_owner_set(stack, stack->bundles);
  const uint64_t before = stack->backend->ops->clocks(stack->backend);
  if (!error) error = queue_submit(stack, MESSAGE_USER, &m, sizeof m, &number);
  if (!error) error = queue_wait(stack, number, UINT64_MAX, &completion);
  *clocks = stack->backend->ops->clocks(stack->backend) - before;
  for (uint32_t i = 0; i < PROJECTIONS_MOST && !error; i++)
    error = fetch(stack, &w[i]->layout, results[i], y[i]);
  return error;
}

int main(int argc, char **argv) {
  const struct duplex_riscv_options riscv = {.trace_file = argc > 4 ? argv[4] : NULL};
  const struct duplex_stack_options options = {
      .backend = {.channels = argc > 3 ? (unsigned)atoi(argv[3]) : 8},
      .riscv = argc > 1 && strcmp(argv[1], "riscv") == 0 ? &riscv : NULL};
  struct duplex_stack *stack;
  struct duplex_weights *w[PROJECTIONS_MOST] = {NULL};
  duplex_f16 *y[PROJECTIONS_MOST], *expected[PROJECTIONS_MOST], *x = tensor(0, TOKENS * K);
  char text[512];
  uint64_t one = 0;
  uint64_t three = 0;
  if (duplex_stack_open(argc > 2 ? argv[2] : "cmodel", &options, &stack, text, sizeof text))
    return fputs(text, stderr), 1;
  for (uint32_t i = 0; i < PROJECTIONS_MOST; i++) {
    duplex_f16 *values = tensor(1 + i, (size_t)rows[i] * K);
    struct duplex_stack_stats stats;
    y[i] = calloc(TOKENS, rows[i] * sizeof **y), expected[i] = calloc(TOKENS, rows[i] * sizeof **y);
    if (!x || !values || !y[i] || !expected[i] ||
        duplex_stack_upload(stack, values, rows[i], K, NULL, &w[i]) ||
        duplex_stack_gemm(stack, w[i], x, TOKENS, DUPLEX_F16, expected[i]))
      return fail(stack, "gemm");
    duplex_stack_last_stats(stack, &stats);
    three += stats.cycles;
    free(values);
  }
  if (project(stack, w, x, y, &one)) return fail(stack, "projections");
  bool same = true;
  for (uint32_t i = 0; i < PROJECTIONS_MOST; i++) {
    same = same && memcmp(y[i], expected[i], TOKENS * rows[i] * sizeof **y) == 0;
    free(y[i]), free(expected[i]);
    duplex_stack_release(stack, w[i]);
  }
  if (duplex_stack_end_files(stack)) return fail(stack, "trace");
  printf("%s bytes; three gemm jobs %llu clocks, one projections job %llu\n", same ? "the same" : "DIFFERENT",
         (unsigned long long)three, (unsigned long long)one);
  free(x);
  duplex_stack_close(stack);
  return !same;
}
