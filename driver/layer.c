// SPDX-License-Identifier: Apache-2.0
// Layers: their shape, and the DRAM and weights of their experts.
#include "driver/layer.h"

#include <stdlib.h>

#include "driver/arguments.h"
#include "driver/job.h"
#include "driver/stack_error.h"
#include "driver/upload.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

_Static_assert(DUPLEX_LAYER_EXPERTS == PROTOCOL_LAYER_EXPERTS && DUPLEX_LAYER_PARTS == LAYER_PARTS &&
                   DUPLEX_LAYER_PIECES == PROTOCOL_LAYER_PIECES,
               "the firmware's limits");

#define INNER_MOST (DUPLEX_K_TILES_MAX * DUPLEX_WIDTH)

int need_layer(const struct duplex_layer *layer) {
  if (!layer) return DUPLEX_ERROR_ARGUMENT;
  const int error = need_process(layer->stack);
  if (error) return error;
  return layer->handle.live ? DUPLEX_OK
                            : stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT, "the layer is closed");
}

int need_piece(const struct duplex_layer *layer, unsigned piece) {
  if (piece < layer->pieces && layer->piece[piece].parts) return DUPLEX_OK;
  return stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT, "piece %u of a layer: there is none, or it is empty",
                    piece);
}

struct layer_place *layer_place(const struct duplex_layer *layer, unsigned expert, unsigned piece) {
  return &layer->places[piece * layer->experts + expert];
}

// The numbers of all pieces together.
static int check_options(struct duplex_stack *stack, const struct duplex_layer_options *options) {
  if (options->experts < 1 || options->experts > DUPLEX_LAYER_EXPERTS)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%u experts: expected 1 to %u", options->experts,
                      DUPLEX_LAYER_EXPERTS);
  if (options->hidden < 1 || options->hidden > INNER_MOST)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "hidden size %zu: expected 1 to %d", options->hidden,
                      INNER_MOST);
  return DUPLEX_OK;
}

// A matrix of gate and up of a piece, behind those that are there, with so many rows of h.
static int lay_out_up(struct duplex_stack *stack, const struct duplex_layer_options *options,
                      struct layer_piece *piece, uint32_t inner) {
  struct weight_layout *layout = &piece->up[piece->matrices++];
  *layout = (struct weight_layout){.rows = inner * (options->gated ? 2 : 1),
                                   .gated = options->gated,
                                   .exponents = options->up_exponents,
                                   .interleaved = piece->joined};
  if (!weight_layout(layout, (uint32_t)options->hidden, stack->channels))
    return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE,
                      "no room for %s of %u x %zu: it is larger than the stack's DRAM",
                      piece->joined ? "gate and up" : "a part", inner, options->hidden);
  piece->up_row_sets += layout->row_sets;
  if (options->products) piece->product_row_sets += layer_product_row_sets(layout, (uint32_t)options->hidden);
  return DUPLEX_OK;
}

// The part of a piece that begins at inner row piece->inner.
static int lay_out_part(struct duplex_stack *stack, const struct duplex_layer_options *options,
                        struct layer_piece *piece, uint32_t part, size_t inner) {
  const uint32_t unit = 2 * stack->channels;  // so that a joined part begins with words of its own
  if (inner < 1 || inner > INNER_MOST - piece->inner)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "part %u of a piece with inner size %zu: expected from 1 on, at most %d in all", part,
                      inner, INNER_MOST);
  if (piece->joined && piece->inner % unit)
    return stack_fail(
        stack, DUPLEX_ERROR_ARGUMENT,
        "joined part %u of a piece begins at inner row %u: expected a multiple of %u, twice the "
        "channels",
        part, piece->inner, unit);
  piece->inner_of[part] = (uint32_t)inner;
  piece->inner += (uint32_t)inner;
  return piece->joined ? DUPLEX_OK : lay_out_up(stack, options, piece, (uint32_t)inner);
}

