// SPDX-License-Identifier: Apache-2.0
// Brings weight matrices into the order in which they stream.
#include "driver/upload.h"

#include <stdlib.h>
#include <string.h>

#include "driver/arguments.h"
#include "driver/job.h"
#include "driver/stack_error.h"
#include "driver/transfer.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

// A row of the matrix, or of the pair of matrices whose rows stand in turn.
static const duplex_f16 *row_of(const struct upload_source *source, uint32_t row) {
  if (!source->odd) return source->even + (size_t)row * source->stride;
  return (row & 1 ? source->odd : source->even) + (size_t)(row / 2) * source->stride;
}

// The exponent of such a row.
static int8_t exponent_of(const struct upload_source *source, uint32_t row) {
  const bool odd = source->odd && row & 1;
  const int8_t *exponents = odd ? source->odd_exponents : source->even_exponents;
  if (!exponents) return 0;
  return exponents[source->odd ? row / 2 : row];
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

// A row of one matrix of a pair in all tiles of a block of `rows` rows; its first beat is at `beats`. Behind
// the end of the matrix it is zeros.
static void arrange_tiles(const struct weight_layout *layout, const struct upload_source *source,
                          unsigned matrix, uint32_t of_matrix, uint32_t rows, uint8_t *beats) {
  const bool there = of_matrix < layout->rows;
  const duplex_f16 *from = there ? row_of(source, of_matrix) + matrix * source->n * source->k : NULL;
  for (uint32_t tile = 0; tile < layout->k_tiles; tile++) {
    uint8_t *beat = place_of_tile(layout, beats, tile, rows, matrix);
    if (there) {
      arrange_row(from, tile, source->k, beat);
    } else {
      memset(beat, 0, DUPLEX_BEAT_BYTES);
    }
  }
}

// One block of a channel, from its row `first` on, as it streams; `block` has room for a whole one. Returns
// its bytes.
static size_t arrange_block(const struct weight_layout *layout, const struct upload_source *source,
                            unsigned channel, uint32_t first, uint32_t rows, uint8_t *block) {
  const size_t header = layout_header(layout);
  if (layout->two_streams) memset(block, 0, (size_t)layout->stride * DUPLEX_ROW_SET_BYTES);
  if (header) {
    memset(block, 0, header);
    for (uint32_t row = 0; row < rows; row++) {
      const uint32_t of_matrix = layout_row(layout, channel, first + row);
      if (of_matrix < layout->rows) block[row] = (uint8_t)exponent_of(source, of_matrix);
    }
  }
  for (unsigned matrix = 0; matrix <= source->pair; matrix++)
    for (uint32_t row = 0; row < rows; row++)
      arrange_tiles(layout, source, matrix, layout_row(layout, channel, first + row), rows,
                    block + header + (size_t)row * DUPLEX_BEAT_BYTES);
  return layout->two_streams ? (size_t)layout->stride * DUPLEX_ROW_SET_BYTES
                             : header + (size_t)rows * layout->k_tiles * DUPLEX_BEAT_BYTES;
}

// All blocks of one channel; `block` has room for one.
static int upload_channel(struct duplex_stack *stack, const struct weight_layout *layout,
                          struct region region, const struct upload_source *source, unsigned channel,
                          uint8_t *block) {
  const uint32_t rows = layout_channel_rows(layout, channel);
  for (uint32_t done = 0, index = 0; done < rows; done += layout->block_rows, index++) {
    const uint32_t left = rows - done;
    const uint32_t count = (uint32_t)duplex_smaller(left, layout->block_rows);
    const size_t size = arrange_block(layout, source, channel, done, count, block);
    const uint64_t offset = (uint64_t)index * layout->stride * DUPLEX_ROW_SET_BYTES;
    const int error = region_write(stack, channel, region, offset, block, size);
    if (error) return error;
  }
  return DUPLEX_OK;
}

// Fills in the layout; DUPLEX_ERROR_ARGUMENT if the matrix does not fit the fields of a descriptor.
static int lay_out(struct duplex_stack *stack, const struct upload_source *source,
                   struct weight_layout *layout) {
  const size_t n = duplex_smaller(source->n, UINT32_MAX);  // more never fits
  const size_t rows = source->odd ? 2 * n : n;
  *layout = (struct weight_layout){.rows = (uint32_t)rows,
                                   .gated = source->odd != NULL,
                                   .exponents = source->even_exponents || source->odd_exponents,
                                   .two_streams = source->pair};
  if (rows <= UINT32_MAX && source->k <= UINT32_MAX &&
      weight_layout(layout, (uint32_t)source->k, stack->channels))
    return DUPLEX_OK;
  return stack_fail(
      stack, DUPLEX_ERROR_ARGUMENT,
      "%s matrix of %zu x %zu does not fit the stack: expected from 1 row on, as many as its DRAM "
      "holds, of 1 to %u",
      source->pair || source->odd ? "each" : "a", source->n, source->k,
      DUPLEX_K_TILES_MAX * DUPLEX_WIDTH / (source->pair ? 2 : 1));
}

// A pair takes an even number of bundles, so that each matrix has bundles of its own.
static int take_space(struct duplex_stack *stack, const struct upload_source *source,
                      const struct weight_layout *layout, struct region *region) {
  uint32_t stripe = stack->stripe;
  if (source->pair && __builtin_popcount(stripe) % 2) stripe &= stripe - 1;
  if (stripe == 0)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "a pair of matrices needs two bundles, there is one");
  if (space_take(stack->space, stripe, layout->row_sets, region)) return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE, "no room in the stack's DRAM for %s of %zu x %zu",
                    source->pair || source->odd ? "matrices" : "a matrix", source->n, source->k);
}

