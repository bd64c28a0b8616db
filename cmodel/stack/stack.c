// SPDX-License-Identifier: Apache-2.0
// The C model of a stack behind the interface of duplex/backend.h.
#include "cmodel/stack/stack.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmodel/stack/register_access.h"
#include "cmodel/stack/stack_clock.h"
#include "duplex/error.h"
#include "duplex/gemm.h"

#define RESET_CLOCKS 4  // of the RTL back end

static struct stack_model *self(struct duplex_backend *backend) { return (struct stack_model *)backend; }

// Frees everything; also a stack that was opened only in part.
static void model_close(struct duplex_backend *backend) {
  worker_close(&self(backend)->worker);
  duplex_hbm_close(self(backend)->hbm);
  execution_close(&self(backend)->execution);
  for (unsigned channel = 0; self(backend)->xpu && channel < self(backend)->channels; channel++)
    duplex_xpu_stop(&self(backend)->xpu[channel]);
  free(self(backend)->xpu);
  free(backend);
}

static int model_reg_read(struct duplex_backend *backend, uint32_t address, uint32_t *value) {
  return stack_reg_read(self(backend), address, value);
}

static int model_reg_write(struct duplex_backend *backend, uint32_t address, uint32_t value) {
  return stack_reg_write(self(backend), address, value);
}

// Bytes of DRAM; those of bundles that are Logic-PIM's read as DUPLEX_FOREIGN_BYTE, with an error.
static int model_mem_read(struct duplex_backend *backend, unsigned channel, uint64_t address, void *bytes,
                          size_t size) {
  int error = worker_finish(&self(backend)->worker);
  if (!error) error = duplex_hbm_mem_read(self(backend)->hbm, channel, address, bytes, size);
  return error ? error
               : duplex_hbm_check_owner(self(backend)->hbm, self(backend)->registers.bundle_owner, channel,
                                        address, size, bytes);
}

// All bytes or, with an error, none.
static int model_mem_write(struct duplex_backend *backend, unsigned channel, uint64_t address,
                           const void *bytes, size_t size) {
  int error = worker_finish(&self(backend)->worker);
  if (!error)
    error = duplex_hbm_check_owner(self(backend)->hbm, self(backend)->registers.bundle_owner, channel,
                                   address, size, NULL);
  return error ? error : duplex_hbm_mem_write(self(backend)->hbm, channel, address, bytes, size);
}

// So many clocks, or until the interrupt line rises if `interrupt` is not NULL, or until the xPU has nothing
// more to do if `xpu` is set; clocks in which nothing happens are skipped.
static int run(struct stack_model *stack, uint64_t clocks, int *interrupt, bool xpu) {
  const uint64_t end = stack->clocks + clocks;
  int error = DUPLEX_OK;
  while (stack->clocks < end && !(interrupt && stack->interrupt) && !(xpu && !stack_xpu_busy(stack)) &&
         !error)
    if (stack_skip(stack, end - stack->clocks) == 0) error = stack_clock(stack);
  if (interrupt) *interrupt = stack->interrupt;
  return error;
}

static int model_advance(struct duplex_backend *backend, uint64_t clocks, int *interrupt) {
  return run(self(backend), clocks, interrupt, false);
}

static int model_xpu_advance(struct duplex_backend *backend, uint64_t clocks, int *interrupt) {
  return run(self(backend), clocks, interrupt, true);
}

// As model_mem_write; the column commands of the xPU that it takes come in later clocks.
static int model_xpu_write(struct duplex_backend *backend, unsigned channel, uint64_t address,
                           const void *bytes, size_t size) {
  const int error = model_mem_write(backend, channel, address, bytes, size);
  struct stack_model *stack = self(backend);
  if (error) return error;
  twins_leave(&stack->twins, stack->channels, channel, stack->channel, stack->xpu);
  return duplex_xpu_write(&stack->xpu[channel], address, size);
}

// As model_mem_read, or only the look at the owner if nobody wants the bytes; the column commands come in
// later clocks.
static int model_xpu_read(struct duplex_backend *backend, unsigned channel, uint64_t address, void *bytes,
                          size_t size) {
  struct stack_model *stack = self(backend);
  if (channel >= stack->channels) return DUPLEX_ERROR_ARGUMENT;
  const int error =
      bytes ? model_mem_read(backend, channel, address, bytes, size)
            : duplex_hbm_check_owner(stack->hbm, stack->registers.bundle_owner, channel, address, size, NULL);
  if (error) return error;
  twins_leave(&stack->twins, stack->channels, channel, stack->channel, stack->xpu);
  return duplex_xpu_read(&stack->xpu[channel], address, size);
}

// Runs until the xPU has its bundles and has done everything, DUPLEX_XPU_WAIT_MOST clocks at most.
static int model_xpu_wait(struct duplex_backend *backend) {
  const int error = run(self(backend), DUPLEX_XPU_WAIT_MOST, NULL, true);
  return !error && stack_xpu_busy(self(backend)) ? DUPLEX_ERROR_WATCHDOG : error;
}

