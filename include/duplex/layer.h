// SPDX-License-Identifier: Apache-2.0
// One MoE layer on one stack: Logic-PIM's share of all its experts as one job, and the xPU's access to the
// rest.
//
// A stack's slice of an expert (gate and up[inner, hidden], down[hidden, inner]) is cut by its inner size
// into up to four *pieces*, each in bundles of its own. A piece is a list of *parts*: part p has rows of gate
// and up of its own; the down matrix of a piece is one, its columns in the order of the parts. With a *cut* i
// of an expert, Logic-PIM does the parts 0 to i - 1 of a piece (gate, up, and those columns of down), the
// xPU the others, and the exact sums of both add up to those of the whole.
//
// Gate and up of a part are a matrix; those of *joined* parts are one matrix for all of them, of which a cut
// is the first rows. Joined parts suit Logic-PIM, which streams matrices with many rows at a better rate;
// parts that are matrices suit the xPU, which finds each of them in one run.
//
// A layer of *products* has no activation and no down: its results are the products of x with the rows of
// gate and up themselves, of the parts below the cut. Any matrices of the experts can be streamed so.
//
// Functions that can fail return 0 or a negative code of duplex/error.h, with a text in
// duplex_stack_last_error of the stack; each lists its own codes and may return the back end's besides.
#ifndef DUPLEX_LAYER_H
#define DUPLEX_LAYER_H

#include "duplex/duplex.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_LAYER_EXPERTS 512u  // most experts of a layer
#define DUPLEX_LAYER_PIECES 4u
#define DUPLEX_LAYER_PARTS 10u

struct duplex_layer;  // the experts of one layer on one stack

struct duplex_layer_piece {
  unsigned bundles;                  // stripe set of its weights, and of x and results of its jobs
  unsigned parts;                    // 0: the piece is empty
  size_t inner[DUPLEX_LAYER_PARTS];  // of each part: from 1; in all to 65,536
  bool joined;                       // each part but the last is a multiple of 2 channels then
  bool read_only;                    // the xPU alone reads it: an empty piece to the firmware, no job runs it
};

// The same for all experts of the layer.
struct duplex_layer_options {
  unsigned experts;  // 1 to DUPLEX_LAYER_EXPERTS
  size_t hidden;     // 1 to 65,536
  bool gated;
  bool up_exponents;    // the rows of gate and up have exponents
  bool down_exponents;  // those of down: no result but f16 and f32 heeds them
  bool products;        // g and u are the results, in f32; there is no down
  bool rounded;         // results are expected in f32, else acc: the first jobs of another format take longer
  struct duplex_layer_piece piece[DUPLEX_LAYER_PIECES];
};

// A layer without experts. Errors, after which *layer is NULL: ARGUMENT (an option out of its range),
// OUT_OF_SPACE (a matrix of an expert is larger than the stack's DRAM), NO_MEMORY.
int duplex_stack_open_layer(struct duplex_stack *stack, const struct duplex_layer_options *options,
                            struct duplex_layer **layer);

// Frees the DRAM of its experts. The closing of its stack closes it too. NULL: nothing. Errors: ARGUMENT
// (closed before), BUSY (a job of it is in flight).
int duplex_layer_close(struct duplex_layer *layer);

// One piece of one expert where the caller has it. Rows lie `stride` values apart (0: as long as they are),
// so that a slice of a larger matrix needs no copy.
struct duplex_layer_source {
  const duplex_f16 *gate, *up;  // [inner of the piece][hidden]; gate: NULL if the layer has none
  size_t up_stride;             // of gate and up
  const duplex_f16 *down;       // [hidden][inner of the piece]; of products: not read
  size_t down_stride;
  const int8_t *gate_exponents, *up_exponents, *down_exponents;  // of the rows; NULL: all 0
};

// Makes one piece of one expert resident. A piece that is not loaded is not there: the expert's cut is 0 in
// its jobs. Errors: ARGUMENT (no such expert or piece, an empty piece, loaded before), OUT_OF_SPACE,
// NO_MEMORY, BUSY (a job of the layer is in flight).
int duplex_layer_load(struct duplex_layer *layer, unsigned expert, unsigned piece,
                      const struct duplex_layer_source *source);

// The same without the weights: the DRAM is taken and stays as it is. For measuring.
int duplex_layer_reserve(struct duplex_layer *layer, unsigned expert, unsigned piece);

