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

static void native_gemm(void *context, const struct hal *hal, const struct gemm_job *job, struct firmware_report *report) {
  (void)context;
  firmware_gemm(hal, job, report);
}

static void native_expert(void *context, const struct hal *hal, const struct expert_job *job, struct firmware_report *report) {
  (void)context;
  firmware_expert(hal, job, report);
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

int duplex_open_backend(struct duplex_backend *backend, const struct duplex_options *options, struct duplex_device **device) {
  *device = NULL;
  if (options->bundles > ALL_BUNDLES) {
    backend->ops->close(backend);
    return DUPLEX_ERROR_ARGUMENT;
  }
  struct duplex_device *self = calloc(1, sizeof *self);
  struct space *space = calloc(1, sizeof *space);
  if (!self || !space) {
    free(self);
    free(space);
    backend->ops->close(backend);
    return DUPLEX_ERROR_NO_MEMORY;
  }
  self->backend = backend;
  self->space = space;
  self->channels = options->backend.channels;
  self->bundles = options->bundles ? options->bundles : ALL_BUNDLES;
  self->owner = ALL_BUNDLES;
  self->strict = options->strict;
  self->firmware = (struct firmware_runner){NULL, native_gemm, native_expert};
  self->watchdog_clocks = options->watchdog_clocks ? options->watchdog_clocks : WATCHDOG_CLOCKS;
  self->stripe = self->bundles;
  space_take_mailbox(space, self->bundles, table_row_sets(), &self->table);
  const int error = check_identity(self);
  if (error) {
    duplex_close(self);
    return error;
  }
  *device = self;
  return DUPLEX_OK;
}

static void open_error(int error, const char *backend, unsigned channels, char *text, size_t size) {
  const char *detail = error != DUPLEX_OK && strcmp(backend, "rtl") == 0 ? duplex_rtl_failure() : "";
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
  if (!error) error = duplex_open_backend(opened, options, device);
  if (error) open_error(error, backend, options->backend.channels, error_text, size);
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
  device->backend->ops->close(device->backend);
  free(device->space);
  free(device);
}

const char *duplex_last_error(const struct duplex_device *device) { return device->error_text; }

void duplex_last_stats(const struct duplex_device *device, struct duplex_stats *stats) { *stats = device->stats; }
