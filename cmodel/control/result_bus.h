// SPDX-License-Identifier: Apache-2.0
// The result bus and the activation unit behind it, clock by clock, as rtl/control/result_bus.v.
#ifndef DUPLEX_CMODEL_RESULT_BUS_H
#define DUPLEX_CMODEL_RESULT_BUS_H

#include "cmodel/channel/bus_port.h"

#define ACTIVATION_LATENCY 18
#define BUS_ROOM 4

struct activation_result {
  bool valid, last, ends, in_turn, parity;
  uint8_t channel;
  uint32_t unit;
};

struct result_bus {
  unsigned turn, turn_word, next, room, queued;  // next: the channel whose interleaved word comes next
  struct bus_word on_bus, arrived, queue[BUS_ROOM];
  bool on_bus_valid, arrived_valid;
  unsigned part;  // of the word at the output
  struct activation_result pipe[ACTIVATION_LATENCY];
  unsigned pipe_head;
  unsigned inside[2];
  bool inside_busy[2];
  // before the shared buffer
  bool write_valid, gather;
  uint32_t write_word;
  bool load_word, done[2];
  struct activation_result done_result[2];
};

struct control_write {  // what the shared buffer and the trackers see in this clock
  bool valid, load_word, done, in_turn, done_parity;
  uint32_t word;
  unsigned done_channel;
};

void result_bus_reset(struct result_bus *b);
// The channel that is granted in this clock, or -1. load, interleaved: channels whose words are of such a
// job.
int result_bus_grant(const struct result_bus *b, uint32_t valid, uint32_t load, uint32_t interleaved);
struct control_write result_bus_write(const struct result_bus *b);
// `word`: the one of the channel that was granted, or NULL.
void result_bus_clock(struct result_bus *b, bool load_start, const struct bus_word *word, unsigned channels);

#endif
