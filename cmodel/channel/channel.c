// A channel clock by clock, as rtl/channel/channel.v with tile_gate.v, load_path.v, weight_fifo.v,
// result_room.v and the stages of rtl/gemm/gemm.v.
#include "cmodel/channel/channel.h"

#include <string.h>

enum { HANDOVER = 16, GEMM_LATENCY = 6 };

void channel_timing_reset(struct channel_timing *c, const struct duplex_dram_timing *timing) {
  memset(c, 0, sizeof *c);
  bundle_controller_reset(&c->controller, timing, READ_CREDITS);
  attention_timing_reset(&c->attention);
  c->free = DUPLEX_RESULT_WORDS;
}

static unsigned tiles_of_block(const struct job_timing *job) {
  return job->two_groups ? 2 * job->k_tiles : job->k_tiles;
}

// The tile words: FIFO, those of blocks without rows here dropped. Returns whether a word goes to the GEMM
// module.
static bool tile_gate_clock(struct tile_gate *g, const struct job_timing *job, bool start, uint32_t rows,
                            bool word_valid, bool tile_ready) {
  const bool valid = g->words != 0, take = valid && (g->drop || tile_ready), to_gemm = take && !g->drop;
  g->words += (unsigned)(word_valid && g->words != 2) - (unsigned)take;
  if (start) {
    *g = (struct tile_gate){
        .words = g->words, .tile = tiles_of_block(job) - 1, .left = rows, .drop = rows == 0};
  } else if (take && ++g->word == DUPLEX_TILE_WORDS) {
    g->word = 0;
    if (g->tile--) return to_gemm;
    g->tile = tiles_of_block(job) - 1;
    const bool more = g->left > job->block_rows;
    g->left = more ? g->left - job->block_rows : 0;
    g->drop = !more;
  }
  return to_gemm;
}

// `release`: a beat goes that is the last to use its tile; `emit`: one that is the last of its row.
static void gemm_clock(struct gemm_timing *g, bool load_word, bool release, bool emit, bool end) {
  const bool take_tile = g->loaded && !g->in_use, load_last = load_word && g->word == DUPLEX_TILE_WORDS - 1;
  g->word = (g->word + load_word) % DUPLEX_TILE_WORDS;
  g->in_use = (g->in_use || take_tile) && !release;
  g->loaded = load_last || (g->loaded && !take_tile);
  g->sums = g->sums << 1 | emit;
  g->ends = g->ends << 1 | end;
}

// Words of the result buffer that a row takes when its last beat goes.
static unsigned words_of_row(const struct channel_timing *c, const struct job_timing *job) {
  const unsigned format = job->bus ? DUPLEX_RESULT_FORMAT_F32 : job->format,
                 place = job->bus ? c->stream.row : c->stream.sum_row;
  if (format == DUPLEX_RESULT_FORMAT_ACC) return 2;
  return format == DUPLEX_RESULT_FORMAT_F32 ? place % 2 == 0 : place % 4 == 0;
}

static void load_clock(struct channel_timing *c, bool start, uint32_t tiles, bool go) {
  const bool pop = go && c->load.upper;
  c->load.word = go;
  if (start) {
    c->load.busy = tiles != 0;
  } else if (pop && c->load.beats == 1) {
    c->load.busy = false;
  }
  if (go) c->load.upper = !c->load.upper;
  if (start) {
    c->load.beats = tiles * DUPLEX_LANES;
  } else if (pop) {
    c->load.beats--;
  }
}