// Who decides the cuts: the caller, or the firmware by its table of times and a policy of schedule/schedule.h
// (two pieces at most, 256 experts). DECIDED: the firmware keeps to its last decision, as for the second
// piece of a layer.
enum duplex_layer_policy {
  DUPLEX_LAYER_CUTS,
  DUPLEX_LAYER_XPU,
  DUPLEX_LAYER_PIM,
  DUPLEX_LAYER_PAPER,
  DUPLEX_LAYER_BEST,
  DUPLEX_LAYER_DECIDED
};

// The table of times by which the firmware decides; it is copied. Errors: ARGUMENT (not a table), NO_MEMORY.
struct schedule_times;
int duplex_stack_set_times(struct duplex_stack *stack, const struct schedule_times *times);

// Logic-PIM's share of one piece of all experts.
struct duplex_layer_work {
  unsigned piece;
  // With a policy `cuts` are what the caller's own schedule_decide gave for this piece: x and results are
  // placed by them, and it is an error of the firmware if it decides otherwise. More than the parts, or no
  // such piece: as many as there are.
  enum duplex_layer_policy policy;
  unsigned bundles;     // that Logic-PIM owns during the job, those of the piece among them; 0: the client's
  const uint8_t *cuts;  // [experts]: parts that Logic-PIM does; 0: it does nothing for this expert
  const uint32_t *counts;  // [experts]: tokens of each, 0 to 4096
  // The row of x of each token: those of expert 0, those of expert 1, and so on, whatever their cuts. NULL:
  // the rows of x themselves come in this order.
  const uint32_t *tokens;
  const duplex_f16 *x;                          // [rows][hidden]
  const struct duplex_activation_table *table;  // NULL: SiLU
  enum duplex_format format;
  // [experts]: of how many tokens of each Logic-PIM does the parts, the first ones; for the others it does
  // nothing. NULL: of all. With a policy: 8 times the groups of the expert that is divided by its tokens, and
  // all of the others.
  const uint32_t *cut_counts;
};

// Starts it: duplex_stack_wait writes y[sum of counts][hidden] in the order of `tokens`, zeros where the cut
// is 0. Of products it is y[sum of counts][rows of the piece], those of gate and up in turn, zeros behind the
// cut; the format has to be f32. What `work` points to may be changed at once. Errors, after which *job is
// NULL: ARGUMENT,
// OUT_OF_SPACE (no room for activations and results), QUEUE_FULL, BUSY (another job of a layer is in flight;
// or jobs that need other bundles, or another activation table), NO_MEMORY, and those of duplex_stack_wait.
int duplex_layer_start(struct duplex_layer *layer, const struct duplex_layer_work *work,
                       struct duplex_job **job);

// The bundles of the mask become Logic-PIM's, all others the xPU's, until the next job or upload. Errors:
// ARGUMENT (bundles that the client may not use), BUSY (a job is being executed).
int duplex_stack_hand_over(struct duplex_stack *stack, unsigned bundles);

enum duplex_layer_matrix { DUPLEX_LAYER_GATE, DUPLEX_LAYER_UP, DUPLEX_LAYER_DOWN };

// out[rows][columns] (rows `stride` values apart, 0: columns) = a block of a matrix of one piece, from DRAM,
// as the xPU reads it: gate and up[inner][hidden], down[hidden][inner]. exponents[rows]: of these rows, 0 if
// they have none; may be NULL. Without columns they alone are read. By one thread at a time, as all of a
// stack. Errors: ARGUMENT (no such block, or not loaded), OWNER (bundles of Logic-PIM), NO_MEMORY.
int duplex_layer_read(struct duplex_layer *layer, unsigned expert, unsigned piece,
                      enum duplex_layer_matrix matrix, size_t first_row, size_t rows, size_t first_column,
                      size_t columns, duplex_f16 *out, size_t stride, int8_t *exponents);

// Calls visit for each run of bytes in DRAM that holds the parts from `cut` on: what the xPU reads for its
// share. A run lies in one row set of one channel; address as for the back end's mem_read; address and bytes
// are multiples of 128. It ends at the first visit that does not return 0, and returns that. Errors: ARGUMENT
// (no such part, or not loaded).
int duplex_layer_ranges(struct duplex_layer *layer, unsigned expert, unsigned piece, unsigned cut,
                        int (*visit)(void *context, unsigned channel, uint64_t address, size_t bytes),
                        void *context);

#ifdef __cplusplus
}
#endif
#endif