// Gate and up of all parts of a joined piece. h of rows behind their end has to fit the shared buffer too.
static int lay_out_joined(struct duplex_stack *stack, const struct duplex_layer_options *options,
                          struct layer_piece *piece) {
  const int error = lay_out_up(stack, options, piece, piece->inner);
  if (error || options->products || layout_columns(piece->up) <= INNER_MOST) return error;
  return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                    "joined parts of inner size %u, %u with the rows that fill all channels: expected at "
                    "most %d",
                    piece->inner, layout_columns(piece->up), INNER_MOST);
}

// The down matrix of a piece whose parts are laid out.
static int lay_out_down(struct duplex_stack *stack, const struct duplex_layer_options *options,
                        struct layer_piece *piece) {
  piece->down =
      (struct weight_layout){.rows = (uint32_t)options->hidden, .exponents = options->down_exponents};
  if (weight_layout(&piece->down, piece->inner, stack->channels)) return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE,
                    "no room for a down matrix of %zu x %u: it is larger than the stack's DRAM",
                    options->hidden, piece->inner);
}

// A piece with parts: their layouts, and that of down or of the results.
static int lay_out_piece(struct duplex_stack *stack, const struct duplex_layer_options *options,
                         const struct duplex_layer_piece *from, struct layer_piece *piece) {
  piece->stripe = from->bundles;
  piece->parts = from->parts;
  piece->joined = from->joined;
  piece->read_only = from->read_only;
  if (from->bundles == 0 || from->bundles & ~stack->bundles || from->parts > LAYER_PARTS)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "a piece in bundles 0x%x with %u parts: expected some of 0x%x, and at most %u",
                      from->bundles, from->parts, stack->bundles, LAYER_PARTS);
  int error = DUPLEX_OK;
  for (uint32_t part = 0; part < from->parts && !error; part++)
    error = lay_out_part(stack, options, piece, part, from->inner[part]);
  if (!error && piece->joined) error = lay_out_joined(stack, options, piece);
  return error || options->products ? error : lay_out_down(stack, options, piece);
}

uint32_t layer_inner_before(const struct layer_piece *piece, uint32_t cut) {
  uint32_t inner = 0;
  for (uint32_t part = 0; part < cut; part++) inner += piece->inner_of[part];
  return inner;
}

// Rows of each channel that a cut of a joined piece has.
static uint32_t rows_of_cut(const struct layer_piece *piece, uint32_t cut) {
  return layout_rows_of_columns(piece->up, layer_inner_before(piece, cut));
}

uint32_t layer_streams(const struct layer_piece *piece, uint32_t cut) {
  return piece->joined && cut ? layout_runs(piece->up, rows_of_cut(piece, cut)) : cut;
}

struct weight_layout layer_stream(const struct layer_piece *piece, uint32_t cut, uint32_t index) {
  struct weight_layout stream = piece->up[piece->joined ? 0 : index];
  if (piece->joined) layout_run(piece->up, rows_of_cut(piece, cut), index, &stream);
  return stream;
}

size_t layer_result_columns(const struct duplex_layer *layer, unsigned piece) {
  if (!layer->products) return layer->hidden;
  return (size_t)layer->piece[piece].inner * (layer->gated ? 2 : 1);
}

// Fills in a layer without experts.
static int describe(struct duplex_layer *layer, const struct duplex_layer_options *options) {
  layer->experts = options->experts;
  layer->pieces = DUPLEX_LAYER_PIECES;
  layer->hidden = (uint32_t)options->hidden;
  layer->gated = options->gated;
  layer->up_exponents = options->up_exponents;
  layer->down_exponents = options->down_exponents;
  layer->products = options->products;
  layer->rounded = options->rounded;
  for (unsigned i = 0; i < layer->pieces; i++) {
    if (!options->piece[i].parts) continue;
    const int error = lay_out_piece(layer->stack, options, &options->piece[i], &layer->piece[i]);
    if (error) return error;
  }
  while (layer->pieces > 1 && !layer->piece[layer->pieces - 1].parts) layer->pieces--;
  layer->places = calloc((size_t)layer->pieces * layer->experts, sizeof *layer->places);
  return layer->places ? DUPLEX_OK : stack_no_memory(layer->stack);
}

