// SPDX-License-Identifier: Apache-2.0
// Opening and closing a device, and what all of it needs.
#include "device/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/kv.h"
#include "device/layer.h"
#include "device/tables.h"
#include "driver/idle.h"
#include "duplex/arithmetic.h"
#include "duplex/hbm.h"

static int refuse(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int refuse(char *text, size_t size, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (text && size) vsnprintf(text, size, format, arguments);
  va_end(arguments);
  return DUPLEX_ERROR_ARGUMENT;
}

// Whether the options name files, or a debugger, of which each stack would need its own.
static bool has_files(const struct duplex_stack_options *stack) {
  const struct duplex_riscv_options *riscv = stack->riscv;
  return stack->backend.trace_file || stack->backend.command_file ||
         (riscv && (riscv->trace_file || riscv->profile_file || riscv->gdb_port));
}

// Refuses options out of range, and those of a stack that the device sets by itself.
static int check_options(const struct duplex_device_options *options, char *text, size_t size) {
  if (!options) return refuse(text, size, "options is NULL: expected a pointer");
  if (options->stacks > DUPLEX_STACKS_MOST)
    return refuse(text, size, "%u stacks: expected 1 to %d", options->stacks, DUPLEX_STACKS_MOST);
  if (options->threads > DUPLEX_THREADS_MOST)
    return refuse(text, size, "%u threads: expected at most %u, 0 for one of each core", options->threads,
                  DUPLEX_THREADS_MOST);
  if (options->stack.bundles || options->stack.backend.xpu_traffic)
    return refuse(text, size, "bundles and the xPU's traffic of a stack are the device's own: expected none");
  if (options->stack.measure_overhead)
    return refuse(text, size, "the overhead of firmware is measured by a stack: expected none of a device");
  if ((unsigned)options->policy > DUPLEX_POLICY_XPU)
    return refuse(text, size, "policy %d: expected best, paper, Logic-PIM or xPU", (int)options->policy);
  if ((unsigned)options->partials > DUPLEX_PARTIALS_AUTO)
    return refuse(text, size, "partial sums %d: expected acc, f32, gathered or auto", (int)options->partials);
  if (options->copies > 2)
    return refuse(text, size, "%u copies of each expert: expected 1, 2, or 0 for as many as pay",
                  options->copies);
  if (options->copies == 2 && options->policy != DUPLEX_POLICY_BEST)
    return refuse(text, size, "2 copies of each expert with policy %d: expected best", (int)options->policy);
  if (options->always_decide > 1)
    return refuse(text, size, "always_decide %u: expected 0 or 1", options->always_decide);
  if (options->xpu && options->xpu_times)
    return refuse(text, size, "times for the built-in xPU: expected none with one of the caller's");
  const unsigned stacks = options->stacks ? options->stacks : DUPLEX_STACKS_DEFAULT;
  if (stacks > 1 && has_files(&options->stack))
    return refuse(text, size,
                  "traces, profiles and a debugger are of one stack: expected one stack with them");
  return DUPLEX_OK;
}

// What tables are measured with later, when structs and texts of the caller may be gone. Files are the
// stacks' own.
static int keep_options(struct duplex_device *device, const struct duplex_device_options *options) {
  const struct duplex_dram_timing *preset = duplex_dram_preset(options->stack.backend.dram_preset);
  const struct duplex_riscv_options *riscv = options->stack.riscv;
  struct duplex_backend_options *backend = &device->options.stack.backend;
  device->options = *options;
  device->options.xpu_times = backend->trace_file = backend->command_file = NULL;
  backend->dram_preset = preset ? preset->name : NULL;
  if (!riscv) return DUPLEX_OK;
  device->riscv = *riscv;
  device->riscv.trace_file = device->riscv.profile_file = NULL;
  device->options.stack.riscv = &device->riscv;
  if (!riscv->elf) return DUPLEX_OK;
  device->riscv.elf = device->elf = strdup(riscv->elf);
  return device->elf ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}

// The stacks of a device whose options are checked; those before one that fails stay open.
static int open_stacks(struct duplex_device *device, const char *backend,
                       const struct duplex_stack_options *given, char *text, size_t size) {
  struct duplex_stack_options options = *given;
  options.backend.threads = (device->threads + device->stacks - 1) / device->stacks;
  for (unsigned i = 0; i < device->stacks; i++) {
    const int error = duplex_stack_open(backend, &options, &device->stack[i], text, size);
    if (error) return error;
  }
  return DUPLEX_OK;
}

// The caller's xPU, or the built-in one.
static int open_xpu(struct duplex_device *device, const char *times, char *text, size_t size) {
  const struct duplex_xpu_options options = {
      .channels = device->stacks * device->options.stack.backend.channels,
      .threads = device->threads,
      .clock_khz = device->clock_khz,
      .gemm_table = times};
  device->xpu = device->options.xpu;
  if (device->xpu) return DUPLEX_OK;
  const int error = duplex_xpu_open(&options, &device->own_xpu, text, size);
  device->xpu = device->own_xpu;
  return error;
}

int duplex_device_open(const char *backend, const struct duplex_device_options *options,
                       struct duplex_device **device, char *error_text, size_t size) {
  if (error_text && size) error_text[0] = 0;
  if (device) *device = NULL;
  int error = device ? check_options(options, error_text, size)
                     : refuse(error_text, size, "device is NULL: expected a pointer");
  if (error) return error;
  struct duplex_device *self = calloc(1, sizeof *self);
  if (!self) return DUPLEX_ERROR_NO_MEMORY;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  error = keep_options(self, options);
  self->stacks = options->stacks ? options->stacks : DUPLEX_STACKS_DEFAULT;
  self->clock_khz = duplex_dram_clock_khz(options->stack.backend.dram_preset);
  self->threads = options->threads ? options->threads : cores > 0 ? (unsigned)cores : 1;
  if (!error) error = open_stacks(self, backend, &options->stack, error_text, size);
  if (!error) error = open_xpu(self, options->xpu_times, error_text, size);
  if (error) {
    duplex_device_close(self);
    return error;
  }
  *device = self;
  return DUPLEX_OK;
}

static int end_files(void *context, unsigned stack) {
  struct duplex_device *device = context;
  return duplex_stack_end_files(device->stack[stack]);
}

struct place {
  struct duplex_device *device;
  unsigned place, places;
};

static int idle(void *context, unsigned stack) {
  const struct place *at = context;
  return stack_idle(at->device->stack[stack], at->place, at->places);
}

int duplex_device_idle(struct duplex_device *device, unsigned place, unsigned places) {
  struct place at = {device, place, places};
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  if (place >= places)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "place %u: expected one below %u", place, places);
  return device_each_stack(device, idle, &at);
}

