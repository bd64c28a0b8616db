// What is between the channels, clock by clock and without the data: rtl/control's broadcast, shared_buffer,
// result_bus (with the activation unit behind it) and result_pending.
#ifndef DUPLEX_CMODEL_CONTROL_TIMING_H
#define DUPLEX_CMODEL_CONTROL_TIMING_H

#include "cmodel/channel/channel_timing.h"

#define ACTIVATION_LATENCY 18
#define BUS_ROOM 4

struct broadcast {
  bool reading, second, half;
  uint32_t first;  // word of the first group
  unsigned word, k, blocks, room;
  unsigned words, arriving;  // in the FIFO; granted reads on their way, one bit a clock
  uint32_t taken;            // channels that have the word at the output
};

struct result_pending {
  bool active, load;
  uint32_t low, high, step;  // units
  uint32_t done;             // channels, shifted down as the range shrinks
  unsigned first;
};

struct activation_result {
  bool valid, last, ends, parity;
  uint8_t channel;
  uint32_t unit;
};

struct result_bus {
  unsigned turn, turn_word, room, queued;
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
  bool valid, load_word, done, done_parity;
  uint32_t word;
  unsigned done_channel;
};

void broadcast_start(struct broadcast *b, const struct job_timing *job);
static inline uint32_t broadcast_address(const struct broadcast *b, const struct job_timing *job) {
  return (b->first + (b->second ? job->x_stride : 0)) & 0x7fff;
}
static inline bool broadcast_busy(const struct broadcast *b) { return b->reading || b->room != BUS_ROOM; }
static inline bool broadcast_wants(const struct broadcast *b) { return b->reading && b->room != 0; }
void broadcast_clock(struct broadcast *b, const struct job_timing *job, bool read, uint32_t ready,
                     unsigned channels);

void result_pending_start(struct result_pending *p, const struct job_timing *job, uint32_t units,
                          uint32_t channel_units, uint32_t none);
void result_pending_clock(struct result_pending *p, bool stop, bool load_word, bool done,
                          unsigned done_channel);
bool result_pending_waits(const struct result_pending *p, uint32_t word, uint32_t first_group);

void result_bus_reset(struct result_bus *b);
// The channel that is granted in this clock, or -1.
int result_bus_grant(const struct result_bus *b, uint32_t valid, uint32_t load);
struct control_write result_bus_write(const struct result_bus *b);
// `word`: the one of the channel that was granted, or NULL.
void result_bus_clock(struct result_bus *b, bool load_start, const struct bus_word *word, unsigned channels);

#endif