int duplex_stack_open_layer(struct duplex_stack *stack, const struct duplex_layer_options *options,
                            struct duplex_layer **layer) {
  if (layer) *layer = NULL;
  int error = need(stack, "layer", layer);
  if (!error) error = need(stack, "options", options);
  if (!error) error = check_options(stack, options);
  if (error) return error;
  struct duplex_layer *made = handle_take(&stack->layers, sizeof *made);
  if (!made) return stack_no_memory(stack);
  made->stack = stack;
  error = describe(made, options);
  if (error) {
    handle_retire(&stack->layers, made);
  } else {
    *layer = made;
  }
  return error;
}

// The DRAM of one piece of an expert is free again.
static void give_place(struct duplex_layer *layer, unsigned piece, struct layer_place *place) {
  if (place->up.stripe) space_give(layer->stack->space, place->up, layer->piece[piece].up_row_sets);
  if (place->down.stripe) space_give(layer->stack->space, place->down, layer->piece[piece].down.row_sets);
  *place = (struct layer_place){0};
}

// No job of the layer may be in flight.
static int need_idle(const struct duplex_layer *layer) {
  if (!job_uses_layer(layer->stack, layer)) return DUPLEX_OK;
  return stack_fail(layer->stack, DUPLEX_ERROR_BUSY, "a job of the layer is in flight: wait for it first");
}

int duplex_layer_close(struct duplex_layer *layer) {
  if (!layer) return DUPLEX_OK;
  int error = need_layer(layer);
  if (!error) error = need_idle(layer);
  if (error) return error;
  for (unsigned piece = 0; piece < layer->pieces; piece++)
    for (unsigned expert = 0; expert < layer->experts; expert++)
      give_place(layer, piece, layer_place(layer, expert, piece));
  layer_forget(layer);
  free(layer->places);
  handle_retire(&layer->stack->layers, layer);
  return DUPLEX_OK;
}

uint64_t layer_piece_row_sets(const struct duplex_layer *layer, unsigned piece) {
  const struct layer_piece *shape = &layer->piece[piece];
  return (uint64_t)space_whole_rows(shape->stripe, shape->up_row_sets) +
         space_whole_rows(shape->stripe, layer->products ? 0 : shape->down.row_sets);
}

uint64_t layer_taken_row_sets(const struct duplex_layer *layer) {
  uint64_t sum = 0;
  for (unsigned piece = 0; piece < layer->pieces; piece++)
    for (unsigned expert = 0; expert < layer->experts; expert++)
      if (layer_place(layer, expert, piece)->there) sum += layer_piece_row_sets(layer, piece);
  return sum;
}

bool layer_take_place(const struct duplex_layer *layer, unsigned piece, uint32_t stripe, struct space *space,
                      struct layer_place *place) {
  const struct layer_piece *shape = &layer->piece[piece];
  return space_take_next(space, stripe, shape->up_row_sets, &place->up) &&
         (layer->products || space_take_next(space, stripe, shape->down.row_sets, &place->down));
}

int layer_no_room(const struct duplex_layer *layer, unsigned expert, unsigned piece, uint32_t stripe,
                  const struct space *space) {
  const struct layer_piece *shape = &layer->piece[piece];
  return stack_fail(
      layer->stack, DUPLEX_ERROR_OUT_OF_SPACE,
      "no room for expert %u in bundles 0x%x of the stack's DRAM: it needs runs of %u and %u row "
      "sets (%d bytes of each channel), %u in all, and the longest one that is free has %u",
      expert, stripe, shape->up_row_sets, shape->down.row_sets, DUPLEX_ROW_SET_BYTES,
      shape->up_row_sets + shape->down.row_sets, space_longest(space, stripe));
}

