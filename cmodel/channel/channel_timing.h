// A channel clock by clock, without the data: rtl/channel with the same units and the same clocks. What it
// computes is channel.c's.
#ifndef DUPLEX_CMODEL_CHANNEL_TIMING_H
#define DUPLEX_CMODEL_CHANNEL_TIMING_H

#include "cmodel/attention/attention_timing.h"
#include "cmodel/dram/bundle_controller.h"

#define READ_CREDITS 32u

// The fields of a descriptor that units of a channel and of the stack use.
struct job_timing {
  bool load, bus, exponents, two_groups, two_streams;
  enum duplex_bus_word kind;
  unsigned format, k_tiles, k_last, block_rows, blocks;
  unsigned src_base, src_stripe, src_stride, dst_base, dst_stripe, dst_stride;
  uint32_t x_address, x_stride, dst_address, dst_group, tile_step;
};

// rtl/common/ram_fifo.v: what goes in is at the output two clocks later.
struct ram_fifo {
  uint32_t write, read, mark;
  bool valid;
};

static inline void ram_fifo_clock(struct ram_fifo *f, bool push, bool pop, bool mark, bool rewind) {
  if (mark) f->mark = f->read;
  f->read = rewind ? f->mark : f->read + pop;
  f->valid = f->read != f->write;
  f->write += push;
}

struct result_marks {
  bool end, single, parity;
};

struct stream_request {
  enum { REQUEST_IDLE, REQUEST_ROWS, REQUEST_MULTIPLY, REQUEST_ASK } state;
  uint32_t left, columns;
  uint16_t base;
  unsigned step, rows;
};

struct weight_stream {
  enum { STREAM_IDLE, STREAM_HEADER, STREAM_BEATS, STREAM_PAD } state;
  bool load, row_end, group_end, last_k, half, over;
  uint32_t left;
  unsigned rows, row, sum_row, k, place;
};

struct tile_gate {
  unsigned words, word, tile;  // in its FIFO; next of a tile; tiles of the block after this one
  uint32_t left;
  bool drop;
};

struct gemm_timing {
  bool in_use, loaded;
  unsigned word;
  uint32_t sums, ends;  // last beats on their way, one bit a clock
};

struct drain_timing {
  uint32_t rounding, ends;
  unsigned held, acc_left;
  bool acc_end;
};

struct write_path {
  unsigned words;
  bool fill, end;
  uint32_t block, address, stride;
  uint8_t stripe;
};

struct bus_word {
  uint8_t channel, kind;
  bool last, single, parity;
  uint32_t address;  // 16-byte units
};

struct bus_port {
  struct result_marks word[2];
  unsigned count, kind, word_of_tile;
  bool two_groups, second_group, out;
  uint32_t group, block, address, rows, tile_step;
};

struct channel_counters {
  uint64_t rows, columns_read, columns_written, beats, starved, no_tile, no_room;
};

struct channel_timing {
  struct bundle_controller controller;
  struct stream_request request;
  struct ram_fifo weights;
  bool second_out, second_in, credit;
  struct weight_stream stream;
  struct tile_gate gate;
  struct gemm_timing gemm;
  struct drain_timing drain;
  struct {
    bool busy, upper, word;
    uint32_t beats;
  } load;
  unsigned free;  // words of the result buffer
  bool pause;
  struct ram_fifo results;
  struct result_marks marks[DUPLEX_RESULT_WORDS];
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
  uint8_t xpu_act_request, xpu_ref;
  const struct attention_entry *segment;  // of ATTENTION, NULL: none comes
  struct attention_links below, above;    // of the neighbouring channels
};

struct channel_out {
  bool front_busy, older_busy, busy;
  uint8_t xpu_act_grant, open;
  struct bus_word word;  // the one that is taken, if bus_ready
};

void channel_timing_reset(struct channel_timing *c, const struct duplex_dram_timing *timing);

static inline bool channel_word_ready(const struct channel_timing *c) { return c->gate.words != 2; }
static inline bool channel_bus_valid(const struct channel_timing *c) { return c->port.count != 0; }
static inline bool channel_bus_load(const struct channel_timing *c) {
  return c->port.kind >= DUPLEX_BUS_WORD_LOAD;
}

// One clock; the command pins of the clock are in c->controller.pins before the call.
void channel_timing_clock(struct channel_timing *c, const struct job_timing *job, const struct channel_in *in,
                          struct channel_out *out);

// weight_reading.c: stream_request and weight_stream
struct beat {
  bool go, issue, drop, last, row_end, group_end, turn_end, mark, rewind, leaves, tile_end;
};
void stream_request_clock(struct stream_request *r, const struct job_timing *job, bool start, uint32_t count,
                          bool ready);
struct beat weight_stream_beat(const struct weight_stream *s, const struct job_timing *job, bool weight_valid,
                               bool room, bool beat_ready);
void weight_stream_clock(struct weight_stream *s, const struct job_timing *job, bool start, uint32_t rows,
                         const struct beat *beat);

// results.c: drain, result_room, write_path, bus_port
struct drain_word {
  bool valid;
  struct result_marks marks;
};
// A row of f16 that is made elsewhere.
struct drain_row {
  bool valid, end;
};
struct drain_word drain_word(const struct drain_timing *d, unsigned format, struct drain_row row);
void drain_clock(struct drain_timing *d, unsigned format, struct drain_row row, bool sum, bool end);
// Where the results of a job or of a pair go.
struct write_start {
  uint32_t column, stride;
  uint8_t stripe;
};
// `start`: NULL if none begins.
void write_path_clock(struct write_path *w, const struct write_start *start, bool take, bool end, bool ready);
void bus_port_start(struct bus_port *p, const struct job_timing *job, uint32_t address, uint32_t count);
void bus_port_clock(struct bus_port *p, bool push, const struct result_marks *marks, bool taken,
                    struct bus_word *word);

#endif
