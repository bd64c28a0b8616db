// SPDX-License-Identifier: Apache-2.0
// A stack as the files of the library see it: what its clients share, and one client of it with its weights.
#ifndef DUPLEX_DRIVER_STACK_H
#define DUPLEX_DRIVER_STACK_H

#include <sys/types.h>

#include "backend/controller.h"
#include "driver/handles.h"
#include "driver/space.h"
#include "duplex/duplex.h"
#include "firmware/firmware.h"

#define ALL_BUNDLES ((1u << DUPLEX_BUNDLES) - 1)

struct duplex_stack;

// What all clients of one stack share.
struct shared_stack {
  pid_t process;  // that opened the stack, the only one that may use it
  struct duplex_backend *backend;
  struct controller *controller;
  uint64_t refresh_interval;   // clocks, from one refresh to the next
  unsigned logic_pim_bundles;  // the mask of those that are Logic-PIM's now; the others are the xPU's
  bool in_mid_job;             // a wait ended early: the DRAM is still Logic-PIM's
  struct duplex_stack *client[PROTOCOL_QUEUES];
};

// A client's side of its job queue. A message is number base + i, where i counts from the queue's last
// opening.
struct client_queue {
  unsigned index;
  uint32_t base, produced, collected;
};

struct duplex_weights {
  struct handle handle;
  struct weight_layout layout;
  struct region region;
  size_t n, k;  // as the user gave them; gated: n of gate and of up
};

// The table of layers in the controller's memory, in units of which a layer takes as many as it needs: its
// number there is that of its first unit.
struct layer_slots {
  struct duplex_layer *owner[PROTOCOL_LAYERS];
  unsigned next;  // unit to take next, in turn
};

// What the user calls a stack: one client of it. The first one is the stack's owner.
struct duplex_stack {
  struct shared_stack *shared;
  struct duplex_backend *backend;
  unsigned channels;
  unsigned bundles;  // Logic-PIM's during a job
  unsigned stripe;   // where weights go that are uploaded now
  bool strict;
  uint64_t watchdog_clocks;
  struct space *space;
  struct region table;                                 // of the activation table's image
  const struct duplex_activation_table *loaded_table;  // what the activation unit holds; NULL: unknown
  struct duplex_activation_table table_copy;
  uint32_t table_serial;  // grows with every table that the client brings
  struct client_queue queue;
  struct handles weights, jobs, caches, sequences, layers;  // that the client holds
  struct layer_slots layer_slots;
  struct schedule_times *times;  // or NULL; known to the firmware in that generation of the queue
  uint32_t times_registered;
  bool measure_overhead;
  // region_write and region_read take the xPU's time: the clock runs in the back end's xpu_wait. No bundle
  // changes hands.
  bool timed_writes, timed_reads;
  struct duplex_stack_stats stats;
  char error_text[256];
};

#endif