static void count(struct channel_timing *c, const struct beat *beat, const struct attention_out *attention,
                  bool weight_valid, bool room, bool beat_ready, bool beat_in, bool written) {
  struct channel_counters *n = &c->counters;
  const bool beats = c->stream.state == STREAM_BEATS;
  n->rows += c->gemm.sums >> (GEMM_LATENCY - 1) & 1;
  n->columns_read += c->second_in & beat_in;
  n->columns_written += written;
  n->beats += beat->issue || attention->issue;
  n->starved += (beats && beat_ready && !weight_valid) || attention->starved;
  n->no_tile += (beats && !beat_ready && weight_valid) || attention->no_tile;
  n->no_room += (beats && beat_ready && weight_valid && c->stream.last_k && !room) || attention->no_room;
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

void channel_timing_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                          struct channel_out *out) {
  // What the units show in this clock.
  const bool weight_valid = c->weights.valid, room = c->free >= 2 && !c->pause && c->handover == 0;
  const bool beat_ready = c->gemm.in_use || c->gemm.loaded, tile_ready = !c->gemm.loaded || !c->gemm.in_use;
  const struct beat beat = weight_stream_beat(&c->stream, job, weight_valid, room, beat_ready);
  const bool load_go = c->load.busy && weight_valid && room, load_pop = load_go && c->load.upper;
  struct attention_timing *a = &c->attention;
  const bool attends = a->active || in->segment;
  struct attention_in attention_in = {.weight_valid = weight_valid,
                                      .beat_ready = beat_ready,
                                      .tile_ready = tile_ready,
                                      .room = room,
                                      .job_valid = in->job_valid,
                                      .result_start = a->active && a->results.count && !c->results_open,
                                      .push = in->segment,
                                      .below = in->below,
                                      .above = in->above};
  struct attention_out attention = {0};
  if (attends) attention_look(a, &attention_in, &attention);
  const bool active = a->active;
  const struct attention_result result = a->results.result[0];
  const struct drain_row row_of_o = {attention.row_valid, attention.row_ends};
  const unsigned drain_format = active ? DUPLEX_RESULT_FORMAT_F16 : c->drain_format;
  const struct drain_word drained = drain_word(&c->drain, drain_format, row_of_o);
  const struct result_marks head = c->marks[c->results.read % DUPLEX_RESULT_WORDS];
  const bool back_valid = c->results.valid && head.parity == c->back && !c->back_start;
  const bool write_full = c->write.words == 4;
  const bool bus = c->back_bus && !active, open = active ? c->results_open : !c->back_bus;
  const bool pop = back_valid && (bus ? c->port.count != 2 : open && !write_full && !c->write.fill);
  const bool to_bus = pop && bus, to_write = pop && !bus;
  const bool moving = in->job_valid || c->request.state != REQUEST_IDLE || c->stream.state != STREAM_IDLE ||
                      c->stream.load || c->load.busy || c->load.word;
  const bool left = c->back_start || back_valid || c->popped || c->write.words || c->port.count ||
                    c->port.out || write_full;

  const struct bundle_controller_in dram_in = {
      .read_valid = c->request.state == REQUEST_ASK || attention.read_valid,
      .read_credit = c->credit,
      .write_valid = write_full,
      .write_urgent = c->free < DUPLEX_RESULT_WORDS / 3 || c->front != c->back || c->back_start,
      .write_now = c->free < 2,
      .xpu_act_request = in->xpu_act_request,
      .xpu_ref = in->xpu_ref,
      .read_stripe = attention.read_valid ? attention.read_stripe : (uint8_t)job->src_stripe,
      .write_stripe = c->write.stripe,
      .read_base = attention.read_valid ? a->sequencer.base : c->request.base,
      .read_columns = attention.read_valid ? attention.read_columns : c->request.columns,
      .write_column = c->write.address & ((1u << (16 + DUPLEX_COLUMN_BITS)) - 1)};
  struct bundle_controller_out dram;
  bundle_controller_clock(&c->controller, &dram_in, &dram);

  out->front_busy = moving || c->moving;
  out->older_busy = c->front != c->back || c->back_start;
  out->busy = out->front_busy || c->tail || out->older_busy || left || c->left || attention.busy ||
              c->results_open || !dram.idle;
  out->word.parity = c->back;
  out->xpu_act_grant = dram.xpu_act_grant;
  out->open = dram.open;
  count(c, &beat, &attention, weight_valid, room, beat_ready, dram.read_beat_valid,
        write_full && dram.write_ready);

  // The edge.
  const bool push = drained.valid || c->load.word || attention.word;
  if (push)
    c->marks[c->results.write % DUPLEX_RESULT_WORDS] =
        (struct result_marks){attention.word ? attention.word_end : drained.marks.end && !c->load.word,
                              drained.marks.single && !c->load.word, c->drain_parity};
  ram_fifo_clock(&c->results, push, pop, false, false);
  bus_port_clock(&c->port, to_bus, &head, in->bus_ready, &out->word);
  const bool written = write_full && dram.write_ready && c->write.end, start_o = attention_in.result_start;
  const struct write_start start = {.column = start_o ? result.column : job->dst_base * DUPLEX_COLUMNS,
                                    .stride = job->dst_stride,
                                    .stripe = start_o ? result.stripe : (uint8_t)job->dst_stripe};
  write_path_clock(&c->write, c->back_start || start_o ? &start : NULL, to_write, head.end, dram.write_ready);
  attention_in.scores_written = written && c->results_open && c->scores_open;
  if (start_o) c->scores_open = result.scores;
  c->results_open = start_o || (c->results_open && !written);
  if (c->back_start) bus_port_start(&c->port, job, c->first_address, c->count);
  const bool row = beat.issue && beat.last;
  c->free += (unsigned)pop - (row             ? words_of_row(c, job)
                              : attention.row ? attention.row_place == 0
                                              : load_go || attention.word_reserve);
  c->pause = row && !job->bus && job->format == DUPLEX_RESULT_FORMAT_ACC;
  const bool sum = c->gemm.sums >> (GEMM_LATENCY - 1) & 1;
  drain_clock(&c->drain, drain_format, row_of_o, sum && !active, c->gemm.ends >> (GEMM_LATENCY - 1) & 1);
  const bool to_gemm =
      tile_gate_clock(&c->gate, job, in->job_valid && !job->load, in->count, in->word_valid, tile_ready);
  gemm_clock(&c->gemm, to_gemm || attention.tile,
             (beat.issue && beat.row_end) || (attention.issue && attention.row_end),
             (beat.issue && beat.last) || (attention.issue && attention.emits),
             beat.row_end && (beat.group_end || job->bus));
  const bool leaves = beat.leaves || load_pop || attention.weight_pop;
  ram_fifo_clock(&c->weights, dram.read_beat_valid,
                 beat.issue || beat.drop || load_pop || attention.weight_pop, beat.mark, beat.rewind);
  c->credit = c->second_out && leaves;
  c->second_out ^= leaves;
  c->second_in ^= dram.read_beat_valid;
  weight_stream_clock(&c->stream, job, in->job_valid && !job->load, in->count, &beat);
  load_clock(c, in->job_valid && job->load, in->count & 0x7ff, load_go);
  stream_request_clock(&c->request, job, in->job_valid, in->count, dram.read_ready);
  attention_in.read_ready = dram.read_ready;
  if (attends) attention_clock(a, &attention_in);
  c->popped = pop;
  jobs_clock(c, job, in, moving, left);
}
