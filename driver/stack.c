// SPDX-License-Identifier: Apache-2.0
// Opening and closing stacks and clients of them.
#include "driver/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backends.h"
#include "driver/arguments.h"
#include "driver/job.h"
#include "driver/queue.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/registers.h"

#define WATCHDOG_CLOCKS (UINT64_C(1) << 34)

// Row sets of an activation table on one channel, which has more of it than one of several.
static uint32_t table_row_sets(void) {
  const uint32_t tiles = duplex_divide_up(DUPLEX_ACTIVATION_IMAGE_BYTES, DUPLEX_TILE_BYTES);
  return activation_row_sets(tiles, 1);
}

// The stack is one of this library: ID, version and geometry.
static int check_identity(struct duplex_stack *stack, char *text, size_t size) {
  uint32_t id = 0;
  uint32_t version = 0;
  uint32_t geometry = 0;
  const struct duplex_backend_ops *ops = stack->backend->ops;
  int error = ops->reg_read(stack->backend, DUPLEX_REG_ID, &id);
  if (!error) error = ops->reg_read(stack->backend, DUPLEX_REG_VERSION, &version);
  if (!error) error = ops->reg_read(stack->backend, DUPLEX_REG_GEOMETRY, &geometry);
  if (error) return error;
  const bool known = id == DUPLEX_ID_VALUE_RESET && version == DUPLEX_VERSION_VALUE_RESET;
  const uint32_t expected =
      stack->channels << DUPLEX_GEOMETRY_CHANNELS_LSB | DUPLEX_LANES << DUPLEX_GEOMETRY_LANES_LSB |
      DUPLEX_WIDTH << DUPLEX_GEOMETRY_WIDTH_LSB | (uint32_t)DUPLEX_ROWS << DUPLEX_GEOMETRY_ROWS_LSB;
  if (known && geometry == expected) return DUPLEX_OK;
  if (known && text && size)
    snprintf(text, size,
             "the stack has the geometry 0x%08x: expected 0x%08x, that of this library (docs/parameters.md)",
             geometry, expected);
  return DUPLEX_ERROR_FORMAT;
}

// A client without a queue; NULL: no memory.
static struct duplex_stack *new_stack(const struct shared_stack *shared,
                                      const struct duplex_stack_options *options) {
  struct duplex_stack *self = calloc(1, sizeof *self);
  struct space *space = calloc(1, sizeof *space);
  if (!self || !space) {
    free(self);
    free(space);
    return NULL;
  }
  self->backend = shared->backend;
  self->space = space;
  self->channels = options->backend.channels;
  self->bundles = options->bundles ? options->bundles : ALL_BUNDLES;
  self->strict = options->strict;
  self->measure_overhead = options->measure_overhead;
  self->watchdog_clocks = options->watchdog_clocks ? options->watchdog_clocks : WATCHDOG_CLOCKS;
  if (options->riscv && self->watchdog_clocks > UINT32_MAX)
    self->watchdog_clocks = UINT32_MAX;  // of one word
  self->stripe = self->bundles;
  return self;
}

// The memory of one client; the stack behind it stays. NULL is nothing.
static void free_stack(struct duplex_stack *stack) {
  if (stack) {
    free(stack->space);
    free(stack->times);
  }
  free(stack);
}

// What all clients of a stack share; the last one calls it.
static void close_shared(struct shared_stack *shared) {
  if (shared->controller) shared->controller->ops->close(shared->controller);
  shared->backend->ops->close(shared->backend);
  free(shared);
}

static bool within(uint32_t row, const struct row_range *range) { return row - range->first < range->count; }

// Gives the stack its queue and the rows of its allotment; all others are taken.
static int join(struct duplex_stack *stack, struct shared_stack *shared, const struct allotment *own) {
  stack->shared = shared;
  for (uint32_t row = 0; row < DUPLEX_BANK_ROWS; row++)
    if (!within(row, &own->part[0]) && !within(row, &own->part[1])) stack->space->taken[row] = ALL_BUNDLES;
  const int error = queue_open(stack, own);
  if (error) return error;
  if (space_take_mailbox(stack->space, stack->bundles, table_row_sets(), &stack->table)) return DUPLEX_OK;
  queue_close(stack);
  return DUPLEX_ERROR_OUT_OF_SPACE;
}

