// SPDX-License-Identifier: Apache-2.0
// From a job to row sets, as rtl/channel/stream_request.v.
#include "cmodel/channel/stream_request.h"

#include "duplex/geometry.h"

// The size of the next block; its columns take the RTL seven clocks.
static void request_block(struct stream_request *r, const struct job_timing *job) {
  r->rows = duplex_smaller(r->left, job->block_rows);
  const uint32_t all = r->rows + job->skip_rows;  // of a k-tile
  r->left -= r->rows;
  r->step = DUPLEX_ROW_BITS + 1;
  r->columns = job->two_streams ? duplex_two_stream_row_sets(job->k_tiles) * DUPLEX_COLUMNS
                                : (all * job->k_tiles - job->skip_rows + 1) / 2 + job->exponents;
  r->runs = (struct read_runs){job->exponents, (uint8_t)((r->rows / 2 - 1) % DUPLEX_COLUMNS),
                               (uint8_t)(job->skip_rows / 2)};
}

void stream_request_clock(struct stream_request *r, const struct job_timing *job, bool start, uint32_t count,
                          bool ready) {
  switch (r->state) {
    case REQUEST_IDLE:
      if (!start || count == 0) break;
      r->left = count;
      r->base = (uint16_t)job->src_base;
      r->columns = (count & 0x7ff) * DUPLEX_LANES / 2;
      r->runs = (struct read_runs){0};
      r->state = job->load ? REQUEST_ASK : REQUEST_ROWS;
      break;
    case REQUEST_ROWS:
      request_block(r, job);
      r->state = REQUEST_MULTIPLY;
      break;
    case REQUEST_MULTIPLY:
      if (r->step-- == 0) r->state = REQUEST_ASK;
      break;
    default:
      if (!ready) break;
      r->base = (uint16_t)(r->base + job->src_stride);
      r->state = job->load || r->left == 0 ? REQUEST_IDLE : REQUEST_ROWS;
  }
}
