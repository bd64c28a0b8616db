// SPDX-License-Identifier: Apache-2.0
// Brings weight matrices into the order in which they stream.
#include <stdlib.h>
#include <string.h>

#include "driver/stack_error.h"
#include "driver/transfer.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

// What a matrix consists of: one source of rows, or gate and up in turn.
struct source {
  const duplex_f16 *even, *odd;  // odd: NULL if not gated
  const int8_t *exponents;
  size_t n, k;
  bool pair;  // a second one behind it
};

// A row of the matrix, or of the pair of matrices whose rows stand in turn.
static const duplex_f16 *row_of(const struct source *source, uint32_t row) {
  if (!source->odd) return source->even + (size_t)row * source->k;
  return (row & 1 ? source->odd : source->even) + (size_t)(row / 2) * source->k;
}

// 64 weights of a row from tile `tile` on as a beat; zeros behind the end of the row.
static void arrange_row(const duplex_f16 *from, size_t tile, size_t k, uint8_t *beat) {
  const size_t begin = tile * DUPLEX_WIDTH;
  const size_t left = k - begin;
  const size_t count = duplex_smaller(left, DUPLEX_WIDTH);
  memcpy(beat, from + begin, count * sizeof *from);
  memset(beat + count * sizeof *from, 0, DUPLEX_BEAT_BYTES - count * sizeof *from);
}

// Two streams: tiles 2 i and 2 i + 1 of matrix m lie in row set 2 i + m.
static uint8_t *place_of_tile(const struct weight_layout *layout, uint8_t *beats, uint32_t tile,
                              uint32_t rows, unsigned matrix) {
  const size_t tile_bytes = (size_t)rows * DUPLEX_BEAT_BYTES;
  if (!layout->two_streams) return beats + tile * tile_bytes;
  return beats + (size_t)(tile / 2 * 2 + matrix) * DUPLEX_ROW_SET_BYTES + tile % 2 * tile_bytes;
}

// One block as it streams; `block` has room for a whole one. Returns its bytes.
static size_t arrange_block(const struct weight_layout *layout, const struct source *source,
                            uint32_t first_row, uint32_t rows, uint8_t *block) {
  const size_t header = layout->exponents ? DUPLEX_BEAT_BYTES : 0;
  if (layout->two_streams) memset(block, 0, (size_t)layout->stride * DUPLEX_ROW_SET_BYTES);
  if (header) {
    memset(block, 0, header);
    memcpy(block, source->exponents + first_row, rows);
  }
  for (unsigned matrix = 0; matrix <= source->pair; matrix++)
    for (uint32_t row = 0; row < rows; row++) {
      const duplex_f16 *from = row_of(source, first_row + row) + matrix * source->n * source->k;
      for (uint32_t tile = 0; tile < layout->k_tiles; tile++)
        arrange_row(
            from, tile, source->k,
            place_of_tile(layout, block + header, tile, rows, matrix) + (size_t)row * DUPLEX_BEAT_BYTES);
    }
  return layout->two_streams ? (size_t)layout->stride * DUPLEX_ROW_SET_BYTES
                             : header + (size_t)rows * layout->k_tiles * DUPLEX_BEAT_BYTES;
}

// All blocks of one channel; `block` has room for one.
static int upload_channel(struct duplex_stack *stack, const struct duplex_weights *weights,
                          const struct source *source, unsigned channel, uint8_t *block) {
  const struct weight_layout *layout = &weights->layout;
  uint32_t first;
  const uint32_t rows = layout_channel_rows(layout, channel, &first);
  for (uint32_t done = 0, index = 0; done < rows; done += layout->block_rows, index++) {
    const uint32_t left = rows - done;
    const uint32_t count = (uint32_t)duplex_smaller(left, layout->block_rows);
    const size_t size = arrange_block(layout, source, first + done, count, block);
    const uint64_t offset = (uint64_t)index * layout->stride * DUPLEX_ROW_SET_BYTES;
    const int error = region_write(stack, channel, weights->region, offset, block, size);
    if (error) return error;
  }
  return DUPLEX_OK;
}

