// SPDX-License-Identifier: Apache-2.0
// Words of results to the result bus, as rtl/channel/bus_port.v.
#ifndef DUPLEX_CMODEL_BUS_PORT_H
#define DUPLEX_CMODEL_BUS_PORT_H

#include "cmodel/channel/job_timing.h"
#include "cmodel/channel/result_marks.h"

struct bus_word {
  uint8_t channel, kind;
  bool last, single, parity;
  bool interleaved, in_turn;  // in_turn: of the last group of tokens, so that it comes in order of address
  uint32_t address;           // 16-byte units
};

struct bus_port {
  struct result_marks word[2];
  unsigned count, kind, word_of_tile;
  bool interleaved, two_groups, second_group, out;
  uint32_t group, block, address, rows, word_step, tile_step;
};

void bus_port_start(struct bus_port *p, const struct job_timing *job, uint32_t address, uint32_t count);
void bus_port_clock(struct bus_port *p, bool push, const struct result_marks *marks, bool taken,
                    struct bus_word *word);

#endif
