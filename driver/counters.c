// SPDX-License-Identifier: Apache-2.0
// What a job did to the stack, from the counters of its channels, its commands and its clock.
#include "driver/counters.h"

#include <string.h>

#include "driver/bundle_owner.h"
#include "driver/queue.h"
#include "driver/stack_error.h"
#include "duplex/error.h"
#include "duplex/registers.h"

// All counters of all channels, as they stand.
static int read_counters(struct duplex_stack *stack, struct measurement *measurement) {
  struct duplex_backend *b = stack->backend;
  for (unsigned channel = 0; channel < stack->channels; channel++)
    for (unsigned counter = 0; counter < COUNTERS; counter++) {
      uint32_t low = 0;
      uint32_t high = 0;
      int error = b->ops->reg_write(b, DUPLEX_REG_PERFORMANCE_SELECT,
                                    channel | counter << DUPLEX_PERFORMANCE_SELECT_COUNTER_LSB);
      if (!error) error = b->ops->reg_read(b, DUPLEX_REG_PERFORMANCE_LOW, &low);
      if (!error) error = b->ops->reg_read(b, DUPLEX_REG_PERFORMANCE_HIGH, &high);
      if (error)
        return stack_fail(stack, error, "reading the performance counters: %s", duplex_error_text(error));
      measurement->counter[channel][counter] = (uint64_t)high << 32 | low;
    }
  return DUPLEX_OK;
}

void mark_start(struct duplex_stack *stack, struct measurement *before) {
  struct duplex_backend *b = stack->backend;
  b->ops->commands(b, &before->commands);
  before->clock = b->ops->clocks(b);
  before->instructions = stack->shared->controller->instructions;
}

int start_measuring(struct duplex_stack *stack, unsigned bundles, struct measurement *before) {
  int error = read_counters(stack, before);
  if (!error) error = bundle_owner_set(stack, bundles);
  mark_start(stack, before);
  return error;
}

static uint64_t stream_clocks(const uint64_t counter[COUNTERS]) {
  return counter[BEATS] + counter[STARVED] + counter[NO_TILE] + counter[NO_ROOM];
}

int note_traffic(struct duplex_stack *stack, const struct measurement *before, uint32_t descriptors) {
  struct duplex_stack_stats *stats = &stack->stats;
  struct measurement now;
  memset(stats, 0, sizeof *stats);
  stats->cycles = stack->backend->ops->clocks(stack->backend) - before->clock;
  stats->firmware_instructions = stack->shared->controller->instructions - before->instructions;
  stack->backend->ops->commands(stack->backend, &stats->commands);
  const int error = read_counters(stack, &now);
  if (error) return error;
  const struct duplex_dram_commands *from = &before->commands;
  stats->commands.act -= from->act, stats->commands.rd -= from->rd, stats->commands.wr -= from->wr;
  stats->commands.pre -= from->pre, stats->commands.ref -= from->ref, stats->commands.xpu_rd -= from->xpu_rd;
  stats->commands.xpu_wr -= from->xpu_wr;
  stats->descriptors = descriptors;
  stats->channels = stack->channels;
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    uint64_t delta[COUNTERS];
    for (unsigned i = 0; i < COUNTERS; i++) delta[i] = now.counter[channel][i] - before->counter[channel][i];
    stats->channel[channel].rows = delta[ROWS];
    stats->channel[channel].read_bytes = delta[COLUMNS_READ] * DUPLEX_COLUMN_BYTES;
    stats->read_bytes += stats->channel[channel].read_bytes;
    stats->write_bytes += delta[COLUMNS_WRITTEN] * DUPLEX_COLUMN_BYTES;
    if (stream_clocks(delta) > stats->stream_cycles) stats->stream_cycles = stream_clocks(delta);
    stats->starved += delta[STARVED], stats->no_tile += delta[NO_TILE], stats->no_room += delta[NO_ROOM];
  }
  return DUPLEX_OK;
}

int measure_native(struct duplex_stack *stack,
                   int (*run)(struct duplex_stack *stack, void *context, uint64_t *cycles), void *context) {
  struct shared_stack *shared = stack->shared;
  struct controller *own = shared->controller;
  int error = controller_native(stack->backend, stack->watchdog_clocks, &shared->controller);
  if (!error) {
    const struct client_queue queue = stack->queue;
    *shared->controller->mailbox = *own->mailbox;
    queue_start(stack);
    error = run(stack, context, &stack->stats.native_cycles);
    stack->queue = queue;
    shared->controller->ops->close(shared->controller);
  }
  shared->controller = own;
  return error;
}