int duplex_device_end_files(struct duplex_device *device) {
  return device ? device_each_stack(device, end_files, device) : DUPLEX_ERROR_ARGUMENT;
}

void duplex_device_close(struct duplex_device *device) {
  if (!device) return;
  for (struct duplex_moe *moe = device->layers, *next; moe; moe = next) {
    next = moe->next;
    moe_free(moe);
  }
  kv_close_all(device);
  for (unsigned i = 0; i < device->stacks; i++) duplex_stack_close(device->stack[i]);
  if (device->own_xpu) device->own_xpu->ops->close(device->own_xpu);
  events_free(&device->events);
  tables_free(device);
  free(device->elf);
  free(device);
}

const char *duplex_device_last_error(const struct duplex_device *device) {
  return device ? device->error_text : "there is no device: its pointer is NULL";
}

void duplex_device_last_stats(const struct duplex_device *device, struct duplex_moe_stats *stats) {
  if (!stats) return;
  *stats = device ? device->stats : (struct duplex_moe_stats){0};
}

size_t duplex_device_events(const struct duplex_device *device, const struct duplex_event **events) {
  if (events) *events = device ? device->events.list : NULL;
  return device ? device->events.count : 0;
}

unsigned duplex_device_stacks(const struct duplex_device *device) { return device ? device->stacks : 0; }

struct duplex_stack *duplex_device_stack(struct duplex_device *device, unsigned number) {
  return device && number < device->stacks ? device->stack[number] : NULL;
}
