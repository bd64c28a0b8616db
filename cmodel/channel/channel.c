// SPDX-License-Identifier: Apache-2.0
// A channel clock by clock, as rtl/channel/channel.v: its units put together. Where `active` of attention
// decides, rtl/channel/unit_share.v does.
#include "cmodel/channel/channel.h"

#include <string.h>

enum { HANDOVER = 16, WRITE_WORDS = DUPLEX_COLUMN_BYTES / DUPLEX_WORD_BYTES };

void channel_timing_reset(struct channel_timing *c, const struct duplex_dram_timing *timing) {
  memset(c, 0, sizeof *c);
  bundle_controller_reset(&c->controller, timing, READ_CREDITS);
  attention_timing_reset(&c->attention);
  c->room.free = DUPLEX_RESULT_WORDS;
}

// Words of the result buffer that a row takes when its last beat goes.
static unsigned words_of_row(const struct channel_timing *c, const struct job_timing *job) {
  const unsigned format = job->bus ? DUPLEX_RESULT_FORMAT_F32 : job->format;
  const unsigned place = job->bus ? c->stream.row : c->stream.sum_row;
  if (format == DUPLEX_RESULT_FORMAT_ACC) return 2;
  return format == DUPLEX_RESULT_FORMAT_F32 ? place % 2 == 0 : place % 4 == 0;
}

// Which job's results drain, and which one the write path or the bus port serves.
static void jobs_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                       bool moving, bool left) {
  const bool turns = c->front != c->back && c->handover == 0 && !left && !c->left;
  c->moving = moving;
  c->tail = moving ? HANDOVER : c->tail - (c->tail != 0);
  if (c->handover == 1) {
    c->drain_parity = c->front;
    c->drain_format = job->bus ? DUPLEX_RESULT_FORMAT_F32 : job->format;
  }
  c->handover = in->job_valid ? HANDOVER : c->handover - (c->handover != 0);
  if (c->back_start) c->back_bus = job->bus;
  c->back_start = turns;
  if (turns) c->back = c->front;
  if (in->job_valid) {
    c->front = !c->front;
    c->count = in->count;
    c->first_address = in->first_address;
  }
  c->left = left;
}

// What the units show in a clock, before its edge.
struct channel_step {
  bool weight_valid, room, beat_ready, tile_ready;
  struct beat beat;
  bool load_go, load_pop;  // half a beat of a LOAD, the second one
  bool attends;            // attention has something to do
  struct attention_in attention_in;
  struct attention_out attention;
  struct attention_result result;  // where the results of attention begin that come next
  unsigned drain_format;
  struct drain_row row_of_o;
  struct drain_word drained;
  struct result_marks head;  // of the result buffer
  bool to_bus, to_write;     // where its word goes
  bool write_full;
  bool moving, left;  // something moves before the result buffer, behind it
};

// Where the word at the head of the result buffer goes.
static void look_at_results(const struct channel_timing *c, struct channel_step *step) {
  const bool active = c->attention.active;
  step->head = result_buffer_head(&c->results);
  step->write_full = c->write.words == WRITE_WORDS;
  const bool valid = c->results.words.valid && step->head.parity == c->back && !c->back_start;
  const bool open = active ? c->results_open : !c->back_bus;
  step->to_bus = valid && c->back_bus && !active && c->port.count != 2;
  step->to_write = valid && (active || !c->back_bus) && open && !step->write_full && !c->write.fill;
  step->left = c->back_start || valid || c->popped || c->write.words || c->port.count || c->port.out;
}

