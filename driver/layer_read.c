// SPDX-License-Identifier: Apache-2.0
// The weights of a layer as the xPU reads them: where its share lies, and its values.
#include <stdlib.h>
#include <string.h>

#include "driver/arguments.h"
#include "driver/layer.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "duplex/geometry.h"

// A run of row sets with a matrix in it.
struct resident {
  const struct weight_layout *layout;
  struct region region;
};

// Rows of a block of a channel that has so many rows.
static uint32_t block_rows(const struct weight_layout *layout, uint32_t rows, uint32_t block) {
  const uint32_t left = rows - block * layout->block_rows;
  return (uint32_t)duplex_smaller(left, layout->block_rows);
}

// Bytes of a resident matrix, row set by row set: visit gets each run.
static int for_each_run(const struct resident *from, uint32_t block, uint32_t begin, uint32_t end,
                        int (*visit)(void *context, uint64_t address, uint32_t at, uint32_t bytes),
                        void *context) {
  for (uint32_t at = begin; at < end;) {
    const uint32_t room = DUPLEX_ROW_SET_BYTES - at % DUPLEX_ROW_SET_BYTES;
    const uint32_t bytes = (uint32_t)duplex_smaller(end - at, room);
    const uint64_t offset = (uint64_t)block * from->layout->stride * DUPLEX_ROW_SET_BYTES + at;
    const int error = visit(context, space_address(from->region, offset), at, bytes);
    if (error) return error;
    at += bytes;
  }
  return DUPLEX_OK;
}

// What duplex_layer_ranges' caller gets, of one channel.
struct listing {
  unsigned channel;
  int (*visit)(void *context, unsigned channel, uint64_t address, size_t bytes);
  void *context;
};

static int list_run(void *context, uint64_t address, uint32_t at, uint32_t bytes) {
  const struct listing *listing = context;
  (void)at;
  return listing->visit(listing->context, listing->channel, address, bytes);
}

// Of one block with so many rows, those from `row` on in the k-tiles from `tile` on, and the exponents before
// them.
static int list_block(const struct resident *from, uint32_t block, uint32_t rows, uint32_t tile, uint32_t row,
                      struct listing *listing) {
  const uint32_t header = layout_header(from->layout);
  const uint32_t tile_bytes = rows * DUPLEX_BEAT_BYTES;
  const uint32_t end = header + from->layout->k_tiles * tile_bytes;
  if (tile == 0 && row == 0) return for_each_run(from, block, 0, end, list_run, listing);
  int error = for_each_run(from, block, 0, header, list_run, listing);
  if (row == 0 && !error)
    return for_each_run(from, block, header + tile * tile_bytes, end, list_run, listing);
  for (uint32_t at = header + tile * tile_bytes; at < end && !error; at += tile_bytes)
    error = for_each_run(from, block, at + row * DUPLEX_BEAT_BYTES, at + tile_bytes, list_run, listing);
  return error;
}

// All channels: of each its rows from `row` on, in the k-tiles from `tile` on.
static int list_matrix(const struct duplex_layer *layer, const struct resident *from, uint32_t tile,
                       uint32_t row, struct listing *listing) {
  const struct weight_layout *layout = from->layout;
  int error = DUPLEX_OK;
  for (listing->channel = 0; listing->channel < layer->stack->channels && !error; listing->channel++) {
    const uint32_t rows = layout_channel_rows(layout, listing->channel);
    for (uint32_t block = row / layout->block_rows; block * layout->block_rows < rows && !error; block++) {
      const uint32_t before = block * layout->block_rows;
      error = list_block(from, block, block_rows(layout, rows, block), tile, row > before ? row - before : 0,
                         listing);
    }
  }
  return error;
}

// The piece is there, and it has a part `part` or ends before it.
static int check_place(const struct duplex_layer *layer, unsigned expert, unsigned piece) {
  int error = need_layer(layer);
  if (!error) error = need_piece(layer, piece);
  if (error) return error;
  if (expert < layer->experts && layer_place(layer, expert, piece)->there) return DUPLEX_OK;
  return stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT, "piece %u of expert %u was not loaded", piece,
                    expert);
}

// A matrix of gate and up, where the expert has it.
static struct resident resident_up(const struct duplex_layer *layer, unsigned expert, unsigned piece,
                                   uint32_t matrix) {
  const struct layer_piece *shape = &layer->piece[piece];
  struct resident from = {&shape->up[matrix], layer_place(layer, expert, piece)->up};
  for (uint32_t i = 0; i < matrix; i++) from.region.base += shape->up[i].row_sets;
  return from;
}

