// SPDX-License-Identifier: Apache-2.0
// The row sets that are read next, as rtl/dram/row_set_queue.v.
#ifndef DUPLEX_CMODEL_ROW_SET_QUEUE_H
#define DUPLEX_CMODEL_ROW_SET_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

// Which columns of a stream are read: runs of `length` + 1, the first one of one more if there is a header,
// and behind each run `skip` that are passed over; 0: all.
struct read_runs {
  bool header;
  uint8_t length, skip;
};

struct row_set {
  bool valid, end;  // end: the last one of its stream
  uint8_t bundle, last_column;
  uint16_t row;
  struct read_runs runs;
};

struct row_set_queue {
  bool map, stream;  // a base is being mapped; row sets are left to enter
  uint32_t left;     // columns that have not entered
  uint8_t stripe, base_bundle, bundle;
  uint16_t base_row, row;
  struct read_runs runs;
  struct row_set slot[3];
};

// A request for row sets.
struct row_set_request {
  bool valid;
  uint8_t stripe;
  uint16_t base;
  uint32_t columns;  // from the first that is read to the last one
  struct read_runs runs;
};
void row_set_queue_clock(struct row_set_queue *q, const struct row_set_request *request, bool pop);

#endif
