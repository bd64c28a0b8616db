// SPDX-License-Identifier: Apache-2.0
// How the experts of a device are divided, and what both sides have to do then. What follows from the groups
// of tokens alone is kept for the next layer with the same groups.
#ifndef SERVING_DECIDED_H
#define SERVING_DECIDED_H

#include "schedule/schedule.h"

struct decided;

// times, controlled: as measured, with firmware that takes no time, and on the RV32 controller; NULL if it
// takes none. charged: as decisions go by. They stay the caller's. launch: clocks of one of the xPU.
struct decided_tables {
  const struct schedule_times *times, *controlled, *charged;
  enum schedule_policy policy;
  uint32_t launch;
};

// A layer of a device by the table of each firmware.
struct decided_layer {
  const struct schedule_decision *decision;  // until the next layer
  uint64_t decision_clocks;                  // of a controller; 0: nothing is decided
  struct schedule_phase phase[2], controlled[2];
};

// NULL: no memory.
struct decided *decided_open(const struct decided_tables *tables);
void decided_close(struct decided *decided);

// counts: tokens of each expert. Under policy `best` a side has the layer alone where no decision pays.
void decided_divide(struct decided *decided, const uint16_t *counts, struct decided_layer *layer);

// What a decision knows of a count: the spaces of the paper's policy are in order of their tokens, for all
// others only groups matter.
unsigned decided_tokens(enum schedule_policy policy, unsigned count);

#endif