// Looks at all units.
static struct channel_step look(const struct channel_timing *c, const struct job_timing *job,
                                const struct channel_in *in) {
  const struct attention_timing *a = &c->attention;
  struct channel_step step = {.weight_valid = c->weights.beats.valid,
                              .room = result_room_there(&c->room) && c->handover == 0,
                              .beat_ready = c->gemm.in_use || c->gemm.loaded,
                              .tile_ready = !c->gemm.loaded || !c->gemm.in_use,
                              .attends = a->active || in->segment,
                              .result = a->results.result[0]};
  step.beat = weight_stream_beat(&c->stream, job, step.weight_valid, step.room, step.beat_ready);
  step.load_go = c->load.busy && step.weight_valid && step.room;
  step.load_pop = step.load_go && c->load.upper;
  step.attention_in = (struct attention_in){.weight_valid = step.weight_valid,
                                            .beat_ready = step.beat_ready,
                                            .tile_ready = step.tile_ready,
                                            .room = step.room,
                                            .job_valid = in->job_valid,
                                            .result_start = a->active && a->results.count && !c->results_open,
                                            .push = in->segment,
                                            .below = in->below,
                                            .above = in->above};
  if (step.attends) attention_look(a, &step.attention_in, &step.attention);
  step.row_of_o = (struct drain_row){step.attention.row_valid, step.attention.row_ends};
  step.drain_format = a->active ? DUPLEX_RESULT_FORMAT_F16 : c->drain_format;
  step.drained = drain_word(&c->drain, step.drain_format, step.row_of_o);
  look_at_results(c, &step);
  step.moving = in->job_valid || c->request.state != REQUEST_IDLE || c->stream.state != STREAM_IDLE ||
                c->stream.load || c->load.busy || c->load.word;
  return step;
}

// The clock of the DRAM controller.
static struct bundle_controller_out dram_clock(struct channel_timing *c, const struct job_timing *job,
                                               const struct channel_in *in, const struct channel_step *step) {
  const struct attention_out *a = &step->attention;
  const struct bundle_controller_in dram_in = {
      .read_valid = c->request.state == REQUEST_ASK || a->read_valid,
      .read_credit = c->weights.credit,
      .write_valid = step->write_full,
      .write_urgent = c->room.free < DUPLEX_RESULT_WORDS / 3 || c->front != c->back || c->back_start,
      .write_now = c->room.free < 2,
      .xpu_row_request = in->xpu_row_request,
      .xpu_ref = in->xpu_ref,
      .read_stripe = a->read_valid ? a->read_stripe : (uint8_t)job->src_stripe,
      .write_stripe = c->write.stripe,
      .read_base = a->read_valid ? c->attention.sequencer.base : c->request.base,
      .read_columns = a->read_valid ? a->read_columns : c->request.columns,
      .read_runs = a->read_valid ? (struct read_runs){0} : c->request.runs,
      .write_column = c->write.address & ((1u << (16 + DUPLEX_COLUMN_BITS)) - 1)};
  struct bundle_controller_out dram;
  bundle_controller_clock(&c->controller, &dram_in, &dram);
  return dram;
}

// The counters of the channel for this clock; looks at the units before their edge.
static void count(struct channel_timing *c, const struct channel_step *step,
                  const struct bundle_controller_out *dram) {
  const struct attention_out *a = &step->attention;
  const bool beats = c->stream.state == STREAM_BEATS;
  const bool valid = step->weight_valid;
  const bool ready = step->beat_ready;
  const struct channel_events events = {
      .row = gemm_sum(&c->gemm),
      .column_read = c->weights.second_in && dram->read_beat_valid,
      .column_written = step->write_full && dram->write_ready,
      .beat = step->beat.issue || a->issue,
      .starved = (beats && ready && !valid) || a->starved,
      .no_tile = (beats && !ready && valid) || a->no_tile,
      .no_room = (beats && ready && valid && c->stream.last_k && !step->room) || a->no_room};
  performance_clock(&c->counters, &events);
}

// What the stack sees.
static void show(const struct channel_timing *c, const struct channel_step *step,
                 const struct bundle_controller_out *dram, struct channel_out *out) {
  out->front_busy = step->moving || c->moving;
  out->older_busy = c->front != c->back || c->back_start;
  out->busy = out->front_busy || c->tail || out->older_busy || step->left || step->write_full || c->left ||
              step->attention.busy || c->results_open || !dram->idle;
  out->word.parity = c->back;
  out->xpu_row_grant = dram->xpu_row_grant;
  out->open = dram->open;
}

