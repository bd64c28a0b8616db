// Decode attention of one channel clock by clock, without the data: rtl/attention with the same units and the
// same clocks. What it computes is cmodel/channel/attention.c's.
#ifndef DUPLEX_CMODEL_ATTENTION_TIMING_H
#define DUPLEX_CMODEL_ATTENTION_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "cmodel/common/channel_share.h"
#include "duplex/enumerations.h"
#include "duplex/params.h"

#ifdef __cplusplus
extern "C" {
#endif

// A descriptor in the queue: what it asks of this channel. `below`, `above`: the head has a member before
// this channel, behind it.
struct attention_entry {
  uint16_t k_base, v_base, v_stride, q_base, o_base, stride;
  uint8_t kv_stripe, qo_stripe;
  unsigned last_position, sixteens, mode, row_block, lanes, words, slots;
  bool first, last, below, above;
};

// What the units behind the sequencer know of a pass; flags as in rtl/attention/attention_sequencer.v.
struct attention_pass {
  enum duplex_pass kind;
  unsigned blocks, rest, k_last, rows,
      lanes;  // blocks after the first (L: words); positions of the last one and rows of V, less one
  bool first, last, keep, final, begins, store, back, below, above;
};

struct attention_result {  // where a pair's results, or a segment's scores, go
  uint32_t column;
  uint8_t stripe;
  bool scores;
};

#define ATTENTION_FIFO 4

// rtl/common/fifo.v of passes or results.
struct pass_fifo {
  struct attention_pass pass[ATTENTION_FIFO];
  unsigned count;
};
struct result_fifo {
  struct attention_result result[ATTENTION_FIFO];
  unsigned count;
};

struct attention_sequencer {
  enum {
    SEQUENCER_CHOOSE,
    SEQUENCER_LOAD,
    SEQUENCER_ADDRESS,
    SEQUENCER_RECORD,
    SEQUENCER_ASK,
    SEQUENCER_NEXT
  } state;
  enum duplex_pass kind;
  struct attention_entry queue[DUPLEX_ATTENTION_QUEUE];
  unsigned next, score_index, oldest, at;  // of the queue, modulo 16
  unsigned score_slot, slot, pending, older, newer, row_block, step, blocks, k;
  uint16_t base;
  bool q_ready, begins, open, joining, writing;
};

struct attention_stream {
  enum { ATTENTION_IDLE, ATTENTION_LOAD_Q, ATTENTION_BEATS, ATTENTION_PAD, ATTENTION_LOAD_SCORES } state;
  struct attention_pass pass;
  unsigned blocks, k, row, row_last, q, word, spacing;
};

// What a pair's maximum is for: back to the running maxima, to be joined with the members below and above.
struct maximum_mark {
  bool back, below, above;
};

// A row of scores on its way from its last beat to the slice.
struct score_row {
  bool valid, end, last, store;
  uint8_t lanes;
  struct maximum_mark mark;
};

#define SCORE_STAGES 12  // GEMM module, rounding, scaling

struct score_path {
  struct score_row rows[SCORE_STAGES];
  unsigned records, position, maxima;
  bool write;
  uint32_t stored;  // passes whose scores go to DRAM, one bit a clock
  struct {
    bool valid;
    struct maximum_mark mark;
  } complete[2];
  struct maximum_mark maximum[2];  // FIFO, `maxima` of them
};

struct maximum_join {
  enum { JOIN_IDLE, JOIN_FROM_BELOW, JOIN_TO_ABOVE, JOIN_FROM_ABOVE, JOIN_TO_BELOW, JOIN_DONE } state;
};

struct score_writer {
  unsigned words, stored;
  bool busy, done, word, end;
};

struct attention_join {
  unsigned there, room;   // rows from below not spoken for, room above
  uint32_t taken, given;  // rows that take one from below, that go above, on their way from their last beat,
                          // one bit a clock
};

// What a channel shows to the members below and above in a clock.
struct attention_links {
  bool maximum_up, takes_from_below, maximum_down, takes_from_above, row_up, row_taken;
};

struct attention_tiles {
  enum { TILES_IDLE, TILES_SCORES, TILES_CONTEXT } state;
  struct attention_pass pass;
  unsigned blocks, k, word, position, l_count, room, weights;
  bool q_ready, q_word, told;
  uint32_t words;  // of weights on their way, one bit a clock
  struct {
    uint32_t write, read;
    bool valid;
  } fifo;
};

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

// ATTENTION as the queue keeps it.
struct attention_entry attention_entry_of(const uint32_t *descriptor, const struct attention_share *share);

void attention_timing_reset(struct attention_timing *a);
bool attention_room(const struct attention_timing *a);
struct attention_links attention_show(const struct attention_timing *a);
// What is at the outputs in this clock (`read_ready` and `result_start` have no part in it), and the edge
// behind it.
void attention_look(const struct attention_timing *a, const struct attention_in *in,
                    struct attention_out *out);
void attention_clock(struct attention_timing *a, const struct attention_in *in);

// attention_sequencer.c
unsigned sequencer_columns(const struct attention_sequencer *s);
uint8_t sequencer_stripe(const struct attention_sequencer *s);
bool sequencer_busy(const struct attention_sequencer *s);
// Whether a record goes to the units behind in this clock; `result` is filled if a pair's results begin with
// it.
bool sequencer_record(const struct attention_timing *a, struct attention_pass *pass, bool *begins_result,
                      struct attention_result *result);
// What the other units of attention tell the sequencer.
struct sequencer_in {
  bool read_ready, record, joined, unwritten, written;  // written: the writer has read all
  const struct attention_entry *push;
};
bool sequencer_knows_written(const struct attention_sequencer *s, bool written);
void sequencer_clock(struct attention_sequencer *s, const struct sequencer_in *in);

// attention_stream.c
struct stream_step {
  bool take, go, issue, emits, row_end, tile_end, end_mark, pad, q_write, q_done, has_room, l_done, row,
      joins_row, gives_row;
  bool load, load_word, load_end;  // L: half a beat, with a word for the slice, the last one
};
struct stream_step stream_look(const struct attention_timing *a, const struct attention_in *in);
void attention_stream_clock(struct attention_stream *s, const struct attention_pass *head,
                            const struct stream_step *step);

// attention_tiles.c
struct tiles_step {
  bool take, q_word, position, begins_word, read, word_valid, pop;
};
struct tiles_step tiles_look(const struct attention_timing *a, bool tile_ready, bool load_word);
void attention_tiles_clock(struct attention_tiles *t, const struct attention_pass *head,
                           const struct tiles_step *step, bool q_done, bool l_done);

// score_path.c
bool score_path_empty(const struct score_path *s);
void score_path_clock(struct score_path *s, bool start, const struct score_row *row, bool load_end,
                      bool maximum_taken);

// score_writer.c. words: of the segment that is taken, NULL: none is.
bool writer_ready(const struct score_writer *w);
bool writer_reads(const struct score_writer *w, bool room, bool slice_busy);
void score_writer_clock(struct score_writer *w, const unsigned *words, bool stored, bool read, bool known);

// maximum_join.c: whether the oldest pair's maximum may be taken for its context; whether it goes back in
// this clock.
bool maximum_ready(const struct score_path *s, const struct maximum_join *j);
bool maximum_goes_back(const struct score_path *s, const struct maximum_join *j);
void maximum_join_clock(struct maximum_join *j, const struct score_path *s,
                        const struct attention_links *below, const struct attention_links *above, bool taken);

// attention_join.c
bool join_row_goes_up(const struct attention_join *j);
bool join_row_taken(const struct attention_join *j);
void attention_join_clock(struct attention_join *j, bool take, bool give, bool row_from_below,
                          bool taken_above);

#ifdef __cplusplus
}
#endif

#endif