// The controller of the options, and what the mailbox tells its firmware.
static int open_controller(struct shared_stack *shared, const struct duplex_stack *stack,
                           const struct duplex_riscv_options *riscv, char *text, size_t size) {
  const int error = riscv ? controller_riscv(riscv, shared->backend, &shared->controller, text, size)
                          : controller_native(shared->backend, stack->watchdog_clocks, &shared->controller);
  if (error) return error;
  struct mailbox *mailbox = shared->controller->mailbox;
  if (mailbox->point != DUPLEX_POINT) {
    if (text && size)
      snprintf(text, size,
               "the firmware was built at another point of the design space: expected that of this library "
               "(docs/parameters.md)");
    return DUPLEX_ERROR_FIRMWARE;
  }
  mailbox->channels = stack->channels;
  mailbox->watchdog_clocks = (uint32_t)duplex_smaller(stack->watchdog_clocks, UINT32_MAX);
  return DUPLEX_OK;
}

// The first client, on a back end that is closed if this fails.
static int open_first(struct duplex_backend *backend, const struct duplex_stack_options *options,
                      struct duplex_stack **stack, char *text, size_t size) {
  struct shared_stack *shared = calloc(1, sizeof *shared);
  *stack = NULL;
  if (!shared) {
    backend->ops->close(backend);
    return DUPLEX_ERROR_NO_MEMORY;
  }
  shared->backend = backend;
  shared->process = getpid();
  shared->refresh_interval = duplex_dram_preset(options->backend.dram_preset)->nREFI / 2;
  shared->logic_pim_bundles = ALL_BUNDLES;
  struct duplex_stack *self = new_stack(shared, options);
  int error = self ? check_identity(self, text, size) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = open_controller(shared, self, options->riscv, text, size);
  const struct allotment all = {.bundles = self ? self->bundles : 0,
                                .part = {{0, DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS},
                                         {DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS, DUPLEX_MAILBOX_ROWS}}};
  if (!error) error = join(self, shared, &all);
  if (error) {
    free_stack(self);
    close_shared(shared);
    return error;
  }
  *stack = self;
  return DUPLEX_OK;
}

int duplex_stack_open_backend(struct duplex_backend *backend, const struct duplex_stack_options *options,
                              struct duplex_stack **stack) {
  if (stack) *stack = NULL;
  if (!backend) return DUPLEX_ERROR_ARGUMENT;
  const int error = stack ? check_stack_options(options, NULL, 0) : DUPLEX_ERROR_ARGUMENT;
  if (error) {
    backend->ops->close(backend);
    return error;
  }
  return open_first(backend, options, stack, NULL, 0);
}

// Whether nobody has any of these rows.
static bool rows_free(const struct duplex_stack *stack, unsigned first_row, unsigned rows) {
  for (unsigned row = first_row; row < first_row + rows; row++)
    if (stack->space->taken[row]) return false;
  return true;
}

int duplex_stack_open_client(struct duplex_stack *stack, unsigned rows, struct duplex_stack **client) {
  if (client) *client = NULL;
  const int given = need(stack, "client", client);
  if (given) return given;
  const struct duplex_stack_options options = {.backend.channels = stack->channels,
                                               .bundles = stack->bundles,
                                               .strict = stack->strict,
                                               .watchdog_clocks = stack->watchdog_clocks,
                                               .measure_overhead = stack->measure_overhead};
  struct row_range *own = &queue_allotment(stack)->part[0];
  if (rows == 0 || rows > own->count || !rows_free(stack, own->first + own->count - rows, rows))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "the last %u rows of the stack are not free", rows);
  const uint32_t first_row = own->first + own->count - rows;
  const struct allotment its = {.bundles = stack->bundles, .part = {{first_row, rows}}};
  struct duplex_stack *self = new_stack(stack->shared, &options);
  const int error = self ? join(self, stack->shared, &its) : DUPLEX_ERROR_NO_MEMORY;
  if (error) {
    free_stack(self);
    return stack_fail(stack, error, "opening a client: %s", duplex_error_text(error));
  }
  own->count -= rows;
  for (unsigned row = first_row; row < first_row + rows; row++) stack->space->taken[row] = ALL_BUNDLES;
  *client = self;
  return DUPLEX_OK;
}

// The text of a failed open that nothing else has explained.
static void open_error(int error, const char *name, const struct backend_entry *entry, unsigned channels,
                       char *text, size_t size) {
  const char *detail = entry && entry->failure ? entry->failure() : "";
  if (text && size)
    snprintf(text, size, "back end %s with %u channels: %s", name, channels,
             detail[0] ? detail : duplex_error_text(error));
}