// Results: buffer, bus port and write path. Returns whether the last column of a block was written.
static bool results_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                          const struct channel_step *step, bool write_ready, struct bus_word *word) {
  const struct attention_out *a = &step->attention;
  const bool written = step->write_full && write_ready && c->write.end;
  const bool start_o = step->attention_in.result_start;
  const bool push = step->drained.valid || c->load.word || a->word;
  const struct result_marks marks = {.end = a->word ? a->word_end : step->drained.marks.end && !c->load.word,
                                     .single = step->drained.marks.single && !c->load.word,
                                     .parity = c->drain_parity};
  result_buffer_clock(&c->results, push ? &marks : NULL, step->to_bus || step->to_write);
  bus_port_clock(&c->port, step->to_bus, &step->head, in->bus_ready, word);
  const struct write_start start = {.column = start_o ? step->result.column : job->dst_base * DUPLEX_COLUMNS,
                                    .stride = job->dst_stride,
                                    .stripe = start_o ? step->result.stripe : (uint8_t)job->dst_stripe};
  write_path_clock(&c->write, c->back_start || start_o ? &start : NULL, step->to_write, step->head.end,
                   write_ready);
  if (c->back_start) bus_port_start(&c->port, job, c->first_address, c->count);
  return written;
}

// Words of the result buffer that are spoken for in this clock.
static unsigned words_taken(const struct channel_timing *c, const struct job_timing *job,
                            const struct channel_step *step) {
  if (step->beat.issue && step->beat.last) return words_of_row(c, job);
  if (step->attention.row) return step->attention.row_place == 0;
  return step->load_go || step->attention.word_reserve;
}

// From tiles and beats to sums.
static void beats_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                        const struct channel_step *step, const struct bundle_controller_out *dram) {
  const struct beat *beat = &step->beat;
  const struct attention_out *a = &step->attention;
  const bool gemm_starts = in->job_valid && !job->load;
  drain_clock(&c->drain, step->drain_format, step->row_of_o, gemm_sum(&c->gemm) && !c->attention.active,
              gemm_end(&c->gemm));
  const bool to_gemm =
      tile_gate_clock(&c->gate, job, gemm_starts, in->count, in->word_valid, step->tile_ready);
  gemm_stages_clock(&c->gemm, to_gemm || a->tile, (beat->issue && beat->row_end) || (a->issue && a->row_end),
                    (beat->issue && beat->last) || (a->issue && a->emits),
                    beat->row_end && (beat->group_end || job->bus));
  weight_fifo_clock(&c->weights, dram->read_beat_valid,
                    beat->issue || beat->drop || step->load_pop || a->weight_pop, beat->mark, beat->rewind,
                    beat->leaves || step->load_pop || a->weight_pop);
  weight_stream_clock(&c->stream, job, gemm_starts, in->count, beat);
  load_path_clock(&c->load, in->job_valid && job->load, in->count & 0x7ff, step->load_go);
  stream_request_clock(&c->request, job, in->job_valid, in->count, dram->read_ready);
}

void channel_rest_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                        struct channel_out *out) {
  static const struct channel_step none;
  const struct bundle_controller_out dram = dram_clock(c, job, in, &none);
  *out = (struct channel_out){.xpu_row_grant = dram.xpu_row_grant, .open = dram.open};
}

void channel_timing_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                          struct channel_out *out) {
  struct channel_step step = look(c, job, in);
  const struct bundle_controller_out dram = dram_clock(c, job, in, &step);
  show(c, &step, &dram, out);
  count(c, &step, &dram);
  // The edge.
  const bool pop = step.to_bus || step.to_write;
  const bool start_o = step.attention_in.result_start;
  const bool row = step.beat.issue && step.beat.last;
  const unsigned taken = words_taken(c, job, &step);
  const bool written = results_clock(c, job, in, &step, dram.write_ready, &out->word);
  step.attention_in.scores_written = written && c->results_open && c->scores_open;
  step.attention_in.read_ready = dram.read_ready;
  if (start_o) c->scores_open = step.result.scores;
  c->results_open = start_o || (c->results_open && !written);
  result_room_clock(&c->room, pop, taken, row && !job->bus && job->format == DUPLEX_RESULT_FORMAT_ACC);
  beats_clock(c, job, in, &step, &dram);
  if (step.attends) attention_clock(&c->attention, &step.attention_in);
  c->popped = pop;
  jobs_clock(c, job, in, step.moving, step.left || step.write_full);
}
