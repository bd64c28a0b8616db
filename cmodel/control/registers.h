// SPDX-License-Identifier: Apache-2.0
// The registers of params/registers.rdl and the descriptor ring, as rtl/control/registers.v.
#ifndef DUPLEX_CMODEL_REGISTERS_H
#define DUPLEX_CMODEL_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/params.h"
#include "duplex/registers.h"

#define RING_BYTES (DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS * 4u)

// As rtl/control/registers.v; `write` is the access whose effect comes in this clock.
struct stack_registers {
  bool enable, strict, empty, fetching, doorbell, interrupt, write;
  uint32_t interrupt_enable, interrupt_status;
  uint16_t produced, consumed, claimed, index;
  uint32_t completed;
  uint32_t error_code, error_descriptor, error_address;
  uint32_t bundle_owner, performance_select;
  uint64_t busy_clocks;
  uint32_t busy_clocks_high, performance_high;  // latched by reads of the low halves
  uint32_t write_address, write_data;
  uint32_t ring[DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS];
};

// What the operation controller tells the registers in a clock.
struct registers_in {
  bool busy, fetch, fetched, completed, completed_interrupt, error;
  uint32_t error_code, error_address, error_tag;
};

// What a read shows of the rest of the stack.
struct registers_view {
  bool busy;
  unsigned channels;
  uint32_t open;     // bundles with open rows
  uint64_t counter;  // the one that PERFORMANCE_SELECT names
};

void registers_reset(struct stack_registers *r);
// A descriptor may be fetched; the controller's own error and fetch apart.
bool registers_run(const struct stack_registers *r);
void registers_clock(struct stack_registers *r, const struct registers_in *in);
// Nothing happens in the registers any more unless somebody writes them.
bool registers_settled(const struct stack_registers *r);

// There is a register, or a word of the ring, at the address.
bool registers_listed(uint32_t address);
// The clock in which a write has its effect, in which a read looks. Reads of low halves latch the high ones.
void registers_write(struct stack_registers *r, uint32_t address, uint32_t value);
uint32_t registers_look(struct stack_registers *r, uint32_t address, const struct registers_view *view);

#endif
