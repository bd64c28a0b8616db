// SPDX-License-Identifier: Apache-2.0
// The units of a channel's attention put together, as rtl/attention/attention.v.
#include "cmodel/attention/attention.h"

#include <string.h>

#include "duplex/params.h"

enum {
  TILES_ROOM = 8,
  GEMM_CLOCKS = 6,
  JOIN_CLOCKS = 2,
  ROW_CLOCKS = GEMM_CLOCKS + JOIN_CLOCKS + DUPLEX_QUOTIENT_CLOCKS
};

void attention_timing_reset(struct attention_timing *a) {
  memset(a, 0, sizeof *a);
  a->tiles.room = TILES_ROOM;
  a->join.room = DUPLEX_LINK_ROWS;
}

bool attention_room(const struct attention_timing *a) {
  return (a->sequencer.next - a->sequencer.oldest) % (2 * DUPLEX_ATTENTION_QUEUE) < DUPLEX_ATTENTION_QUEUE;
}

static bool busy(const struct attention_timing *a) {
  return sequencer_busy(&a->sequencer) || a->stream_passes.count || a->stream.state != ATTENTION_IDLE ||
         a->tiles_passes.count || a->tiles.state != TILES_IDLE || a->score.records || a->rows ||
         a->join.given || a->results.count || a->unwritten;
}

// What the stream and the tiles do in this clock, and the writer.
struct attention_step {
  struct stream_step stream;
  struct tiles_step tiles;
  bool writer_reads;
};

// The units in the order in which they have the slice: scores that come, scores from DRAM, weights, the
// writer.
static struct attention_step look(const struct attention_timing *a, const struct attention_in *in) {
  const struct stream_in stream_in = {.passes = &a->stream_passes,
                                      .score = &a->score,
                                      .join = &a->join,
                                      .weight_valid = in->weight_valid,
                                      .beat_ready = in->beat_ready,
                                      .room = in->room};
  struct attention_step step = {.stream = stream_look(&a->stream, &stream_in)};
  const struct tiles_in tiles_in = {.passes = &a->tiles_passes,
                                    .tile_ready = in->tile_ready,
                                    .maximum_ready = maximum_ready(&a->score, &a->maximum_join),
                                    .slice_busy = a->score.write || step.stream.load_word};
  step.tiles = tiles_look(&a->tiles, &tiles_in);
  step.writer_reads = writer_reads(&a->writer, in->room, tiles_in.slice_busy || step.tiles.read);
  return step;
}

void attention_look(const struct attention_timing *a, const struct attention_in *in,
                    struct attention_out *out) {
  const struct attention_step step = look(a, in);
  const struct stream_step stream = step.stream;
  const struct tiles_step tiles = step.tiles;
  const bool beats = a->stream.state == ATTENTION_BEATS;
  *out = (struct attention_out){
      .read_valid = a->sequencer.state == SEQUENCER_ASK,
      .weight_pop = stream.issue || stream.pad || stream.q_write || (stream.load && a->stream.word % 2),
      .tile = tiles.pop,
      .word_reserve = step.writer_reads,
      .word = a->writer.word,
      .word_end = a->writer.end,
      .issue = stream.issue,
      .emits = stream.emits,
      .row_end = stream.row_end,
      .starved = beats && in->beat_ready && !in->weight_valid,
      .no_tile = beats && !in->beat_ready && in->weight_valid,
      .no_room = beats && in->beat_ready && in->weight_valid && stream.emits && !stream.has_room,
      .row = stream.row && !stream.gives_row,
      .row_place = a->stream.row % 4,
      .row_valid = a->rows >> (ROW_CLOCKS - 1) & 1,
      .row_ends = a->row_ends >> (ROW_CLOCKS - 1) & 1,
      .busy = busy(a)};
  if (!out->read_valid) return;
  out->read_stripe = sequencer_stripe(&a->sequencer);
  out->read_columns = sequencer_columns(&a->sequencer);
}

struct attention_links attention_show(const struct attention_timing *a) {
  return (struct attention_links){.maximum_up = a->maximum_join.state == JOIN_TO_ABOVE,
                                  .takes_from_below = a->maximum_join.state == JOIN_FROM_BELOW,
                                  .maximum_down = a->maximum_join.state == JOIN_TO_BELOW,
                                  .takes_from_above = a->maximum_join.state == JOIN_FROM_ABOVE,
                                  .row_up = join_row_goes_up(&a->join),
                                  .row_taken = join_row_taken(&a->join)};
}

