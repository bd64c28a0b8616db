// SPDX-License-Identifier: Apache-2.0
// The weights of an MoE layer on a device: which columns of which expert lie in which bundles of which stack.
#ifndef DEVICE_LAYER_H
#define DEVICE_LAYER_H

#include "device/device.h"
#include "device/measure.h"
#include "device/stage.h"
#include "driver/space.h"
#include "duplex/device_tables.h"

// A piece on one stack: `parts` runs of the layer's inner columns, of DOWN of its outputs, which follow each
// other.
struct moe_piece {
  unsigned bundles;  // the same on all stacks
  unsigned parts;    // 0: the stack has nothing of it
  size_t first;      // inner column, or output
  size_t inner[DUPLEX_LAYER_PARTS];
  bool joined, read_only;  // as of a layer's piece
};

// What lies on the stacks for one stage.
struct moe_stage {
  enum stage_kind kind;
  struct schedule_times times;                    // as measured
  struct schedule_times charged;                  // with what moves for it
  const struct schedule_costs *costs;             // of the layer's pieces, in `times`
  struct measure_turn turn[DUPLEX_TOKEN_GROUPS];  // of passes with one group, and with two
  struct moe_piece piece[DUPLEX_STACKS_MOST][DUPLEX_LAYER_PIECES];
  struct duplex_layer *slice[DUPLEX_STACKS_MOST];  // NULL: the stack has nothing of it
};

static inline enum duplex_format stage_result_format(const struct moe_stage *stage) {
  return stage_format(&stage->times.shape);
}

#define MOE_STAGES (DUPLEX_PHASES / STAGE_PHASES)

#define MOE_XPU_BUNDLE 3u  // of the schedule, for the xPU's copy
_Static_assert(1u << MOE_XPU_BUNDLE == SCHEDULE_COPY_BUNDLE, "the schedule's bundle");

// How a layer is done: how its sums come together (all but AUTO), and how many copies of each expert there
// are, 1 or 2.
struct moe_way {
  enum duplex_partials partials;
  unsigned copies;
  bool striped;  // one copy over all bundles, for either side alone
};

struct duplex_moe {
  struct duplex_moe *next;
  struct duplex_device *device;
  struct duplex_moe_shape shape;
  bool gated;
  const struct duplex_activation_table *table;
  duplex_f16 *router;                         // a copy
  int8_t *router_exponents, *down_exponents;  // copies; NULL: all 0
  struct moe_way way;
  struct schedule_times times;    // of all stages, as measured; without costs of several
  struct schedule_times charged;  // that the decision goes by
  struct schedule_work *work;     // of the decision
  struct schedule_worth worth;    // of decisions of `best`
  unsigned pieces;                // on each stack
  unsigned xpu_bundle;            // of two copies: where the xPU's lies (moe_turned)
  // Expert e has the pieces q with q mod turns = e mod turns (moe_has_piece). With two copies a piece of the
  // schedule is two here: for Logic-PIM, and for the xPU (moe_piece_of_schedule).
  unsigned turns;
  unsigned stages;  // 1, or 2 where h is gathered
  struct moe_stage stage[MOE_STAGES];
};

// Whether the expert has that piece.
bool moe_has_piece(const struct duplex_moe *moe, unsigned expert, unsigned piece);

// The schedule's number of a piece.
static inline unsigned moe_piece_of_schedule(const struct duplex_moe *moe, unsigned piece) {
  return piece / moe->turns % moe->times.placement.pieces;
}

// The schedule has the xPU's copy always in bundle 3. These bundles of the schedule if it lies in another
// one: that one and bundle 3 have changed places.
unsigned moe_turned(unsigned bundles, unsigned xpu_bundle);

// The bundles of a piece with `best`, if the xPU's copy lies in that one.
unsigned moe_bundles(const struct duplex_moe *moe, unsigned piece, unsigned xpu_bundle);

// A layer of this form without weights, in no way yet; NULL: too little memory. moe_free takes it.
struct duplex_moe *moe_new(struct duplex_device *device, const struct duplex_moe_form *form);
void moe_free(struct duplex_moe *moe);

// Where the pieces of a layer lie if it is done in this way, as the policy of the device has it; nothing is
// loaded, and there are no times. It has one copy where the schedule does not gain by two. Errors as of
// duplex_device_load_moe.
int moe_lay_out(struct duplex_moe *moe, const struct duplex_moe_form *form, struct moe_way way);
// The tables of time of a layer that is laid out, by formulas (docs/schedule.md). Errors: MEASURE_TOO_LONG.
int moe_use_formulas(struct duplex_moe *moe);
// Laid out, with measured tables of time. Errors: those of both.
int moe_place(struct duplex_moe *moe, const struct duplex_moe_form *form, struct moe_way way);

// The same in the way that the options of the device ask for: of those that they leave open, and for which
// there is room, the one that is predicted to take the least time with the expected tokens.
int moe_choose(struct duplex_moe *moe, const struct duplex_moe_form *form);

// The pieces of a stage on a stack; false if it has nothing of them.
bool moe_stack_options(const struct duplex_moe *moe, const struct moe_stage *stage, unsigned stack,
                       struct duplex_layer_options *options);
// Whether so many layers as this one, which is laid out with two copies, find room in the DRAM that is free,
// and beside them x and results of so many pairs.
int moe_has_room(const struct duplex_moe *moe, size_t layers, size_t pairs, bool *fits);
// Whether the weights of this layer, which is laid out, find room there. Errors: OUT_OF_SPACE (names the
// bundles and what they lack), NO_MEMORY.
int moe_need_room(const struct duplex_moe *moe);
// The bundle with the most room on the stack where it has least; of several the last one.
unsigned moe_emptiest_bundle(struct space *const *space, unsigned stacks);
// Bytes of DRAM that its weights have, on all stacks.
uint64_t moe_dram_bytes(const struct duplex_moe *moe);

// Clocks that such a layer is predicted to take with so many tokens of each expert: all that
// duplex_moe_stats.predicted has, the decision, and the launches of its phases. Under BEST as it is decided
// or on one side alone, whichever is least.
uint64_t moe_predict(const struct duplex_moe *moe, uint16_t *counts);
// In the mean of 16 layers as they are expected (schedule_expect).
uint64_t moe_predict_expected(const struct duplex_moe *moe);

// It as a layer on a stack has it.
struct duplex_layer_piece moe_layer_piece(const struct moe_piece *piece);

// Inner columns of a piece before part `cut`, and behind it; `cut` may be beyond the stack's parts.
size_t moe_inner_before(const struct moe_piece *piece, unsigned cut);
size_t moe_inner_behind(const struct moe_piece *piece, unsigned cut);

// The layer is one of this device's.
bool moe_is_of(const struct duplex_device *device, const struct duplex_moe *moe);

#endif
