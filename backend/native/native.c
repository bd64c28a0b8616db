// SPDX-License-Identifier: Apache-2.0
// The firmware in the host's process: its registers are the back end's, and it takes no time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/controller.h"
#include "duplex/error.h"
#include "firmware/kernels/ring.h"

struct native {
  struct controller base;
  uint64_t watchdog_clocks;
  struct protocol protocol;
  struct mailbox mailbox;
  struct layer_tables tables;
};

static void note(struct controller *controller, int error) {
  if (error && !controller->backend_error) controller->backend_error = error;
}

// An access of the firmware; an error stays in the controller, and the value is 0 then.
static uint32_t read_register(void *context, uint32_t address) {
  struct controller *c = context;
  uint32_t value = 0;
  note(c, c->backend->ops->reg_read(c->backend, address, &value));
  return value;
}

// The same, written.
static void write_register(void *context, uint32_t address, uint32_t value) {
  struct controller *c = context;
  note(c, c->backend->ops->reg_write(c->backend, address, value));
}

// Advances the stack until its interrupt line is high; not 0: it did not come in time, or the back end
// failed.
static int wait_interrupt(void *context) {
  struct native *native = context;
  struct controller *c = &native->base;
  int interrupt = 0;
  if (c->backend_error) return 1;
  note(c, c->backend->ops->advance(c->backend, native->watchdog_clocks, &interrupt));
  return c->backend_error || !interrupt;
}

static void native_close(struct controller *controller) { free(controller); }

// The protocol starts afresh and the stack comes to rest.
static int native_reset(struct controller *controller) {
  struct native *native = (struct native *)controller;
  controller->backend_error = DUPLEX_OK;
  memset(&native->mailbox.queue, 0, sizeof native->mailbox.queue);
  protocol_start(&native->protocol, &native->mailbox);
  ring_recover(&native->protocol.hal);
  return controller->backend_error;
}

// Serves all messages; the jobs let clocks of the stack pass, so that `clocks` is no limit.
static int native_run(struct controller *controller, uint64_t clocks) {
  struct native *native = (struct native *)controller;
  (void)clocks;
  controller->backend_error = DUPLEX_OK;
  controller->idle = !protocol_serve(&native->protocol);
  return DUPLEX_OK;  // an error of the back end is in the job's completion
}

int controller_native(struct duplex_backend *backend, uint64_t watchdog_clocks,
                      struct controller **controller) {
  static const struct controller_ops ops = {"native", native_close, native_reset, native_run, NULL};
  struct native *native = calloc(1, sizeof *native);
  *controller = &native->base;
  if (!native) return DUPLEX_ERROR_NO_MEMORY;
  native->base.ops = &ops;
  native->base.backend = backend;
  native->base.mailbox = &native->mailbox;
  native->watchdog_clocks = watchdog_clocks;
  native->protocol.tables = &native->tables;
  native->protocol.hal = (struct hal){
      .context = native, .read = read_register, .write = write_register, .wait_interrupt = wait_interrupt};
  protocol_start(&native->protocol, &native->mailbox);
  return DUPLEX_OK;
}