static void passes_clock(struct pass_fifo *f, bool push, const struct attention_pass *pass, bool pop) {
  if (pop) memmove(f->pass, f->pass + 1, --f->count * sizeof *pass);
  if (push) f->pass[f->count++] = *pass;
}

static void results_clock(struct result_fifo *f, bool push, const struct attention_result *result, bool pop) {
  if (pop) memmove(f->result, f->result + 1, --f->count * sizeof *result);
  if (push) f->result[f->count++] = *result;
}

void attention_clock(struct attention_timing *a, const struct attention_in *in) {
  struct attention_pass pass;
  struct attention_result result = {0};
  bool begins_result;
  const struct sequencer_room room = {
      .passes = a->stream_passes.count != ATTENTION_FIFO && a->tiles_passes.count != ATTENTION_FIFO,
      .results = a->results.count != ATTENTION_FIFO,
      .writer = writer_ready(&a->writer),
      .rows_open = a->rows_open != 0};
  const bool record = sequencer_record(&a->sequencer, &room, &pass, &begins_result, &result);
  const struct attention_step step = look(a, in);
  const struct stream_step stream = step.stream;
  const struct tiles_step tiles = step.tiles;
  const struct attention_pass stream_head = a->stream_passes.pass[0];
  const struct attention_pass tiles_head = a->tiles_passes.pass[0];
  const bool score = a->stream.pass.kind == DUPLEX_PASS_SCORE;
  const bool emitted = stream.issue && stream.emits;
  const bool taken = tiles.take && tiles_head.kind == DUPLEX_PASS_CONTEXT && tiles_head.begins;
  const bool joined = maximum_goes_back(&a->score, &a->maximum_join);
  const struct score_row row = {.valid = emitted && score,
                                .end = stream.end_mark,
                                .last = a->stream.pass.last,
                                .store = a->stream.pass.store,
                                .lanes = (uint8_t)a->stream.pass.lanes,
                                .mark = {a->stream.pass.back, a->stream.pass.below, a->stream.pass.above}};
  const bool scores = record && result.scores;
  const bool reads = step.writer_reads;
  const unsigned words = a->sequencer.queue[a->sequencer.at % DUPLEX_ATTENTION_QUEUE].words;
  const bool known = sequencer_knows_written(&a->sequencer, a->writer.done);
  const struct sequencer_in sequencer_in = {.read_ready = in->read_ready,
                                            .record = record,
                                            .joined = joined,
                                            .unwritten = a->unwritten != 0,
                                            .written = a->writer.done,
                                            .push = in->push};
  a->unwritten += (unsigned)scores - (unsigned)in->scores_written;
  a->rows_open += (unsigned)(record && begins_result && !scores) -
                  (unsigned)(a->rows >> (ROW_CLOCKS - 1) & a->row_ends >> (ROW_CLOCKS - 1) & 1);
  score_writer_clock(&a->writer, scores ? &words : NULL, a->score.stored >> 1 & 1, reads, known);
  const uint32_t mask = (1u << ROW_CLOCKS) - 1;
  a->rows = (a->rows << 1 | (stream.row && !stream.gives_row)) & mask;
  a->row_ends = (a->row_ends << 1 | (stream.end_mark && !score)) & mask;
  attention_stream_clock(&a->stream, &stream_head, &stream);
  attention_tiles_clock(&a->tiles, &tiles_head, &tiles, stream.q_done, stream.l_done);
  maximum_join_clock(&a->maximum_join, &a->score, &in->below, &in->above, taken);
  attention_join_clock(&a->join, stream.joins_row, stream.gives_row, in->below.row_up, in->above.row_taken);
  score_path_clock(&a->score, stream.take && stream_head.kind == DUPLEX_PASS_SCORE, &row, stream.load_end,
                   taken || joined);
  passes_clock(&a->stream_passes, record && !scores, &pass, stream.take);
  passes_clock(&a->tiles_passes, record && !scores && pass.kind != DUPLEX_PASS_RELOAD, &pass, tiles.take);
  results_clock(&a->results, record && begins_result, &result, in->result_start);
  sequencer_clock(&a->sequencer, &sequencer_in);
  a->active = in->push != NULL || (a->active && !in->job_valid);
}
