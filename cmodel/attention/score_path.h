// SPDX-License-Identifier: Apache-2.0
// Scores on their way to the slice, as rtl/attention/score_path.v.
#ifndef DUPLEX_CMODEL_SCORE_PATH_H
#define DUPLEX_CMODEL_SCORE_PATH_H

#include <stdbool.h>
#include <stdint.h>

// What a pair's maximum is for: back to the running maxima, to be joined with the members below and above.
struct maximum_mark {
  bool back, below, above;
};

// A row of scores on its way from its last beat to the slice.
struct score_row {
  bool valid, end, last, store;
  uint8_t lanes;
  struct maximum_mark mark;
};

#define SCORE_STAGES 12  // GEMM module, rounding, scaling

struct score_path {
  struct score_row rows[SCORE_STAGES];
  unsigned records, position, maxima;
  bool write;
  uint32_t stored;  // passes whose scores go to DRAM, one bit a clock
  struct {
    bool valid;
    struct maximum_mark mark;
  } complete[2];
  struct maximum_mark maximum[2];  // FIFO, `maxima` of them
};

bool score_path_empty(const struct score_path *s);
void score_path_clock(struct score_path *s, bool start, const struct score_row *row, bool load_end,
                      bool maximum_taken);

#endif
