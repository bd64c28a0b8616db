// SPDX-License-Identifier: Apache-2.0
// From words of results to the result bus, as rtl/channel/bus_port.v.
#include "cmodel/channel/bus_port.h"

#include "duplex/params.h"

void bus_port_start(struct bus_port *p, const struct job_timing *job, uint32_t address, uint32_t count) {
  p->kind = job->kind;
  p->interleaved = job->interleaved;
  p->word_step = job->word_step;
  p->two_groups = job->two_groups;
  p->second_group = false;
  p->group = job->dst_group;
  p->block = p->address = address;
  p->rows = job->two_groups ? 2 * count : count;
  if (job->load) p->rows = 2 * DUPLEX_TILE_WORDS * (count & 0x7ff);
  p->word_of_tile = 0;
  p->tile_step = job->tile_step;
}

// The address of the word after the one that is taken.
static void next_address(struct bus_port *p, const struct result_marks *head) {
  const bool load = p->kind >= DUPLEX_BUS_WORD_LOAD;
  const bool tile_end = p->word_of_tile == DUPLEX_TILE_WORDS - 1;
  uint32_t next = p->address + (head->single ? 1 : p->word_step);
  if (load) next = p->address + (tile_end ? p->tile_step : 4);
  p->word_of_tile = (p->word_of_tile + 1) % DUPLEX_TILE_WORDS;
  p->rows -= head->single ? 1 : 2;
  if (load || !head->end || !p->two_groups) {
    p->address = next;
    return;
  }
  p->address = p->second_group ? next - p->group : p->block + p->group;
  if (p->second_group) p->block = p->address;
  p->second_group = !p->second_group;
}

void bus_port_clock(struct bus_port *p, bool push, const struct result_marks *marks, bool taken,
                    struct bus_word *word) {
  if (taken) {
    const struct result_marks head = p->word[0];
    word->kind = (uint8_t)p->kind;
    word->single = head.single;
    word->interleaved = p->interleaved;
    word->in_turn = p->interleaved && p->second_group == p->two_groups;
    word->last = p->rows == (head.single ? 1 : 2);
    word->address = p->address & 0x1ffff;
    next_address(p, &head);
    p->word[0] = p->word[1];
    p->count--;
  }
  if (push) p->word[p->count++] = *marks;
  p->out = taken;
}