int upload_matrix(struct duplex_stack *stack, const struct weight_layout *layout, struct region region,
                  const struct upload_source *source) {
  int error = DUPLEX_OK;
  uint8_t *block = malloc((size_t)layout->stride * DUPLEX_ROW_SET_BYTES);
  if (!block)
    error = stack_fail(stack, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host to arrange the weights");
  for (unsigned channel = 0; channel < stack->channels && !error; channel++)
    error = upload_channel(stack, layout, region, source, channel, block);
  free(block);
  return error;
}

// Lays out, takes DRAM and brings the matrix there; on failure the DRAM is free again.
static int upload(struct duplex_stack *stack, const struct upload_source *source,
                  struct duplex_weights *weights) {
  struct weight_layout *layout = &weights->layout;
  int error = lay_out(stack, source, layout);
  if (!error) error = take_space(stack, source, layout, &weights->region);
  if (error) return error;
  error = upload_matrix(stack, layout, weights->region, source);
  if (error) space_give(stack->space, weights->region, layout->row_sets);
  return error;
}

// Memory for a matrix and its upload; with an error nothing is kept, and *weights is NULL. `even`, `odd`:
// what the caller calls them; odd may be NULL.
static int upload_new(struct duplex_stack *stack, const struct upload_source *source, const char *even,
                      const char *odd, struct duplex_weights **weights) {
  if (weights) *weights = NULL;
  int error = need(stack, "weights", weights);
  if (!error) error = need_f16(stack, even, source->even);
  if (!error && odd) error = need_f16(stack, odd, source->odd);
  if (error) return error;
  struct duplex_weights *made = handle_take(&stack->weights, sizeof *made);
  if (!made) return stack_no_memory(stack);
  made->n = source->n;
  made->k = source->k;
  error = upload(stack, source, made);
  if (error) {
    handle_retire(&stack->weights, made);
  } else {
    *weights = made;
  }
  return error;
}

int duplex_stack_upload(struct duplex_stack *stack, const duplex_f16 *w, size_t n, size_t k,
                        const int8_t *exponents, struct duplex_weights **weights) {
  return upload_new(
      stack, &(struct upload_source){.even = w, .even_exponents = exponents, .n = n, .k = k, .stride = k},
      "w", NULL, weights);
}

int duplex_stack_upload_gated(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *up,
                              size_t n, size_t k, const int8_t *gate_exponents, const int8_t *up_exponents,
                              struct duplex_weights **weights) {
  const struct upload_source source = {.even = gate,
                                       .odd = up,
                                       .even_exponents = gate_exponents,
                                       .odd_exponents = up_exponents,
                                       .n = n,
                                       .k = k,
                                       .stride = k};
  return upload_new(stack, &source, "gate", "up", weights);
}

int duplex_stack_upload_pair(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *w,
                             size_t n, size_t k, struct duplex_weights **weights) {
  const struct upload_source source = {
      .even = gate ? gate : w, .odd = gate ? w : NULL, .n = n, .k = k, .stride = k, .pair = true};
  return upload_new(stack, &source, gate ? "gate" : "w", gate ? "w" : NULL, weights);
}

int duplex_stack_release(struct duplex_stack *stack, struct duplex_weights *weights) {
  if (!weights) return DUPLEX_OK;
  const int error = need_weights(stack, "weights", weights);
  if (error) return error;
  if (job_uses(stack, weights))
    return stack_fail(stack, DUPLEX_ERROR_BUSY,
                      "a job that uses the weights is in flight: wait for it first");
  space_give(stack->space, weights->region, weights->layout.row_sets);
  handle_retire(&stack->weights, weights);
  return DUPLEX_OK;
}
