// SPDX-License-Identifier: Apache-2.0
// A channel clock by clock, without the data: rtl/channel with the same units and the same clocks. What it
// computes is cmodel/execute's.
#ifndef DUPLEX_CMODEL_CHANNEL_H
#define DUPLEX_CMODEL_CHANNEL_H

#include "cmodel/attention/attention.h"
#include "cmodel/channel/bus_port.h"
#include "cmodel/channel/drain.h"
#include "cmodel/channel/gemm_stages.h"
#include "cmodel/channel/load_path.h"
#include "cmodel/channel/performance.h"
#include "cmodel/channel/result_buffer.h"
#include "cmodel/channel/result_room.h"
#include "cmodel/channel/stream_request.h"
#include "cmodel/channel/tile_gate.h"
#include "cmodel/channel/weight_fifo.h"
#include "cmodel/channel/weight_stream.h"
#include "cmodel/channel/write_path.h"
#include "cmodel/dram/bundle_controller.h"

#define READ_CREDITS 32u

struct channel_timing {
  struct bundle_controller controller;
  struct stream_request request;
  struct weight_fifo weights;
  struct weight_stream stream;
  struct tile_gate gate;
  struct gemm_stages gemm;
  struct drain_timing drain;
  struct load_path load;
  struct result_room room;
  struct result_buffer results;
  struct write_path write;
  struct bus_port port;
  // jobs
  uint32_t count, first_address;  // rows or tiles; shared-buffer address
  unsigned handover, tail, drain_format;
  bool drain_parity, moving, front, back, back_bus, back_start, popped, left;
  struct attention_timing attention;
  bool results_open, scores_open;  // the write path has the place of a pair's results, of scores
  struct channel_counters counters;
};

struct channel_in {
  bool job_valid, word_valid, bus_ready;
  uint32_t count, first_address;  // the share, with job_valid
  uint8_t xpu_row_request, xpu_ref;
  const struct attention_entry *segment;  // of ATTENTION, NULL: none comes
  struct attention_links below, above;    // of the neighbouring channels
};

struct channel_out {
  bool front_busy, older_busy, busy;
  uint8_t xpu_row_grant, open;
  struct bus_word word;  // the one that is taken, if bus_ready
};

void channel_timing_reset(struct channel_timing *c, const struct duplex_dram_timing *timing);

static inline bool channel_word_ready(const struct channel_timing *c) { return c->gate.words != 2; }
static inline bool channel_bus_valid(const struct channel_timing *c) { return c->port.count != 0; }
static inline bool channel_bus_interleaved(const struct channel_timing *c) { return c->port.interleaved; }
static inline bool channel_bus_load(const struct channel_timing *c) {
  return c->port.kind >= DUPLEX_BUS_WORD_LOAD;
}

// One clock; the command pins of the clock are in c->controller.pins before the call.
void channel_timing_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                          struct channel_out *out);
// The same where no job is under way and none starts: all but DRAM stays as it is. Of `out` it has the grant
// and the open bundles.
void channel_rest_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                        struct channel_out *out);

#endif
