// SPDX-License-Identifier: Apache-2.0
// As rtl/dram/activation_window.v.
#include "cmodel/dram/activation_window.h"

bool activation_window_four(const struct activation_window *w, uint64_t now) {
  return now >= w->slot_at[0] && now >= w->slot_at[1] && now >= w->slot_at[2] && now >= w->slot_at[3];
}

bool activation_window_clock(struct activation_window *w, bool strict, uint64_t now, unsigned faw, bool need,
                             bool act, bool opened, bool request) {
  int free = -1;
  for (int i = 3; i >= 0; i--)
    if (now >= w->slot_at[i]) free = i;
  const bool grant = !strict || (free >= 0 && !act && (!need || w->turn));
  for (int i = 0; i < 4; i++)
    if (act || (request && grant && i == free)) w->slot_at[i] = now + faw;
  w->turn = opened || (w->turn && free < 0);
  return grant;
}
