#include "driver/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "duplex/registers.h"

#define WATCHDOG_CLOCKS (UINT64_C(1) << 34)

int device_fail(struct duplex_device *device, int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(device->error_text, sizeof device->error_text, format, arguments);
  va_end(arguments);
  return error;
}

static uint32_t table_row_sets(void) {
  const uint32_t tiles = (DUPLEX_ACTIVATION_IMAGE_BYTES + 1023) / 1024;
  return activation_row_sets(tiles, 1);
}

static int check_identity(struct duplex_device *device) {
  uint32_t id = 0, version = 0, geometry = 0;
  const struct duplex_backend_ops *ops = device->backend->ops;
  int error = ops->reg_read(device->backend, DUPLEX_REG_ID, &id);
  if (!error) error = ops->reg_read(device->backend, DUPLEX_REG_VERSION, &version);
  if (!error) error = ops->reg_read(device->backend, DUPLEX_REG_GEOMETRY, &geometry);
  if (error) return error;
  const bool known = id == DUPLEX_ID_VALUE_RESET && version == DUPLEX_VERSION_VALUE_RESET;
  return known && (geometry >> DUPLEX_GEOMETRY_CHANNELS_LSB & 0xff) == device->channels ? DUPLEX_OK : DUPLEX_ERROR_FORMAT;
}

static struct duplex_device *new_device(const struct machine *machine, const struct duplex_options *options) {
  struct duplex_device *self = calloc(1, sizeof *self);
  struct space *space = calloc(1, sizeof *space);
  if (!self || !space) {
    free(self);
    free(space);
    return NULL;
  }
  self->backend = machine->backend;
  self->space = space;
  self->channels = options->backend.channels;
  self->bundles = options->bundles ? options->bundles : ALL_BUNDLES;
  self->strict = options->strict;
  self->measure_overhead = options->measure_overhead;
  self->watchdog_clocks = options->watchdog_clocks ? options->watchdog_clocks : WATCHDOG_CLOCKS;
  self->stripe = self->bundles;
  return self;
}

static void free_device(struct duplex_device *device) {
  if (device) free(device->space);
  free(device);
}

static void close_machine(struct machine *machine) {
  if (machine->controller) machine->controller->ops->close(machine->controller);
  machine->backend->ops->close(machine->backend);
  free(machine);
}

static bool within(uint32_t row, const struct row_range *range) { return row - range->first < range->count; }

// Gives the device its queue and the rows of its allotment; all others are taken.
static int join(struct duplex_device *device, struct machine *machine, const struct allotment *own) {
  device->machine = machine;
  for (uint32_t row = 0; row < DUPLEX_BANK_ROWS; row++)
    if (!within(row, &own->part[0]) && !within(row, &own->part[1])) device->space->taken[row] = ALL_BUNDLES;
  const int error = queue_open(device, own);
  if (error) return error;
  if (space_take_mailbox(device->space, device->bundles, table_row_sets(), &device->table)) return DUPLEX_OK;
  queue_close(device);
  return DUPLEX_ERROR_OUT_OF_SPACE;
}

static int open_controller(struct machine *machine, const struct duplex_device *device, const struct duplex_riscv_options *riscv,
                           char *text, size_t size) {
  const int error = riscv ? controller_riscv(riscv, machine->backend, &machine->controller, text, size)
                          : controller_native(machine->backend, device->watchdog_clocks, &machine->controller);
  if (error) return error;
  struct mailbox *mailbox = machine->controller->mailbox;
  mailbox->channels = device->channels;
  mailbox->watchdog_clocks = device->watchdog_clocks < UINT32_MAX ? (uint32_t)device->watchdog_clocks : UINT32_MAX;
  return DUPLEX_OK;
}

