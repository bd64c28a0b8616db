// SPDX-License-Identifier: Apache-2.0
// Who runs the firmware of a stack: this process (native.c), or an RV32 controller (backend/rv32, in a
// library of its own). Both serve the queues of the same mailbox.
#ifndef DUPLEX_BACKEND_CONTROLLER_H
#define DUPLEX_BACKEND_CONTROLLER_H

#include "duplex/backend.h"
#include "duplex/controller.h"
#include "firmware/protocol.h"

struct controller;

struct controller_ops {
  const char *name;  // "native" or "riscv"
  void (*close)(struct controller *controller);
  // The firmware starts afresh and brings the stack to rest. All queues are closed.
  int (*reset)(struct controller *controller);
  // Rings the firmware's doorbell and runs it until it has completed a job, has nothing to do, or `clocks`
  // have passed (native: a job is not interrupted). An error means that the firmware has stopped: it needs a
  // reset.
  int (*run)(struct controller *controller, uint64_t clocks);
  // As end_files of duplex/backend.h, for trace and profile; the text is in `failure`. NULL: it writes none.
  int (*end_files)(struct controller *controller);
};

// Every implementation begins with this.
struct controller {
  const struct controller_ops *ops;
  struct duplex_backend *backend;
  struct mailbox *mailbox;
  uint64_t instructions;  // executed so far
  bool idle;              // the last run ended because there was nothing to do
  int backend_error;      // first error of the back end in a run
  char failure[400];      // text of the last error
};

// watchdog_clocks: longest time without news from the stack.
int controller_native(struct duplex_backend *backend, uint64_t watchdog_clocks,
                      struct controller **controller);

// backend/rv32/loader.c: loads the library of the RV32 controller. `text` gets the cause of a failure.
int controller_riscv(const struct duplex_riscv_options *options, struct duplex_backend *backend,
                     struct controller **controller, char *text, size_t size);

#endif