int duplex_layer_reserve(struct duplex_layer *layer, unsigned expert, unsigned piece) {
  int error = need_layer(layer);
  if (!error) error = need_piece(layer, piece);
  if (!error) error = need_idle(layer);
  if (error) return error;
  struct duplex_stack *stack = layer->stack;
  const struct layer_piece *shape = &layer->piece[piece];
  if (expert >= layer->experts || layer_place(layer, expert, piece)->there)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "piece %u of expert %u: expected an expert below %u that has not this piece yet", piece,
                      expert, layer->experts);
  struct layer_place *place = layer_place(layer, expert, piece);
  if (!layer_take_place(layer, piece, shape->stripe, stack->space, place)) {
    give_place(layer, piece, place);
    return layer_no_room(layer, expert, piece, shape->stripe, stack->space);
  }
  place->there = true;
  layer->registered = 0;
  return DUPLEX_OK;
}

// The exponents from row `first` on; NULL: all are 0.
static const int8_t *exponents_from(const int8_t *exponents, size_t first) {
  return exponents ? exponents + first : NULL;
}

// Gate and up of the matrix that begins at inner row `first`.
static int load_up(struct duplex_layer *layer, const struct weight_layout *layout, struct region region,
                   size_t first, const struct duplex_layer_source *source) {
  const size_t stride = source->up_stride ? source->up_stride : layer->hidden;
  const duplex_f16 *up = source->up + first * stride;
  const int8_t *exponents = exponents_from(source->up_exponents, first);
  struct upload_source from = {.even = up,
                               .even_exponents = exponents,
                               .n = layout->rows / (layer->gated ? 2 : 1),
                               .k = layer->hidden,
                               .stride = stride};
  if (layer->gated) {
    from.even = source->gate + first * stride;
    from.even_exponents = exponents_from(source->gate_exponents, first);
    from.odd = up;
    from.odd_exponents = exponents;
  }
  return upload_matrix(layer->stack, layout, region, &from);
}

// All matrices of a piece, into its place.
static int load(struct duplex_layer *layer, const struct layer_piece *shape, const struct layer_place *place,
                const struct duplex_layer_source *source) {
  struct region region = place->up;
  size_t first = 0;
  for (uint32_t matrix = 0; matrix < shape->matrices; matrix++) {
    const struct weight_layout *layout = &shape->up[matrix];
    const int error = load_up(layer, layout, region, first, source);
    if (error) return error;
    first += layout->rows / (layer->gated ? 2 : 1);
    region.base += layout->row_sets;
  }
  if (layer->products) return DUPLEX_OK;
  const struct upload_source down = {.even = source->down,
                                     .even_exponents = source->down_exponents,
                                     .n = layer->hidden,
                                     .k = shape->inner,
                                     .stride = source->down_stride ? source->down_stride : shape->inner};
  return upload_matrix(layer->stack, &shape->down, place->down, &down);
}

// What the layer needs of a source is there.
static int check_source(const struct duplex_layer *layer, const struct duplex_layer_source *source,
                        const struct layer_piece *shape) {
  struct duplex_stack *stack = layer->stack;
  int error = need(stack, "source", source);
  if (!error) error = need_f16(stack, "up", source->up);
  if (!error && !layer->products) error = need_f16(stack, "down", source->down);
  if (!error && layer->gated) error = need_f16(stack, "gate", source->gate);
  if (error) return error;
  if ((source->up_stride && source->up_stride < layer->hidden) ||
      (source->down_stride && source->down_stride < shape->inner))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "strides %zu and %zu: expected 0, or a whole row",
                      source->up_stride, source->down_stride);
  return DUPLEX_OK;
}

int duplex_layer_load(struct duplex_layer *layer, unsigned expert, unsigned piece,
                      const struct duplex_layer_source *source) {
  int error = need_layer(layer);
  if (!error) error = need_piece(layer, piece);
  if (!error) error = check_source(layer, source, &layer->piece[piece]);
  if (!error) error = duplex_layer_reserve(layer, expert, piece);
  if (error) return error;
  struct layer_place *place = layer_place(layer, expert, piece);
  error = load(layer, &layer->piece[piece], place, source);
  if (error) give_place(layer, piece, place);
  return error;
}