// Sums over the channels, and the last of their times; a channel's clock began with the first one after
// reset.
static void model_xpu_state(struct duplex_backend *backend, struct duplex_xpu_state *state) {
  const struct stack_model *stack = self(backend);
  *state = (struct duplex_xpu_state){0};
  for (unsigned channel = 0; channel < stack->channels; channel++)
    duplex_xpu_add_state(&stack->xpu[stack->twins.leader[channel]], stack->clocks, state);
}

static uint64_t model_clocks(struct duplex_backend *backend) { return self(backend)->clocks; }

// DRAM commands since open, of Logic-PIM and of the xPU.
static void model_commands(struct duplex_backend *backend, struct duplex_dram_commands *commands) {
  *commands = self(backend)->commands;
  commands->xpu_rd = commands->xpu_wr = 0;
  for (unsigned channel = 0; channel < self(backend)->channels; channel++) {
    commands->xpu_rd += self(backend)->xpu[self(backend)->twins.leader[channel]].reads;
    commands->xpu_wr += self(backend)->xpu[self(backend)->twins.leader[channel]].writes;
  }
}

static const char *model_failure(struct duplex_backend *backend) {
  return duplex_hbm_failure(self(backend)->hbm);
}

static const struct duplex_backend_ops model_ops = {
    .name = "cmodel",
    .close = model_close,
    .reg_read = model_reg_read,
    .reg_write = model_reg_write,
    .mem_read = model_mem_read,
    .mem_write = model_mem_write,
    .xpu_read = model_xpu_read,
    .xpu_write = model_xpu_write,
    .xpu_state = model_xpu_state,
    .xpu_advance = model_xpu_advance,
    .xpu_wait = model_xpu_wait,
    .advance = model_advance,
    .clocks = model_clocks,
    .commands = model_commands,
    .failure = model_failure,  // it writes no files, which it could end
};

// All units as after reset, the DRAM's among them; without streams the xPU is quiet. Cells, counts of
// commands and the clock stay.
static void reset_units(struct stack_model *stack) {
  registers_reset(&stack->registers);
  memset(&stack->controller, 0, sizeof stack->controller);
  memset(&stack->job, 0, sizeof stack->job);
  memset(&stack->broadcast, 0, sizeof stack->broadcast);
  memset(stack->pending, 0, sizeof stack->pending);
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    channel_timing_reset(&stack->channel[channel], &stack->timing);
    duplex_xpu_stop(&stack->xpu[channel]);
    duplex_xpu_start(&stack->xpu[channel], &stack->timing, 0, stack->xpu_streams);
  }
  twins_reset(&stack->twins, stack->channels);
  stack->owner = stack->registers.bundle_owner;
  stack->open = stack->settled = 0;
  stack->front_busy = stack->older_busy = stack->work_busy = stack->segment_room = stack->interrupt = false;
  stack->broadcast.room = BROADCAST_ROOM;
  result_bus_reset(&stack->bus);
  stack->clocks += RESET_CLOCKS;
}

int stack_reset(struct stack_model *stack) {
  const int error = worker_finish(&stack->worker);
  execution_reset(&stack->execution);
  reset_units(stack);
  return error;
}

// As many threads as were asked for, or as there are cores.
static unsigned threads_of(const struct duplex_backend_options *options) {
  if (options->threads) return options->threads;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? (unsigned)cores : 1;
}

const char *duplex_cmodel_failure(void) {
  return duplex_gemm_kernels()
             ? ""
             : "DUPLEX_KERNEL names no kernel of this processor: expected portable, avx2 or avx512";
}

int duplex_cmodel_open(const struct duplex_backend_options *options, struct duplex_backend **backend) {
  if (backend) *backend = NULL;
  if (!options || !backend) return DUPLEX_ERROR_ARGUMENT;
  if (options->channels < 1 || options->channels > DUPLEX_CHANNELS) return DUPLEX_ERROR_ARGUMENT;
  if (!duplex_gemm_kernels()) return DUPLEX_ERROR_ARGUMENT;
  if (options->trace_file || options->command_file) return DUPLEX_ERROR_NOT_AVAILABLE;
  struct stack_model *stack = calloc(1, sizeof *stack);
  if (!stack) return DUPLEX_ERROR_NO_MEMORY;
  stack->backend.ops = &model_ops;
  stack->channels = options->channels;
  stack->xpu_streams = options->xpu_traffic;
  stack->xpu = calloc(options->channels, sizeof *stack->xpu);
  int error = duplex_dram_timing_of(options, &stack->timing);
  if (!error) error = execution_open(&stack->execution, options->channels, threads_of(options));
  worker_open(&stack->worker, &stack->execution);
  if (!error && !stack->xpu) error = DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = duplex_hbm_open(options->channels, &stack->timing, NULL, &stack->hbm);
  if (error) {
    model_close(&stack->backend);
    return error;
  }
  stack->execution.hbm = stack->hbm;
  reset_units(stack);
  *backend = &stack->backend;
  return DUPLEX_OK;
}
