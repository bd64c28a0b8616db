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

// Some unit of attention has something to do, or a result is on its way.
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

// One clock of a FIFO of passes: takes the oldest one out, then puts *pass in; the caller has seen to room.
static void passes_clock(struct pass_fifo *f, bool push, const struct attention_pass *pass, bool pop) {
  if (pop) memmove(f->pass, f->pass + 1, --f->count * sizeof *pass);
  if (push) f->pass[f->count++] = *pass;
}

// The same for the places of results.
static void results_clock(struct result_fifo *f, bool push, const struct attention_result *result, bool pop) {
  if (pop) memmove(f->result, f->result + 1, --f->count * sizeof *result);
  if (push) f->result[f->count++] = *result;
}

// What the sequencer gives to the units behind it in this clock.
struct sequencer_step {
  bool record,
      begins_result;  // record: there is something, of which scores that go to DRAM are for the writer
  bool pass, scores;  // a pass for the stream and the tiles, words for the writer: never both
  struct attention_pass to;
  struct attention_result result;
};

// Looks at the state before the edge only.
static struct sequencer_step sequencer_step_of(const struct attention_timing *a) {
  const struct sequencer_room room = {
      .passes = a->stream_passes.count != ATTENTION_FIFO && a->tiles_passes.count != ATTENTION_FIFO,
      .results = a->results.count != ATTENTION_FIFO,
      .writer = writer_ready(&a->writer),
      .rows_open = a->rows_open != 0};
  struct sequencer_step step = {0};
  step.record = sequencer_record(&a->sequencer, &room, &step.to, &step.begins_result, &step.result);
  step.scores = step.record && step.result.scores;
  step.pass = step.record && !step.result.scores;
  return step;
}

// The row of scores whose beat is issued in this clock; valid if it is the row's last one.
static struct score_row score_row_of(const struct attention_timing *a, const struct stream_step *stream) {
  const struct attention_pass *pass = &a->stream.pass;
  return (struct score_row){.valid = stream->issue && stream->emits && pass->kind == DUPLEX_PASS_SCORE,
                            .end = stream->end_mark,
                            .last = pass->last,
                            .store = pass->store,
                            .lanes = (uint8_t)pass->lanes,
                            .mark = {pass->back, pass->below, pass->above}};
}

// Rows of results on their way, and what has still to come of results and of scores in DRAM. Comes before
// the stream's edge, whose pass it looks at.
static void rows_clock(struct attention_timing *a, const struct sequencer_step *sequencer,
                       const struct stream_step *stream, bool scores_written) {
  const uint32_t mask = (1u << ROW_CLOCKS) - 1;
  const bool score = a->stream.pass.kind == DUPLEX_PASS_SCORE;
  const bool result_ends = a->rows >> (ROW_CLOCKS - 1) & a->row_ends >> (ROW_CLOCKS - 1) & 1;
  a->unwritten += (unsigned)sequencer->scores - (unsigned)scores_written;
  a->rows_open += (unsigned)(sequencer->pass && sequencer->begins_result) - (unsigned)result_ends;
  a->rows = (a->rows << 1 | (stream->row && !stream->gives_row)) & mask;
  a->row_ends = (a->row_ends << 1 | (stream->end_mark && !score)) & mask;
}

// The FIFOs between the sequencer and the units behind it.
static void fifos_clock(struct attention_timing *a, const struct sequencer_step *sequencer,
                        const struct attention_step *step, bool result_start) {
  const bool to_tiles = sequencer->pass && sequencer->to.kind != DUPLEX_PASS_RELOAD;
  passes_clock(&a->stream_passes, sequencer->pass, &sequencer->to, step->stream.take);
  passes_clock(&a->tiles_passes, to_tiles, &sequencer->to, step->tiles.take);
  results_clock(&a->results, sequencer->record && sequencer->begins_result, &sequencer->result, result_start);
}

// The edge of the units behind the sequencer. Each one sees what the others showed before the edge: a unit
// that looks at another one's state comes before it.
static void units_clock(struct attention_timing *a, const struct attention_in *in,
                        const struct sequencer_step *sequencer, const struct attention_step *step) {
  const struct stream_step *stream = &step->stream;
  const struct tiles_step *tiles = &step->tiles;
  const struct attention_pass stream_head = a->stream_passes.pass[0];
  const struct attention_pass tiles_head = a->tiles_passes.pass[0];
  const struct score_row row = score_row_of(a, stream);
  const bool maximum_taken = tiles->take && tiles_head.kind == DUPLEX_PASS_CONTEXT && tiles_head.begins;
  const bool joined = maximum_goes_back(&a->score, &a->maximum_join);
  const unsigned words = a->sequencer.queue[a->sequencer.at % DUPLEX_ATTENTION_QUEUE].words;
  const bool known = sequencer_knows_written(&a->sequencer, a->writer.done);
  score_writer_clock(&a->writer, sequencer->scores ? &words : NULL, a->score.stored >> 1 & 1,
                     step->writer_reads, known);
  rows_clock(a, sequencer, stream, in->scores_written);
  attention_stream_clock(&a->stream, &stream_head, stream);
  attention_tiles_clock(&a->tiles, &tiles_head, tiles, stream->q_done, stream->l_done);
  maximum_join_clock(&a->maximum_join, &a->score, &in->below, &in->above, maximum_taken);
  attention_join_clock(&a->join, stream->joins_row, stream->gives_row, in->below.row_up, in->above.row_taken);
  score_path_clock(&a->score, stream->take && stream_head.kind == DUPLEX_PASS_SCORE, &row, stream->load_end,
                   maximum_taken || joined);
  fifos_clock(a, sequencer, step, in->result_start);
}

void attention_clock(struct attention_timing *a, const struct attention_in *in) {
  const struct sequencer_step sequencer = sequencer_step_of(a);
  const struct attention_step step = look(a, in);
  const struct sequencer_in sequencer_in = {.read_ready = in->read_ready,
                                            .record = sequencer.record,
                                            .joined = maximum_goes_back(&a->score, &a->maximum_join),
                                            .unwritten = a->unwritten != 0,
                                            .written = a->writer.done,
                                            .push = in->push};
  units_clock(a, in, &sequencer, &step);
  sequencer_clock(&a->sequencer, &sequencer_in);
  a->active = in->push != NULL || (a->active && !in->job_valid);
}
