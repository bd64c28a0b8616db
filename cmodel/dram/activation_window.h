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
// One clock; returns whether the xPU may activate. `need`: Logic-PIM wants to; `act`: it does; `opened`: the
// last half of its banks is; `request`: of the xPU. The slots are kept under either rule, so that a change to
// rule strict finds them.
bool activation_window_clock(struct activation_window *w, bool strict, uint64_t now, unsigned faw, bool need,
                             bool act, bool opened, bool request);

#endif
