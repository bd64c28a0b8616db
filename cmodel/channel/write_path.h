// SPDX-License-Identifier: Apache-2.0
// Words of results to columns of the DRAM, as rtl/channel/write_path.v.
#ifndef DUPLEX_CMODEL_WRITE_PATH_H
#define DUPLEX_CMODEL_WRITE_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct write_path {
  unsigned words;
  bool fill, end;
  uint32_t block, address, stride;
  uint8_t stripe;
};

// Where the results of a job or of a pair go.
struct write_start {
  uint32_t column, stride;
  uint8_t stripe;
};
// `start`: NULL if none begins.
void write_path_clock(struct write_path *w, const struct write_start *start, bool take, bool end, bool ready);

#endif
