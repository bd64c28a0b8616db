#include "driver/counters.h"

#include <string.h>

#include "duplex/error.h"
#include "duplex/registers.h"

static int read_counters(struct duplex_device *device, struct measurement *measurement) {
  struct duplex_backend *b = device->backend;
  for (unsigned channel = 0; channel < device->channels; channel++)
    for (unsigned counter = 0; counter < COUNTERS; counter++) {
      uint32_t low = 0, high = 0;
      int error = b->ops->reg_write(b, DUPLEX_REG_PERFORMANCE_SELECT, channel | counter << DUPLEX_PERFORMANCE_SELECT_COUNTER_LSB);
      if (!error) error = b->ops->reg_read(b, DUPLEX_REG_PERFORMANCE_LOW, &low);
      if (!error) error = b->ops->reg_read(b, DUPLEX_REG_PERFORMANCE_HIGH, &high);
      if (error) return device_fail(device, error, "reading the performance counters: %s", duplex_error_text(error));
      measurement->counter[channel][counter] = (uint64_t)high << 32 | low;
    }
  return DUPLEX_OK;
}

void mark_start(struct duplex_device *device, struct measurement *before) {
  struct duplex_backend *b = device->backend;
  b->ops->commands(b, &before->commands);
  before->clock = b->ops->clocks(b);
  before->instructions = device->machine->controller->instructions;
}

int start_measuring(struct duplex_device *device, struct measurement *before) {
  int error = read_counters(device, before);
  if (!error) error = device_own(device, device->bundles);
  mark_start(device, before);
  return error;
}

static uint64_t stream_clocks(const uint64_t counter[COUNTERS]) {
  return counter[BEATS] + counter[STARVED] + counter[NO_TILE] + counter[NO_ROOM];
}

int note_traffic(struct duplex_device *device, const struct measurement *before, uint32_t descriptors) {
  struct duplex_stats *stats = &device->stats;
  struct measurement now;
  memset(stats, 0, sizeof *stats);
  stats->cycles = device->backend->ops->clocks(device->backend) - before->clock;
  stats->firmware_instructions = device->machine->controller->instructions - before->instructions;
  device->backend->ops->commands(device->backend, &stats->commands);
  const int error = read_counters(device, &now);
  if (error) return error;
  const struct duplex_dram_commands *from = &before->commands;
  stats->commands.act -= from->act, stats->commands.rd -= from->rd, stats->commands.wr -= from->wr;
  stats->commands.pre -= from->pre, stats->commands.ref -= from->ref, stats->commands.xpu_rd -= from->xpu_rd;
  stats->commands.xpu_wr -= from->xpu_wr;
  stats->descriptors = descriptors;
  stats->channels = device->channels;
  for (unsigned channel = 0; channel < device->channels; channel++) {
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

int measure_native(struct duplex_device *device, int (*run)(struct duplex_device *device, void *context, uint64_t *cycles),
                   void *context) {
  struct machine *machine = device->machine;
  struct controller *own = machine->controller;
  int error = controller_native(device->backend, device->watchdog_clocks, &machine->controller);
  if (!error) {
    const struct client_queue queue = device->queue;
    *machine->controller->mailbox = *own->mailbox;
    queue_start(device);
    error = run(device, context, &device->stats.native_cycles);
    device->queue = queue;
    machine->controller->ops->close(machine->controller);
  }
  machine->controller = own;
  return error;
}
