// SPDX-License-Identifier: Apache-2.0
// Half a beat a clock, as rtl/channel/load_path.v.
#include "cmodel/channel/load_path.h"

#include "duplex/params.h"

void load_path_clock(struct load_path *l, bool start, uint32_t tiles, bool go) {
  const bool pop = go && l->upper;
  l->word = go;
  if (go) l->upper = !l->upper;
  if (start) {
    l->busy = tiles != 0;
    l->beats = tiles * DUPLEX_LANES;
  } else if (pop) {
    if (l->beats == 1) l->busy = false;
    l->beats--;
  }
}
