// The C model of a stack, seen by its own units: registers, operation controller, channels. The public face is duplex/backend.h.
#ifndef DUPLEX_CMODEL_STACK_H
#define DUPLEX_CMODEL_STACK_H

#include <stdbool.h>

#include "duplex/activation.h"
#include "duplex/backend.h"
#include "duplex/descriptor.h"
#include "duplex/gemm.h"
#include "duplex/hbm.h"
#include "duplex/registers.h"

#define RING_BYTES (DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS * 4u)

// Counters of PERFORMANCE_SELECT that do not depend on time; the others read as 0 in the model.
enum stack_counter { COUNTER_ROWS, COUNTER_COLUMNS_READ, COUNTER_COLUMNS_WRITTEN, COUNTER_BEATS, STACK_COUNTERS };

struct stack_registers {
  bool enable;
  uint32_t interrupt_enable, interrupt_status;
  uint16_t produced, consumed;
  uint32_t completed;
  uint32_t error_code, error_descriptor, error_address;
  uint32_t bundle_owner, performance_select;
  uint32_t busy_clocks_high, performance_high;  // latched by reads of the low halves
};

struct duplex_stack {
  struct duplex_backend backend;
  unsigned channels, threads;
  struct duplex_hbm *hbm;
  struct stack_registers registers;
  uint32_t ring[DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS];
  uint8_t *shared;  // both shared buffers, one behind the other
  struct duplex_activation_table table;
  uint64_t clocks, busy_clocks;
  uint64_t counters[DUPLEX_CHANNELS][STACK_COUNTERS];
  struct duplex_dram_commands commands;
  struct duplex_gemm_tiers tiers;
};

// registers.c
int stack_reg_read(struct duplex_stack *stack, uint32_t address, uint32_t *value);
int stack_reg_write(struct duplex_stack *stack, uint32_t address, uint32_t value);
bool stack_interrupt(const struct duplex_stack *stack);
void stack_raise_error(struct duplex_stack *stack, uint32_t code, uint32_t index, uint32_t tag, uint32_t address);

// descriptor_check.c: the code of params/registers.rdl, 0 if the descriptor may be executed, and what the error address register
// takes. If several things are wrong the lowest code is reported. Stripe: the mask; ranges: the first row set beyond the stripe
// set; shared range: the first word of the access; otherwise 0.
uint32_t stack_descriptor_check(const uint32_t *descriptor, unsigned channels, uint32_t owner, uint32_t *address);

// operation_controller.c: executes what the ring holds until it is empty, an error stops it, or the interrupt line is high.
int stack_run(struct duplex_stack *stack);

// channel.c: one channel's share of a descriptor. `count` is its rows (GEMM) or tiles (LOAD), `first` the first of them in the
// whole.
struct channel_job {
  struct duplex_stack *stack;
  const uint32_t *descriptor;
  struct duplex_gemm_panel *const *panels;  // one for each group of tokens
  unsigned channel;
  uint32_t first, count;
  struct duplex_gemm_tiers tiers;
};
int stack_channel_gemm(struct channel_job *job);
int stack_channel_load(struct channel_job *job);

// drain.c: the sums of 8 lanes of one row in an output format (DUPLEX_DESC_FORMAT) as bytes; returns their number.
unsigned stack_drain_row(const struct duplex_sum sums[DUPLEX_LANES], int exponent, unsigned format, uint8_t *bytes);

// cycle_model.c: clocks of a descriptor from fetch to completion, and the DRAM commands it causes besides the columns counted by
// the channels.
uint64_t stack_predict_clocks(const struct duplex_stack *stack, const uint32_t *descriptor,
                              struct duplex_dram_commands *commands);

// Where a logical row set of a stripe set lies in a channel.
static inline uint64_t stack_row_set_address(uint32_t row_set, uint32_t stripe) {
  const uint32_t bundles = (uint32_t)__builtin_popcount(stripe);
  uint32_t place = row_set % bundles, bundle = 0;
  while (!(stripe >> bundle & 1) || place--) bundle++;
  return (uint64_t)bundle << 27 | (uint64_t)(row_set / bundles) << 13;
}

#endif
