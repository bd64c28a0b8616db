// SPDX-License-Identifier: Apache-2.0
// The weights of an MoE layer on a device: which columns of which expert lie in which bundles of which stack.
#ifndef DEVICE_LAYER_H
#define DEVICE_LAYER_H

#include "device/device.h"
#include "duplex/layer.h"
#include "schedule/schedule.h"

// A piece on one stack: `parts` runs of the layer's inner columns, which follow each other.
struct moe_piece {
  unsigned bundles;  // the same on all stacks
  unsigned parts;    // 0: the stack has nothing of it
  size_t first;      // inner column
  size_t inner[DUPLEX_LAYER_PARTS];
};

struct duplex_moe {
  struct duplex_moe *next;
  struct duplex_device *device;
  struct duplex_moe_shape shape;
  bool gated;
  const struct duplex_activation_table *table;
  duplex_f16 *router;                         // a copy
  int8_t *router_exponents, *down_exponents;  // copies; NULL: all 0
  struct schedule_times times;                // as measured
  struct schedule_times charged;              // that the decision goes by
  enum schedule_format format;                // of Logic-PIM's sums
  struct schedule_work *work;                 // of the decision
  unsigned pieces;                            // on each stack
  // Expert e has the pieces q with q mod turns = e mod turns; q / turns is the schedule's number of it.
  unsigned turns;
  struct moe_piece piece[DUPLEX_STACKS_MOST][DUPLEX_LAYER_PIECES];
  struct duplex_layer *slice[DUPLEX_STACKS_MOST];  // NULL: the stack has nothing of the layer
};

// Whether the expert has that piece.
bool moe_has_piece(const struct duplex_moe *moe, unsigned expert, unsigned piece);

// Inner columns of a piece before part `cut`, and behind it; `cut` may be beyond the stack's parts.
size_t moe_inner_before(const struct moe_piece *piece, unsigned cut);
size_t moe_inner_behind(const struct moe_piece *piece, unsigned cut);

// The layer is one of this device's.
bool moe_is_of(const struct duplex_device *device, const struct duplex_moe *moe);

#endif
