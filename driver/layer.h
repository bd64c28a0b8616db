// SPDX-License-Identifier: Apache-2.0
// A layer as the files of the driver see it.
#ifndef DUPLEX_DRIVER_LAYER_H
#define DUPLEX_DRIVER_LAYER_H

#include "driver/stack.h"
#include "duplex/layer.h"

// One piece: the same for all experts but for the places. joined: there is one matrix of gate and up, for all
// parts; else each part has its own.
struct layer_piece {
  bool joined, read_only;
  uint32_t stripe, parts, matrices;
  uint32_t inner_of[LAYER_PARTS];
  struct weight_layout up[LAYER_PARTS];  // of the matrices, one behind the other
  struct weight_layout down;             // of products: nothing
  uint32_t inner, up_row_sets;
  uint32_t product_row_sets;  // of products: the results of a whole pass
};

// Where a piece of an expert lies.
struct layer_place {
  bool there;
  struct region up, down;
};

struct duplex_layer {
  struct handle handle;
  struct duplex_stack *stack;
  unsigned experts, pieces;
  uint32_t hidden;
  bool gated, up_exponents, down_exponents, products, rounded;
  struct layer_piece piece[PROTOCOL_LAYER_PIECES];
  struct layer_place *places;  // [pieces][experts]
  // The generation of the queue in which the firmware has the layer as it is now; 0: it has not.
  uint32_t registered;
  unsigned slot;  // of the stack's layer_slots, if they name the layer as owner
};

// The layer is there and was not closed; the piece is one of it and not empty.
int need_layer(const struct duplex_layer *layer);
int need_piece(const struct duplex_layer *layer, unsigned piece);
struct layer_place *layer_place(const struct duplex_layer *layer, unsigned expert, unsigned piece);

// Tells the firmware of the layer, unless it knows; messages of their own. Errors: those of
// message_run_beside.
int layer_register(struct duplex_layer *layer);
// Brings the stack's table of times to the firmware, unless it is there. Errors: ARGUMENT (there is none).
int layer_times_register(struct duplex_stack *stack);
// The firmware's table has room again.
void layer_forget(struct duplex_layer *layer);

// Rows of h before a cut.
uint32_t layer_inner_before(const struct layer_piece *piece, uint32_t cut);
// What Logic-PIM streams of gate and up with a cut, by one descriptor each: matrices, or runs of one.
uint32_t layer_streams(const struct layer_piece *piece, uint32_t cut);
struct weight_layout layer_stream(const struct layer_piece *piece, uint32_t cut, uint32_t index);

// Values of a token's results: of a product, the rows of all parts.
size_t layer_result_columns(const struct duplex_layer *layer, unsigned piece);

// Takes what a piece of one expert needs in a space, in as many bundles `stripe` as the piece has. *place is
// zero, or that of the expert before. false: there is no room; *place has what was taken.
bool layer_take_place(const struct duplex_layer *layer, unsigned piece, uint32_t stripe, struct space *space,
                      struct layer_place *place);
// OUT_OF_SPACE, with the text that such a piece of this expert finds no room.
int layer_no_room(const struct duplex_layer *layer, unsigned expert, unsigned piece, uint32_t stripe,
                  const struct space *space);

// Row sets of one piece of an expert, and of x and results of a job on the piece with so many pairs of token
// and expert, at most; whole rows of its bundles.
uint64_t layer_piece_row_sets(const struct duplex_layer *layer, unsigned piece);
uint64_t layer_job_row_sets(const struct duplex_layer *layer, unsigned piece,
                            enum duplex_result_format format, size_t pairs);
// Row sets of all pieces that are there.
uint64_t layer_taken_row_sets(const struct duplex_layer *layer);

// The steps of duplex_layer_start and of the wait behind it, for a caller that moves x and results in the
// xPU's own time. Several jobs may be planned, one may be in flight.
//
// The job and its place in DRAM; errors as those of duplex_layer_start.
int layer_job_plan(struct duplex_layer *layer, const struct duplex_layer_work *work, struct duplex_job **job);
// Writes the x of its tokens.
int layer_job_bring(const struct duplex_job *job, const struct duplex_layer_work *work);
// Submits it; *job is NULL with an error. job_begin and job_finish follow.
int layer_job_submit(struct duplex_job **job);
// y, as duplex_stack_wait gives it. job_retire follows.
int layer_job_fetch(struct duplex_job *job, void *y);

// Logic-PIM's share of a job, expert by expert.
struct layer_share {
  unsigned piece;
  enum duplex_layer_policy policy;
  uint32_t sum;             // as the completion of the message tells it, of cuts and of
  uint32_t divided_groups;  // experts that are divided by their tokens, if these are decided
  struct region x, results;
  uint32_t x_row_sets, result_row_sets;
  size_t tokens;            // of all experts
  uint32_t *list, *counts;  // of the message: groups and cuts, or tokens
  struct layer_share_expert {
    uint32_t cut, count, cut_count;  // the cut is of the first tokens
  } expert[];
};

#endif
