// SPDX-License-Identifier: Apache-2.0
// What the C model of a stack can do besides duplex/backend.h: reset, a look without a clock, and what an
// event-driven simulation needs to pass over clocks. `backend` is one of duplex_cmodel_open.
#ifndef DUPLEX_CMODEL_H
#define DUPLEX_CMODEL_H

#include "duplex/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// The reset line, low for 4 clocks: everything but the cells of the DRAM is as after open. The results of a
// job that was under way may be written whole, in part or not at all. Errors: what such a job had.
int duplex_cmodel_reset(struct duplex_backend *backend);

// The interrupt line. Times are counts of clocks, as `clocks` of the back end gives them.
struct duplex_cmodel_interrupt {
  int high;
  int may_rise;               // it is low and may rise without a register access
  uint64_t rose_at, fell_at;  // from when on it was seen high, low, the last time; 0: never
};
void duplex_cmodel_see_interrupt(struct duplex_backend *backend, struct duplex_cmodel_interrupt *line);

// A register for a debugger: a read takes no clock and latches nothing, a write takes the clock in which it
// has its effect. DUPLEX_ERROR_BUS: there is none.
int duplex_cmodel_peek(struct duplex_backend *backend, uint32_t address, uint32_t *value);
int duplex_cmodel_poke(struct duplex_backend *backend, uint32_t address, uint32_t value);

// The 8 KB (DUPLEX_ROW_SET_BYTES) of the row set that holds the address, to read and write, for as long as
// its bundle is the xPU's. Errors: ARGUMENT, OWNER, NO_MEMORY.
int duplex_cmodel_row_set(struct duplex_backend *backend, unsigned channel, uint64_t address,
                          uint8_t **bytes);

// As xpu_state of the back end, of one channel below that of the stack.
void duplex_cmodel_xpu_state(struct duplex_backend *backend, unsigned channel,
                             struct duplex_xpu_state *state);

#ifdef __cplusplus
}
#endif
#endif
