// SPDX-License-Identifier: Apache-2.0
// At most four activations of a rank within tFAW, those of the xPU among them, as
// rtl/dram/activation_window.v.
#ifndef DUPLEX_CMODEL_ACTIVATION_WINDOW_H
#define DUPLEX_CMODEL_ACTIVATION_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct activation_window {
  uint64_t slot_at[4];
  bool turn;  // of the xPU
};

// Whether four more activations would be allowed now.
bool activation_window_four(const struct activation_window *w, uint64_t now);
// What a window sees in a clock.
struct window_in {
  bool strict;
  bool need, act, opened;  // Logic-PIM will activate soon; activates now; and with it the bundle is open
  bool ready, request;     // the xPU may activate, but for this rule; it wants to
};
// One clock; returns whether the xPU may activate. The slots are kept under either rule, so that a change to
// rule strict finds them.
bool activation_window_clock(struct activation_window *w, uint64_t now, unsigned faw,
                             const struct window_in *in);

#endif
