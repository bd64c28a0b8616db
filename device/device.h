// SPDX-License-Identifier: Apache-2.0
// What an open device consists of.
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include "device/events.h"
#include "driver/handles.h"
#include "duplex/device.h"

// A work that the xPU did not do.
struct xpu_failure {
  const char *call;  // of its interface; NULL: none failed
  int error;
};

struct duplex_device {
  // With the defaults in place of zeros, and nothing in them that is the caller's but `xpu`.
  struct duplex_device_options options;
  struct duplex_riscv_options riscv;
  char *elf;  // of these
  unsigned stacks, threads;
  unsigned clock_khz;  // of the stacks
  struct duplex_stack *stack[DUPLEX_STACKS_MOST];
  struct duplex_xpu *xpu;  // the caller's, or `own_xpu`
  struct duplex_xpu *own_xpu;
  struct xpu_failure xpu_failure[DUPLEX_STACKS_MOST];  // of the last work with what lies on each stack
  struct device_table *tables;                         // of time
  bool has_origin;                                     // of tables: known
  uint32_t origin;
  struct duplex_moe *layers;      // all that are loaded, latest first
  struct handles kvs, sequences;  // KV caches of the device, and their sequences
  struct duplex_moe_stats stats;
  struct events events;
  char error_text[512];
};

// Notes the text of an error and returns the code.
int device_fail(struct duplex_device *device, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int device_no_memory(struct duplex_device *device);

// Calls work(context, stack number) for every stack, several at once, and returns the error of the lowest one
// that has one, with the stack's text, or the xPU's if that is what failed.
int device_each_stack(struct duplex_device *device, int (*work)(void *context, unsigned stack),
                      void *context);

// Adds what all stacks have commanded since they were opened (sign 1), or takes it off (-1).
void device_count_commands(const struct duplex_device *device, struct duplex_dram_commands *sum, int sign);

#endif
