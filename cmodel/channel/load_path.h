// SPDX-License-Identifier: Apache-2.0
// Data of a LOAD from the weight FIFO to the result buffer, as rtl/channel/load_path.v.
#ifndef DUPLEX_CMODEL_LOAD_PATH_H
#define DUPLEX_CMODEL_LOAD_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct load_path {
  bool busy, upper, word;  // the upper half of a beat is next; a word goes to the buffer
  uint32_t beats;
};
// One clock. `go`: half a beat is taken.
void load_path_clock(struct load_path *path, bool start, uint32_t tiles, bool go);

#endif
