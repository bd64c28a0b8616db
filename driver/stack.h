// A stack and its weights, as the parts of the library see them.
#ifndef DUPLEX_DRIVER_STACK_H
#define DUPLEX_DRIVER_STACK_H

#include "driver/queue.h"
#include "driver/space.h"
#include "duplex/duplex.h"
#include "firmware/firmware.h"

#define ALL_BUNDLES 0xfu

struct duplex_weights {
  struct weight_layout layout;
  struct region region;
  size_t n, k;  // as the user gave them; gated: n of gate and of up
};

struct duplex_stack {
  struct duplex_backend *backend;
  unsigned channels;
  unsigned bundles;  // Logic-PIM's during a job
  unsigned stripe;   // where weights go that are uploaded now
  bool strict;
  uint64_t watchdog_clocks;
  struct space *space;
  struct region table;
  const struct duplex_activation_table
      *loaded_table;  // what the stack's activation unit holds, NULL: unknown
  struct duplex_activation_table table_copy;
  uint32_t table_serial;    // grows with every table that the client brings
  struct machine *machine;  // shared with the stack's other clients
  struct client_queue queue;
  struct duplex_job *job[PROTOCOL_ENTRIES];  // in flight, by number
  bool measure_overhead;
  bool timed_writes;  // region_write takes the xPU's time (the clocks run in the back end's xpu_wait)
  struct duplex_stack_stats stats;
  char error_text[256];
};

// Notes the text of an error and returns its code.
int stack_fail(struct duplex_stack *stack, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// transfer.c: what the back end says about its error, or the text of the code.
const char *stack_cause(struct duplex_stack *stack, int error);
// The bundles of the mask become Logic-PIM's, the others the xPU's, which is the host's side. Bytes of a
// region in one channel: for these all bundles become the xPU's.
int stack_own(struct duplex_stack *stack, unsigned bundles);
int region_write(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                 const void *bytes, size_t size);
int region_read(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                void *bytes, size_t size);

#endif
