// SPDX-License-Identifier: Apache-2.0
// The memory controller of one stack: its channels, and the passing of time.
#include "duplex/memory_controller.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmodel/hbm/memory_channel.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "duplex/hbm.h"

_Static_assert(DUPLEX_MEMORY_QUEUE_MOST == 1024, "two texts below name it");

#define TCK_PS_LEAST 100u  // a text below names both
#define TCK_PS_MOST 10000u

int duplex_memory_defaults(const char *preset, struct duplex_memory_parameters *p) {
  const struct duplex_dram_timing *timing = duplex_dram_preset(preset);
  if (timing == NULL) return DUPLEX_ERROR_ARGUMENT;
  *p = (struct duplex_memory_parameters){.timing = *timing,
                                         .mapping = *duplex_memory_mapping_of(NULL),
                                         .channels = DUPLEX_CHANNELS,
                                         .read_queue = 64,
                                         .write_queue = 64,
                                         .write_high = 56,
                                         .write_low = 8,
                                         .age_limit = 4000,
                                         .postponed_refreshes = 4};
  return 0;
}

// Of all but those of refresh and the clock. An access, with all that it may wait for, must fit between two
// refreshes: otherwise it might never be done.
static uint64_t sum_of_times(const struct duplex_dram_timing *timing) {
  uint64_t sum = 0;
#define ADD(field) sum += timing->field;
  DUPLEX_DRAM_FIELDS(ADD)
#undef ADD
  return sum - timing->nREFI - timing->nREFMAX - timing->tCK_ps;
}

// Writes what is wrong with a parameter of this value, if there is a place for the text.
static void tell(char *text, size_t room, const char *name, uint64_t value, const char *expected) {
  if (room) snprintf(text, room, "%s: %" PRIu64 ": expected %s", name, value, expected);
}

bool duplex_memory_wrong(const struct duplex_memory_parameters *p, char *text, size_t room) {
  if (room) *text = 0;
  if (p == NULL) {
    if (room) snprintf(text, room, "parameters: expected some");
    return true;
  }
  const unsigned channels = p->channels;
  const struct {
    const char *name;
    uint64_t value;
    bool good;
    const char *expected;
  } checks[] = {
      {"channels", channels, channels != 0 && channels <= DUPLEX_CHANNELS && (channels & (channels - 1)) == 0,
       "1, 2, 4, 8, 16 or 32"},
      {"read_queue", p->read_queue, p->read_queue != 0 && p->read_queue <= DUPLEX_MEMORY_QUEUE_MOST,
       "1 to 1024"},
      {"write_queue", p->write_queue, p->write_queue != 0 && p->write_queue <= DUPLEX_MEMORY_QUEUE_MOST,
       "1 to 1024"},
      {"write_high", p->write_high, p->write_high != 0 && p->write_high <= p->write_queue,
       "1 to write_queue"},
      {"write_low", p->write_low, p->write_low < p->write_high, "less than write_high"},
      {"age_limit", p->age_limit, p->age_limit >= 2, "2 tCK or more"},
      {"timing.tCK_ps", p->timing.tCK_ps, p->timing.tCK_ps >= TCK_PS_LEAST && p->timing.tCK_ps <= TCK_PS_MOST,
       "100 to 10000"},
      {"timing.nREFI", p->timing.nREFI, sum_of_times(&p->timing) < p->timing.nREFI,
       "more than the sum of the other times"},
      {"postponed_refreshes", p->postponed_refreshes,
       p->timing.nREFMAX >= 2 && p->postponed_refreshes <= p->timing.nREFMAX - 2, "0 to nREFMAX - 2"},
  };
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
    if (!checks[i].good) {
      tell(text, room, checks[i].name, checks[i].value, checks[i].expected);
      return true;
    }
  if (memory_is_mapping(&p->mapping)) return false;
  if (room) snprintf(text, room, "mapping: expected each part of the address once");
  return true;
}

// Hands the entries out to the queues of the channels.
static void start_channels(struct duplex_memory_controller *m) {
  struct memory_entry *entry = m->entries;
  for (unsigned i = 0; i < m->parameters.channels; i++) {
    struct memory_channel *c = &m->channel[i];
    c->number = i;
    c->urgent_at = memory_first_urgent(&m->parameters, c);
    c->queue[0] = (struct memory_queue){.entry = entry, .room = m->parameters.read_queue};
    entry += c->queue[0].room;
    c->queue[1] = (struct memory_queue){.entry = entry, .room = m->parameters.write_queue};
    entry += c->queue[1].room;
  }
}

