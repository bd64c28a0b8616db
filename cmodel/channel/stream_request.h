// SPDX-License-Identifier: Apache-2.0
// Row sets of a job are asked for, block by block, as rtl/channel/stream_request.v.
#ifndef DUPLEX_CMODEL_STREAM_REQUEST_H
#define DUPLEX_CMODEL_STREAM_REQUEST_H

#include "cmodel/channel/job_timing.h"
#include "cmodel/dram/row_set_queue.h"

struct stream_request {
  enum { REQUEST_IDLE, REQUEST_ROWS, REQUEST_MULTIPLY, REQUEST_ASK } state;
  uint32_t left, columns;
  uint16_t base;
  unsigned step, rows;
  struct read_runs runs;
};

void stream_request_clock(struct stream_request *r, const struct job_timing *job, bool start, uint32_t count,
                          bool ready);

#endif
