// SPDX-License-Identifier: Apache-2.0
// Words from the channels to the shared buffer, as rtl/control/result_bus.v, and the activation unit as a
// delay.
#include "cmodel/control/result_bus.h"

#include <string.h>

#include "duplex/params.h"

enum { TABLE_WORDS = DUPLEX_WORD_BYTES / 32 };  // of the activation table, in a word of the bus

void result_bus_reset(struct result_bus *b) {
  memset(b, 0, sizeof *b);
  b->room = BUS_ROOM;
}

int result_bus_grant(const struct result_bus *b, uint32_t valid, uint32_t load, uint32_t interleaved) {
  const uint32_t from = valid & (~load | 1u << b->turn) & (~interleaved | 1u << b->next);
  return b->room == 0 || from == 0 ? -1 : __builtin_ctz(from);
}

static const struct activation_result *result_of(const struct result_bus *b) {
  return &b->pipe[b->pipe_head];
}

// Whether the oldest result of the activation unit goes into the word that is being gathered.
static bool joins(const struct result_bus *b) {
  const struct activation_result *result = result_of(b);
  return result->valid && b->write_valid && b->gather && b->write_word == result->unit / 4;
}

struct control_write result_bus_write(const struct result_bus *b) {
  return (struct control_write){.valid = b->write_valid && !joins(b),
                                .load_word = b->load_word,
                                .done = b->done[1],
                                .in_turn = b->done_result[1].valid && b->done_result[1].in_turn,
                                .done_parity = b->done_result[1].parity,
                                .word = b->write_word,
                                .done_channel = b->done_result[1].channel};
}

// The channel whose word of a LOAD comes next: 16 words, a tile, from each in turn; of interleaved results a
// word. `word`: the one that is taken, NULL for none.
static void turns_clock(struct result_bus *b, bool load_start, const struct bus_word *word,
                        unsigned channels) {
  if (word && word->interleaved) b->next = (b->next + 1) % channels;
  if (load_start) {
    b->turn = b->turn_word = 0;
  } else if (word && word->kind >= DUPLEX_BUS_WORD_LOAD) {
    b->turn_word = (b->turn_word + 1) % DUPLEX_TILE_WORDS;
    if (b->turn_word == 0) b->turn = (b->turn + 1) % channels;
  }
}

// Words inside, by parity.
static void inside_clock(struct result_bus *b, bool leaves_load, bool load_parity) {
  const struct activation_result *result = result_of(b);
  for (unsigned p = 0; p < 2; p++) {
    const bool enters = b->on_bus_valid && b->on_bus.parity == p;
    b->inside_busy[p] = b->inside[p] != 0 || enters;
    b->inside[p] += (unsigned)enters - (unsigned)(result->valid && result->ends && result->parity == p) -
                    (unsigned)(leaves_load && load_parity == p);
  }
}

// Parts in which a word leaves, less one: a table's in words of the table, two rows that are not one alone.
static unsigned last_part(const struct bus_word *word) {
  if (word->kind == DUPLEX_BUS_WORD_TABLE) return TABLE_WORDS - 1;
  return word->kind == DUPLEX_BUS_WORD_ROWS && !word->single;
}

void result_bus_clock(struct result_bus *b, bool load_start, const struct bus_word *word, unsigned channels) {
  const struct bus_word head = b->queue[0];
  const struct activation_result result = *result_of(b);
  const bool load = head.kind == DUPLEX_BUS_WORD_LOAD;
  const bool moves = b->queued && !(load && result.valid);
  const bool ends = b->part == last_part(&head);
  const bool pop = moves && ends;
  const bool row = moves && head.kind < DUPLEX_BUS_WORD_LOAD;
  const bool direct = moves && load;
  turns_clock(b, load_start, word, channels);
  inside_clock(b, pop && head.kind >= DUPLEX_BUS_WORD_LOAD, head.parity);
  b->write_valid = direct || result.valid;
  b->gather = result.valid;
  if (b->write_valid) b->write_word = direct ? head.address / 4 : result.unit / 4;
  b->load_word = direct;
  b->done[1] = b->done[0];
  b->done_result[1] = b->done_result[0];
  b->done[0] = result.valid && result.last;
  b->done_result[0] = result;
  b->pipe[b->pipe_head] = (struct activation_result){.valid = row,
                                                     .last = head.last && ends,
                                                     .ends = ends,
                                                     .in_turn = head.in_turn && ends,
                                                     .parity = head.parity,
                                                     .channel = head.channel,
                                                     .unit = (head.address + b->part) & 0x1ffff};
  b->pipe_head = (b->pipe_head + 1) % ACTIVATION_LATENCY;
  b->part = moves && !ends ? b->part + 1 : 0;
  b->room += (unsigned)pop - (unsigned)(word != NULL);
  if (pop) {
    b->queued--;
    memmove(b->queue, b->queue + 1, b->queued * sizeof *b->queue);
  }
  if (b->arrived_valid) b->queue[b->queued++] = b->arrived;
  b->arrived_valid = b->on_bus_valid;
  b->arrived = b->on_bus;
  b->on_bus_valid = word != NULL;
  if (word) b->on_bus = *word;
}