// Fills in the layout; DUPLEX_ERROR_ARGUMENT if the matrix does not fit the fields of a descriptor.
static int lay_out(struct duplex_stack *stack, const struct source *source, struct weight_layout *layout) {
  const size_t rows = source->odd ? 2 * source->n : source->n;
  *layout = (struct weight_layout){.rows = (uint32_t)rows,
                                   .gated = source->odd != NULL,
                                   .exponents = source->exponents != NULL,
                                   .two_streams = source->pair};
  if (rows <= UINT32_MAX && source->k <= UINT32_MAX &&
      weight_layout(layout, (uint32_t)source->k, stack->channels))
    return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%s matrix of %zu x %zu does not fit the stack",
                    source->pair ? "each" : "a", rows, source->k);
}

// A pair takes an even number of bundles, so that each matrix has bundles of its own.
static int take_space(struct duplex_stack *stack, const struct source *source,
                      const struct weight_layout *layout, struct region *region) {
  uint32_t stripe = stack->stripe;
  if (source->pair && __builtin_popcount(stripe) % 2) stripe &= stripe - 1;
  if (stripe == 0)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "a pair of matrices needs two bundles, there is one");
  if (space_take(stack->space, stripe, layout->row_sets, region)) return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE, "no room in the stack's DRAM for a matrix of %u x %zu",
                    layout->rows, source->k);
}

// Lays out, takes DRAM and brings the matrix there; on failure the DRAM is free again.
static int upload(struct duplex_stack *stack, const struct source *source, struct duplex_weights *weights) {
  struct weight_layout *layout = &weights->layout;
  int error = lay_out(stack, source, layout);
  if (!error) error = take_space(stack, source, layout, &weights->region);
  if (error) return error;
  uint8_t *block = malloc((size_t)layout->stride * DUPLEX_ROW_SET_BYTES);
  if (!block)
    error = stack_fail(stack, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host to arrange the weights");
  for (unsigned channel = 0; channel < stack->channels && !error; channel++)
    error = upload_channel(stack, weights, source, channel, block);
  free(block);
  if (error) space_give(stack->space, weights->region, layout->row_sets);
  return error;
}

// Memory for a matrix and its upload; with an error nothing is kept, and *weights is NULL.
static int upload_new(struct duplex_stack *stack, const struct source *source,
                      struct duplex_weights **weights) {
  *weights = NULL;
  struct duplex_weights *made = calloc(1, sizeof *made);
  if (!made) return stack_no_memory(stack);
  made->stack = stack;
  made->n = source->n;
  made->k = source->k;
  const int error = upload(stack, source, made);
  if (error) {
    free(made);
  } else {
    *weights = made;
  }
  return error;
}

int duplex_stack_upload(struct duplex_stack *stack, const duplex_f16 *w, size_t n, size_t k,
                        const int8_t *exponents, struct duplex_weights **weights) {
  return upload_new(stack, &(struct source){.even = w, .exponents = exponents, .n = n, .k = k}, weights);
}

int duplex_stack_upload_gated(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *up,
                              size_t n, size_t k, struct duplex_weights **weights) {
  return upload_new(stack, &(struct source){.even = gate, .odd = up, .n = n, .k = k}, weights);
}

int duplex_stack_upload_pair(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *w,
                             size_t n, size_t k, struct duplex_weights **weights) {
  const struct source source = {
      .even = gate ? gate : w, .odd = gate ? w : NULL, .n = n, .k = k, .pair = true};
  return upload_new(stack, &source, weights);
}

void duplex_stack_release(struct duplex_stack *stack, struct duplex_weights *weights) {
  (void)stack;  // they know where they are resident
  if (!weights) return;
  space_give(weights->stack->space, weights->region, weights->layout.row_sets);
  free(weights);
}
