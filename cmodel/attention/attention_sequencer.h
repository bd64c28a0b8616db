// SPDX-License-Identifier: Apache-2.0
// The order of the passes of a channel's attention, as rtl/attention/attention_sequencer.v.
#ifndef DUPLEX_CMODEL_ATTENTION_SEQUENCER_H
#define DUPLEX_CMODEL_ATTENTION_SEQUENCER_H

#include <stdbool.h>
#include <stdint.h>

#include "cmodel/attention/attention_pass.h"
#include "cmodel/attention/attention_queue.h"
#include "duplex/params.h"

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

unsigned sequencer_columns(const struct attention_sequencer *s);
uint8_t sequencer_stripe(const struct attention_sequencer *s);
bool sequencer_busy(const struct attention_sequencer *s);
// Room for a record in the units behind.
struct sequencer_room {
  bool passes, results, writer, rows_open;  // rows_open: a pair's results have still to come
};
// Whether a record goes to the units behind in this clock; `result` is filled with where results go that
// begin with it.
bool sequencer_record(const struct attention_sequencer *s, const struct sequencer_room *room,
                      struct attention_pass *pass, bool *begins_result, struct attention_result *result);
// What the other units of attention tell the sequencer.
struct sequencer_in {
  bool read_ready, record, joined, unwritten, written;  // written: the writer has read all
  const struct attention_entry *push;
};
bool sequencer_knows_written(const struct attention_sequencer *s, bool written);
void sequencer_clock(struct attention_sequencer *s, const struct sequencer_in *in);

#endif
