// SPDX-License-Identifier: Apache-2.0
// Counters of a channel, as rtl/channel/performance.v.
#ifndef DUPLEX_CMODEL_PERFORMANCE_H
#define DUPLEX_CMODEL_PERFORMANCE_H

#include <stdbool.h>
#include <stdint.h>

struct channel_counters {
  uint64_t rows, columns_read, columns_written, beats, starved, no_tile, no_room;
};

// What is counted in a clock.
struct channel_events {
  bool row, column_read, column_written, beat, starved, no_tile, no_room;
};

// One clock of the counters: each event that is there counts once.
static inline void performance_clock(struct channel_counters *n, const struct channel_events *e) {
  n->rows += e->row;
  n->columns_read += e->column_read;
  n->columns_written += e->column_written;
  n->beats += e->beat;
  n->starved += e->starved;
  n->no_tile += e->no_tile;
  n->no_room += e->no_room;
}

#endif