static struct resident resident_down(const struct duplex_layer *layer, unsigned expert, unsigned piece) {
  return (struct resident){&layer->piece[piece].down, layer_place(layer, expert, piece)->down};
}

int duplex_layer_ranges(struct duplex_layer *layer, unsigned expert, unsigned piece, unsigned cut,
                        int (*visit)(void *context, unsigned channel, uint64_t address, size_t bytes),
                        void *context) {
  int error = check_place(layer, expert, piece);
  if (error) return error;
  const struct layer_piece *shape = &layer->piece[piece];
  if (!visit || cut > shape->parts)
    return stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT, "cut %u: expected at most %u, and a function", cut,
                      shape->parts);
  struct listing listing = {.visit = visit, .context = context};
  const uint32_t inner = layer_inner_before(shape, cut);
  const uint32_t rows = shape->joined ? layout_rows_of_columns(shape->up, inner) : 0;
  if (cut == shape->parts) return DUPLEX_OK;
  for (uint32_t matrix = shape->joined ? 0 : cut; matrix < shape->matrices && !error; matrix++) {
    const struct resident from = resident_up(layer, expert, piece, matrix);
    error = list_matrix(layer, &from, 0, rows, &listing);
  }
  if (error || layer->products) return error;
  const struct resident down = resident_down(layer, expert, piece);
  return list_matrix(layer, &down, inner / DUPLEX_WIDTH, 0, &listing);
}

// A block of values that the xPU wants, and where it goes.
struct reading {
  struct duplex_stack *stack;
  unsigned channel;
  uint8_t *bytes;  // of a block of the matrix
};

static int read_run(void *context, uint64_t address, uint32_t at, uint32_t bytes) {
  const struct reading *reading = context;
  struct duplex_backend *backend = reading->stack->backend;
  return backend->ops->mem_read(backend, reading->channel, address, reading->bytes + at, bytes);
}

// What is asked of a matrix: rows in units of its own, `unit` of them to one of the caller's, which is number
// `odd` of these.
struct request {
  uint32_t first, count, unit, odd;  // rows of the caller in this matrix
  size_t first_column, columns, stride;
  duplex_f16 *out;
  int8_t *exponents;
};

// The columns of one row of a block that was read.
static void copy_row(const struct request *request, const uint8_t *block, uint32_t header, uint32_t rows,
                     uint32_t row, duplex_f16 *out) {
  for (size_t done = 0; done < request->columns;) {
    const size_t column = request->first_column + done;
    const size_t left = request->columns - done;
    const size_t in_tile = DUPLEX_WIDTH - column % DUPLEX_WIDTH;
    const size_t count = duplex_smaller(left, in_tile);
    const size_t beat = column / DUPLEX_WIDTH * rows + row;
    memcpy(out + done, block + header + beat * DUPLEX_BEAT_BYTES + column % DUPLEX_WIDTH * sizeof *out,
           count * sizeof *out);
    done += count;
  }
}

// The rows of a block of a channel that were asked for; `first`: of the block in the channel.
static void copy_block(const struct request *request, const struct weight_layout *layout, unsigned channel,
                       const uint8_t *block, uint32_t first, uint32_t rows) {
  const uint32_t header = layout_header(layout);
  for (uint32_t row = request->odd; row < rows; row += request->unit) {
    const uint32_t own = layout_row(layout, channel, first + row) / request->unit;
    if (own < request->first || own >= request->first + request->count) continue;
    const size_t to = own - request->first;
    copy_row(request, block, header, rows, row, request->out + to * request->stride);
    if (request->exponents) request->exponents[to] = header ? (int8_t)block[row] : 0;
  }
}

// The part of one block that holds the request.
static int read_block(struct reading *reading, const struct resident *from, const struct request *request,
                      uint32_t block, uint32_t first, uint32_t rows) {
  const uint32_t header = layout_header(from->layout);
  const uint32_t tile_bytes = rows * DUPLEX_BEAT_BYTES;
  const uint32_t begin = header + (uint32_t)(request->first_column / DUPLEX_WIDTH) * tile_bytes;
  const uint32_t end =
      header +
      duplex_divide_up((uint32_t)(request->first_column + request->columns), DUPLEX_WIDTH) * tile_bytes;
  int error = header ? for_each_run(from, block, 0, header, read_run, reading) : DUPLEX_OK;
  if (!error) error = for_each_run(from, block, begin, end, read_run, reading);
  if (error)
    return stack_fail(reading->stack, error, "reading weights of channel %u: %s", reading->channel,
                      stack_cause(reading->stack, error));
  copy_block(request, from->layout, reading->channel, reading->bytes, first, rows);
  return DUPLEX_OK;
}

