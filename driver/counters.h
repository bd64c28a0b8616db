// SPDX-License-Identifier: Apache-2.0
// What a job did to the stack: performance counters, DRAM commands, clocks.
#ifndef DUPLEX_DRIVER_COUNTERS_H
#define DUPLEX_DRIVER_COUNTERS_H

#include "driver/stack.h"

enum counter { ROWS, COLUMNS_READ, COLUMNS_WRITTEN, BEATS, STARVED, NO_TILE, NO_ROOM, COUNTERS };

struct measurement {
  uint64_t counter[DUPLEX_CHANNELS][COUNTERS];
  struct duplex_dram_commands commands;
  uint64_t clock, instructions;
};

// Before the first clock of a job: its bundles become Logic-PIM's.
int start_measuring(struct duplex_stack *stack, unsigned bundles, struct measurement *before);
// Counts commands, clocks and instructions from now on instead.
void mark_start(struct duplex_stack *stack, struct measurement *before);

// Clocks, commands, bytes and instructions since then, into the stack's statistics. rows of a channel: as its
// counter has it.
int note_traffic(struct duplex_stack *stack, const struct measurement *before, uint32_t descriptors);

// What the job takes with firmware that takes no time, into the statistics: `run` does it again, natively, to
// the same results.
int measure_native(struct duplex_stack *stack,
                   int (*run)(struct duplex_stack *stack, void *context, uint64_t *cycles), void *context);

#endif