// The arguments of duplex_stack_open besides the options.
static int check_open(const char *backend, const struct backend_entry *entry, struct duplex_stack **stack,
                      char *text, size_t size) {
  char names[64];
  if (entry && stack) return DUPLEX_OK;
  backend_names(names, sizeof names);
  if (!text || !size) return DUPLEX_ERROR_ARGUMENT;
  if (entry) {
    snprintf(text, size, "stack is NULL: expected a pointer");
  } else if (backend) {
    snprintf(text, size, "back end '%s': expected %s", backend, names);
  } else {
    snprintf(text, size, "the back end is NULL: expected %s", names);
  }
  return DUPLEX_ERROR_ARGUMENT;
}

int duplex_stack_open(const char *backend, const struct duplex_stack_options *options,
                      struct duplex_stack **stack, char *error_text, size_t size) {
  const struct backend_entry *entry = backend ? backend_find(backend) : NULL;
  struct duplex_backend *opened = NULL;
  if (error_text && size) error_text[0] = 0;
  if (stack) *stack = NULL;
  int error = check_open(backend, entry, stack, error_text, size);
  if (!error) error = check_stack_options(options, error_text, size);
  if (error) return error;
  error = entry->open(&options->backend, &opened);
  if (!error) error = open_first(opened, options, stack, error_text, size);
  if (error && !(error_text && size && error_text[0]))
    open_error(error, backend, entry, options->backend.channels, error_text, size);
  return error;
}

int duplex_stack_set_stripe(struct duplex_stack *stack, unsigned bundles) {
  const int error = need_process(stack);
  if (error) return error;
  if (bundles == 0 || bundles & ~stack->bundles)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "stripe set 0x%x: expected some of the bundles 0x%x of Logic-PIM", bundles,
                      stack->bundles);
  stack->stripe = bundles;
  return DUPLEX_OK;
}

// What the caller has not given back.
static void free_handles(struct duplex_stack *stack) {
  for (struct handle *cache = stack->caches.first; cache; cache = cache->next)
    if (cache->live) duplex_kv_close((struct duplex_kv_cache *)cache);
  for (struct handle *job = stack->jobs.first; job; job = job->next)
    if (job->live) job_retire((struct duplex_job *)job);
  for (struct handle *layer = stack->layers.first; layer; layer = layer->next)
    if (layer->live) duplex_layer_close((struct duplex_layer *)layer);
  handles_free(&stack->layers);
  handles_free(&stack->weights);
  handles_free(&stack->jobs);
  handles_free(&stack->caches);
  handles_free(&stack->sequences);
}

void duplex_stack_close(struct duplex_stack *stack) {
  if (need_process(stack)) return;
  struct shared_stack *shared = stack->shared;
  queue_close(stack);
  free_handles(stack);
  free_stack(stack);
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++)
    if (shared->client[q]) return;
  close_shared(shared);
}

int duplex_stack_end_files(struct duplex_stack *stack) {
  const int error = need_process(stack);
  if (error) return error;
  struct controller *controller = stack->shared->controller;
  struct duplex_backend *backend = stack->backend;
  const int of_controller = controller->ops->end_files ? controller->ops->end_files(controller) : DUPLEX_OK;
  const int of_backend = backend->ops->end_files ? backend->ops->end_files(backend) : DUPLEX_OK;
  if (of_controller) return stack_fail(stack, of_controller, "%s", controller->failure);
  return of_backend ? stack_fail(stack, of_backend, "%s", backend->ops->failure(backend)) : DUPLEX_OK;
}

int duplex_stack_reset(struct duplex_stack *stack) {
  int error = need_process(stack);
  if (error) return error;
  error = queue_reset(stack->shared);
  const char *why = stack->shared->controller->failure;
  return error ? stack_fail(stack, error, "the firmware does not start: %s",
                            why[0] ? why : duplex_error_text(error))
               : DUPLEX_OK;
}

unsigned duplex_stack_channels(const struct duplex_stack *stack) { return stack ? stack->channels : 0; }

const char *duplex_stack_last_error(const struct duplex_stack *stack) {
  return stack ? stack->error_text : "there is no stack: its pointer is NULL";
}

void duplex_stack_last_stats(const struct duplex_stack *stack, struct duplex_stack_stats *stats) {
  if (!stats) return;
  *stats = stack ? stack->stats : (struct duplex_stack_stats){0};
}