// Every block of every channel that has rows of the request.
static int read_matrix(struct reading *reading, const struct resident *from, const struct request *request) {
  const struct weight_layout *layout = from->layout;
  const uint32_t begin = request->first * request->unit;
  const uint32_t end = (request->first + request->count) * request->unit;
  for (reading->channel = 0; reading->channel < reading->stack->channels; reading->channel++) {
    const uint32_t rows = layout_channel_rows(layout, reading->channel);
    for (uint32_t block = 0; block * layout->block_rows < rows; block++) {
      const uint32_t of_block = block_rows(layout, rows, block);
      const uint32_t row = block * layout->block_rows;
      if (layout_row(layout, reading->channel, row) >= end ||
          layout_row(layout, reading->channel, row + of_block - 1) < begin)
        continue;
      const int error = read_block(reading, from, request, block, row, of_block);
      if (error) return error;
    }
  }
  return DUPLEX_OK;
}

// Rows of gate or up, which may lie in several matrices.
static int read_up(struct reading *reading, const struct duplex_layer *layer, unsigned expert, unsigned piece,
                   struct request request) {
  const struct layer_piece *shape = &layer->piece[piece];
  const uint32_t end = request.first + request.count;
  uint32_t before = 0;
  for (uint32_t matrix = 0; matrix < shape->matrices && before < end; matrix++) {
    const uint32_t first = before;
    before += shape->up[matrix].rows / request.unit;
    if (before <= request.first) continue;
    const uint32_t stop = (uint32_t)duplex_smaller(end, before);
    struct request of_matrix = request;
    of_matrix.first = request.first - first;
    of_matrix.count = stop - request.first;
    const struct resident from = resident_up(layer, expert, piece, matrix);
    const int error = read_matrix(reading, &from, &of_matrix);
    if (error) return error;
    request.out += of_matrix.count * request.stride;
    if (request.exponents) request.exponents += of_matrix.count;
    request.first = stop;
  }
  return DUPLEX_OK;
}

// Bytes of the largest block of a piece.
static size_t largest_block(const struct layer_piece *piece) {
  uint32_t row_sets = piece->down.stride;
  for (uint32_t matrix = 0; matrix < piece->matrices; matrix++)
    if (piece->up[matrix].stride > row_sets) row_sets = piece->up[matrix].stride;
  return (size_t)row_sets * DUPLEX_ROW_SET_BYTES;
}

int duplex_layer_read(struct duplex_layer *layer, unsigned expert, unsigned piece,
                      enum duplex_layer_matrix matrix, size_t first_row, size_t rows, size_t first_column,
                      size_t columns, duplex_f16 *out, size_t stride, int8_t *exponents) {
  int error = check_place(layer, expert, piece);
  if (!error) error = need_f16(layer->stack, "out", out);
  if (error) return error;
  const struct layer_piece *shape = &layer->piece[piece];
  const bool down = matrix == DUPLEX_LAYER_DOWN;
  const size_t all_rows = down ? layer->hidden : shape->inner;
  const size_t all_columns = down ? shape->inner : layer->hidden;
  if ((unsigned)matrix > DUPLEX_LAYER_DOWN || (matrix == DUPLEX_LAYER_GATE && !layer->gated) ||
      (down && layer->products) || first_row > all_rows || rows > all_rows - first_row ||
      first_column > all_columns || columns > all_columns - first_column || (stride && stride < columns))
    return stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT,
                      "rows %zu + %zu, columns %zu + %zu of matrix %d: expected some of %zu x %zu", first_row,
                      rows, first_column, columns, (int)matrix, all_rows, all_columns);
  if (rows == 0 || (columns == 0 && !exponents)) return DUPLEX_OK;
  struct reading reading = {.stack = layer->stack, .bytes = malloc(largest_block(shape))};
  if (!reading.bytes) return stack_no_memory(layer->stack);
  const struct request request = {.first = (uint32_t)first_row,
                                  .count = (uint32_t)rows,
                                  .unit = !down && layer->gated ? 2 : 1,
                                  .odd = matrix == DUPLEX_LAYER_UP && layer->gated,
                                  .first_column = first_column,
                                  .columns = columns,
                                  .stride = stride ? stride : columns,
                                  .out = out,
                                  .exponents = exponents};
  const struct resident from = resident_down(layer, expert, piece);
  error = down ? read_matrix(&reading, &from, &request) : read_up(&reading, layer, expert, piece, request);
  free(reading.bytes);
  return error;
}