static int open_first(struct duplex_backend *backend, const struct duplex_options *options, struct duplex_device **device,
                      char *text, size_t size) {
  struct machine *machine = options->bundles <= ALL_BUNDLES ? calloc(1, sizeof *machine) : NULL;
  *device = NULL;
  if (!machine) {
    backend->ops->close(backend);
    return options->bundles <= ALL_BUNDLES ? DUPLEX_ERROR_NO_MEMORY : DUPLEX_ERROR_ARGUMENT;
  }
  machine->backend = backend;
  machine->owner = ALL_BUNDLES;
  struct duplex_device *self = new_device(machine, options);
  int error = self ? check_identity(self) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = open_controller(machine, self, options->riscv, text, size);
  const struct allotment all = {
      .bundles = self ? self->bundles : 0,
      .part = {{0, DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS}, {DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS, DUPLEX_MAILBOX_ROWS}}};
  if (!error) error = join(self, machine, &all);
  if (error) {
    free_device(self);
    close_machine(machine);
    return error;
  }
  *device = self;
  return DUPLEX_OK;
}

int duplex_open_backend(struct duplex_backend *backend, const struct duplex_options *options, struct duplex_device **device) {
  return open_first(backend, options, device, NULL, 0);
}

static bool rows_free(const struct duplex_device *device, unsigned first_row, unsigned rows) {
  for (unsigned row = first_row; row < first_row + rows; row++)
    if (device->space->taken[row]) return false;
  return true;
}

int duplex_open_client(struct duplex_device *device, unsigned rows, struct duplex_device **client) {
  const struct duplex_options options = {.backend.channels = device->channels,
                                         .bundles = device->bundles,
                                         .strict = device->strict,
                                         .watchdog_clocks = device->watchdog_clocks,
                                         .measure_overhead = device->measure_overhead};
  struct row_range *own = &queue_allotment(device)->part[0];
  *client = NULL;
  if (rows == 0 || rows > own->count || !rows_free(device, own->first + own->count - rows, rows))
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "the last %u rows of the device are not free", rows);
  const uint32_t first_row = own->first + own->count - rows;
  const struct allotment its = {.bundles = device->bundles, .part = {{first_row, rows}}};
  struct duplex_device *self = new_device(device->machine, &options);
  const int error = self ? join(self, device->machine, &its) : DUPLEX_ERROR_NO_MEMORY;
  if (error) {
    free_device(self);
    return device_fail(device, error, "opening a client: %s", duplex_error_text(error));
  }
  own->count -= rows;
  for (unsigned row = first_row; row < first_row + rows; row++) device->space->taken[row] = ALL_BUNDLES;
  *client = self;
  return DUPLEX_OK;
}

static void open_error(int error, const char *backend, unsigned channels, char *text, size_t size) {
  const char *detail = strcmp(backend, "rtl") == 0 ? duplex_rtl_failure() : "";
  if (text && size)
    snprintf(text, size, "back end %s with %u channels: %s", backend, channels, detail[0] ? detail : duplex_error_text(error));
}

int duplex_open(const char *backend, const struct duplex_options *options, struct duplex_device **device, char *error_text,
                size_t size) {
  struct duplex_backend *opened = NULL;
  int error = DUPLEX_ERROR_ARGUMENT;
  *device = NULL;
  if (strcmp(backend, "cmodel") == 0) error = duplex_cmodel_open(&options->backend, &opened);
  if (strcmp(backend, "rtl") == 0) error = duplex_rtl_open(&options->backend, &opened);
  if (error_text && size) error_text[0] = 0;
  if (!error) error = open_first(opened, options, device, error_text, size);
  if (error && !(error_text && size && error_text[0])) open_error(error, backend, options->backend.channels, error_text, size);
  return error;
}

int duplex_set_stripe(struct duplex_device *device, unsigned bundles) {
  if (bundles == 0 || bundles & ~device->bundles)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "stripe set 0x%x: expected some of the bundles 0x%x of Logic-PIM", bundles,
                       device->bundles);
  device->stripe = bundles;
  return DUPLEX_OK;
}

void duplex_close(struct duplex_device *device) {
  if (!device) return;
  struct machine *machine = device->machine;
  queue_close(device);
  for (unsigned i = 0; i < PROTOCOL_ENTRIES; i++) free(device->job[i]);
  free_device(device);
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++)
    if (machine->client[q]) return;
  close_machine(machine);
}

int duplex_reset(struct duplex_device *device) { return queue_reset(device->machine); }

const char *duplex_last_error(const struct duplex_device *device) { return device->error_text; }

void duplex_last_stats(const struct duplex_device *device, struct duplex_stats *stats) { *stats = device->stats; }
