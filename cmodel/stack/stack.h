// The C model of a stack, seen by its own units: registers, operation controller, channels. The public face
// is duplex/backend.h.
#ifndef DUPLEX_CMODEL_STACK_H
#define DUPLEX_CMODEL_STACK_H

#include <stdbool.h>

#include "cmodel/channel/attention.h"
#include "cmodel/control/control_timing.h"
#include "duplex/activation.h"
#include "duplex/backend.h"
#include "duplex/descriptor.h"
#include "duplex/gemm.h"
#include "duplex/hbm.h"
#include "duplex/registers.h"
#include "duplex/xpu_traffic.h"

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
};

// As rtl/control/operation_controller.v.
struct operation_controller {
  enum { NEXT_IDLE, NEXT_FETCH, NEXT_CHECK, NEXT_SHARE, NEXT_READY } next;
  unsigned wait;                                 // clocks left in this state
  uint32_t descriptor[DUPLEX_DESCRIPTOR_WORDS];  // the next one
  uint32_t code, address;
  bool fetched, error;
  unsigned flight, start;  // jobs under way; the clocks of a start
  bool parity, interrupt[2];
  bool attention;                // segments may be at work
  unsigned quiet, older, front;  // what was seen, one bit a clock
  bool completed, completed_interrupt, complete[2];
  uint32_t job[DUPLEX_DESCRIPTOR_WORDS];  // the last one started
};

struct stack_model {
  struct duplex_backend backend;
  unsigned channels, threads;
  struct duplex_hbm *hbm;
  struct stack_registers registers;
  struct operation_controller controller;
  uint32_t ring[DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS];
  uint8_t *shared;  // both shared buffers, one behind the other
  struct duplex_activation_table table;
  uint64_t clocks;
  struct duplex_dram_commands commands;
  struct duplex_gemm_tiers tiers;
  struct channel_attention *attention;  // one for each channel
  // the clocks of the units
  struct job_timing job;
  struct channel_timing channel[DUPLEX_CHANNELS];
  struct broadcast broadcast;
  struct result_bus bus;
  struct result_pending pending[2];
  bool front_busy, older_busy, work_busy;
  bool segment_room;               // in every channel's queue
  bool interrupt;                  // the line in the last clock
  unsigned open;                   // bundles with open rows
  unsigned owner;                  // as the DRAM and the xPU know it
  struct duplex_xpu_traffic *xpu;  // one for each channel
};

// registers.c. A register access takes the clocks that it takes on the AXI port of the RTL.
struct registers_in {
  bool busy, fetch, fetched, completed, completed_interrupt, error;
  uint32_t error_code, error_address, error_tag;
};
int stack_reg_read(struct stack_model *stack, uint32_t address, uint32_t *value);
int stack_reg_write(struct stack_model *stack, uint32_t address, uint32_t value);
bool registers_run(const struct stack_model *stack);
void registers_clock(struct stack_model *stack, const struct registers_in *in);

// descriptor_check.c: the code of params/registers.rdl, 0 if the descriptor may be executed, and what the
// error address register takes. If several things are wrong the lowest code is reported. Stripe: the mask;
// ranges: the first row set beyond the stripe set; shared range: the first word of the access; otherwise 0.
uint32_t stack_descriptor_check(const uint32_t *descriptor, unsigned channels, uint32_t owner,
                                uint32_t *address);

// operation_controller.c: one clock of the next descriptor and of the jobs under way; a job that starts is
// computed at once.
void operation_controller_clock(struct stack_model *stack, struct registers_in *registers);
// The rows or tiles of a channel of the last job, and the shared-buffer address of its first result.
uint32_t stack_channel_share(const struct stack_model *stack, const uint32_t *descriptor, unsigned channel,
                             uint32_t *address);
// execute.c: computes a whole job.
int stack_execute(struct stack_model *stack, const uint32_t *descriptor);

// stack_clock.c: one clock of the whole stack; an error if a job could not be computed. stack_idle: nothing
// will happen any more.
int stack_clock(struct stack_model *stack);
bool stack_xpu_busy(const struct stack_model *stack);  // on any channel: writes, or a hand-over
bool stack_idle(const struct stack_model *stack);
void stack_skip(struct stack_model *stack, uint64_t clocks);

// channel.c: one channel's share of a descriptor. `count` is its rows (GEMM), tiles (LOAD) or heads
// (ATTENTION), `first` the first of them in the whole.
struct channel_job {
  struct stack_model *stack;
  const uint32_t *descriptor;
  struct duplex_gemm_panel *const *panels;  // one for each group of tokens
  unsigned channel;
  uint32_t first, count;
  uint32_t row_block;  // ATTENTION with SPREAD
  struct duplex_gemm_tiers tiers;
};
int stack_channel_gemm(struct channel_job *job);
int stack_channel_load(struct channel_job *job);
// Bytes from logical row set `row_set` on; cells that nobody wrote are zero.
void stack_gather(const struct channel_job *job, uint32_t row_set, uint32_t stripe, uint8_t *bytes,
                  size_t size);

// attention.c: a channel's heads (`count`) of one segment; results go to DRAM with the last one.
int stack_channel_attention(struct channel_job *job);
// With SPREAD, in steps that all channels have done before the next begins. The job's descriptor has the
// channel's own length and lane mask. Scores, and after the last segment of the scores the maxima; for a row
// block of V the context, and after its last segment o, made by the last member.
int stack_member_scores(struct channel_job *job);
int stack_member_join_maxima(struct channel_job *job);
int stack_member_context(struct channel_job *job);
int stack_member_output(struct channel_job *job);

// drain.c: the sums of 8 lanes of one row in an output format (DUPLEX_DESC_FORMAT) as bytes; returns their
// number.
unsigned stack_drain_row(const struct duplex_sum sums[DUPLEX_LANES], int exponent, unsigned format,
                         uint8_t *bytes);

// Two streams: a row set for each two k-tiles of each.
static inline uint32_t stack_two_stream_row_sets(uint32_t k_tiles) { return (k_tiles + 1) / 2 * 2; }

// Where a logical row set of a stripe set lies in a channel.
static inline uint64_t stack_row_set_address(uint32_t row_set, uint32_t stripe) {
  const uint32_t bundles = (uint32_t)__builtin_popcount(stripe);
  uint32_t place = row_set % bundles, bundle = 0;
  while (!(stripe >> bundle & 1) || place--) bundle++;
  return (uint64_t)bundle << DUPLEX_BUNDLE_BYTE_BITS | (uint64_t)(row_set / bundles)
                                                           << DUPLEX_ROW_SET_BYTE_BITS;
}

#endif
