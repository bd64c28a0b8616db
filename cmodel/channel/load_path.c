// SPDX-License-Identifier: Apache-2.0
// Half a beat a clock, as rtl/channel/load_path.v.
#include "cmodel/channel/load_path.h"

#include "duplex/params.h"

void load_path_clock(struct load_path *path, bool start, uint32_t tiles, bool go) {
  const bool pop = go && path->upper;
  path->word = go;
  if (go) path->upper = !path->upper;
  if (start) {
    path->busy = tiles != 0;
    path->beats = tiles * DUPLEX_LANES;
  } else if (pop) {
    if (path->beats == 1) path->busy = false;
    path->beats--;
  }
}