int duplex_memory_open(const struct duplex_memory_parameters *p, const struct duplex_memory_calls *calls,
                       struct duplex_memory_controller **controller) {
  if (controller == NULL) return DUPLEX_ERROR_ARGUMENT;
  *controller = NULL;
  if (duplex_memory_wrong(p, NULL, 0)) return DUPLEX_ERROR_ARGUMENT;
  struct duplex_memory_controller *m = calloc(1, sizeof *m);
  if (m == NULL) return DUPLEX_ERROR_NO_MEMORY;
  m->parameters = *p;
  if (calls) m->calls = *calls;
  m->channel = calloc(p->channels, sizeof *m->channel);
  m->entries = calloc((size_t)p->channels * (p->read_queue + p->write_queue), sizeof *m->entries);
  if (m->channel == NULL || m->entries == NULL) {
    duplex_memory_close(m);
    return DUPLEX_ERROR_NO_MEMORY;
  }
  start_channels(m);
  *controller = m;
  return 0;
}

void duplex_memory_close(struct duplex_memory_controller *m) {
  if (m == NULL) return;
  free(m->channel);
  free(m->entries);
  free(m);
}

static unsigned waiting_in(const struct memory_channel *c) { return c->queue[0].count + c->queue[1].count; }

// All commands of a channel before this time.
static void pass(struct duplex_memory_controller *m, struct memory_channel *c, uint64_t tck) {
  while (c->next < tck && waiting_in(c)) memory_decide(m, c, c->next);
  if (c->next < tck) memory_pass_idle(m, c, tck);
  c->now = duplex_larger_u64(c->now, tck);
}

int duplex_memory_submit(struct duplex_memory_controller *m, const struct duplex_memory_request *request,
                         uint64_t tck) {
  if (m == NULL || request == NULL) return DUPLEX_ERROR_ARGUMENT;
  if (request->address % DUPLEX_MEMORY_ACCESS_BYTES || request->address >= duplex_memory_bytes(m))
    return DUPLEX_ERROR_ARGUMENT;
  const struct duplex_memory_place place = duplex_memory_place_of(m, request->address);
  struct memory_channel *c = &m->channel[place.channel];
  if (tck < c->now || tck > DUPLEX_MEMORY_TCK_MOST) return DUPLEX_ERROR_ARGUMENT;
  pass(m, c, tck);
  const struct memory_queue *queue = &c->queue[request->write];
  if (queue->count == queue->room) return DUPLEX_ERROR_QUEUE_FULL;
  const struct memory_bank *bank = &c->bank[place.bundle * MEMORY_BUNDLE_BANKS + place.bank];
  m->statistics.row_hits += bank->open && bank->row == place.row;
  memory_enter(c, request, &place, tck);
  if (tck < c->next) c->next = tck;
  return 0;
}

void duplex_memory_advance_channel(struct duplex_memory_controller *m, unsigned channel, uint64_t tck) {
  if (channel >= m->parameters.channels) return;
  pass(m, &m->channel[channel], tck < DUPLEX_MEMORY_TCK_MOST ? tck : DUPLEX_MEMORY_TCK_MOST);
}

void duplex_memory_advance(struct duplex_memory_controller *m, uint64_t tck) {
  for (unsigned i = 0; i < m->parameters.channels; i++) duplex_memory_advance_channel(m, i, tck);
}

uint64_t duplex_memory_channel_next(const struct duplex_memory_controller *m, unsigned channel) {
  if (channel >= m->parameters.channels || waiting_in(&m->channel[channel]) == 0) return MEMORY_NEVER;
  return m->channel[channel].next + 1;
}

uint64_t duplex_memory_next(const struct duplex_memory_controller *m) {
  uint64_t next = MEMORY_NEVER;
  for (unsigned i = 0; i < m->parameters.channels; i++) {
    const uint64_t of_channel = duplex_memory_channel_next(m, i);
    if (of_channel < next) next = of_channel;
  }
  return next;
}

unsigned duplex_memory_waiting(const struct duplex_memory_controller *m) {
  unsigned count = 0;
  for (unsigned i = 0; i < m->parameters.channels; i++) count += waiting_in(&m->channel[i]);
  return count;
}

uint64_t duplex_memory_now(const struct duplex_memory_controller *m, unsigned channel) {
  return channel < m->parameters.channels ? m->channel[channel].now : 0;
}

struct duplex_memory_statistics duplex_memory_statistics_of(const struct duplex_memory_controller *m) {
  return m->statistics;
}
