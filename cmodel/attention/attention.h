// SPDX-License-Identifier: Apache-2.0
// Decode attention of one channel clock by clock, without the data: rtl/attention with the same units and the
// same clocks. What it computes is cmodel/execute/attention.c's.
#ifndef DUPLEX_CMODEL_ATTENTION_H
#define DUPLEX_CMODEL_ATTENTION_H

#ifdef __cplusplus
extern "C" {
#endif

#include "cmodel/attention/attention_join.h"
#include "cmodel/attention/attention_links.h"
#include "cmodel/attention/attention_queue.h"
#include "cmodel/attention/attention_sequencer.h"
#include "cmodel/attention/attention_stream.h"
#include "cmodel/attention/attention_tiles.h"
#include "cmodel/attention/maximum_join.h"
#include "cmodel/attention/score_path.h"
#include "cmodel/attention/score_writer.h"

struct attention_timing {
  struct attention_sequencer sequencer;
  struct pass_fifo stream_passes, tiles_passes;
  struct result_fifo results;
  struct attention_stream stream;
  struct score_path score;
  struct attention_tiles tiles;
  struct maximum_join maximum_join;
  struct attention_join join;
  struct score_writer writer;
  unsigned unwritten, rows_open;  // segments whose scores have still to reach the DRAM, results whose last
                                  // row has still to come
  uint32_t rows, row_ends;        // of results on their way from their last beat, one bit a clock
  bool active;
};

// What the other units of the channel show in a clock.
struct attention_in {
  bool read_ready, weight_valid, beat_ready, tile_ready, room, job_valid, result_start, scores_written;
  const struct attention_entry *push;  // NULL: no segment comes
  struct attention_links below, above;
};

// What attention shows to them.
struct attention_out {
  bool read_valid, weight_pop, tile, issue, emits, row_end, starved, no_tile, no_room;
  bool word_reserve, word, word_end;  // scores: one is read, one comes to the result buffer
  bool row, row_valid, row_ends,
      busy;  // a row of results goes into the GEMM module, comes out of the quotient
  uint8_t read_stripe;
  unsigned read_columns, row_place;
};

void attention_timing_reset(struct attention_timing *a);
bool attention_room(const struct attention_timing *a);
struct attention_links attention_show(const struct attention_timing *a);
// What is at the outputs in this clock (`read_ready` and `result_start` have no part in it), and the edge
// behind it.
void attention_look(const struct attention_timing *a, const struct attention_in *in,
                    struct attention_out *out);
void attention_clock(struct attention_timing *a, const struct attention_in *in);

#ifdef __cplusplus
}
#endif

#endif
