// SPDX-License-Identifier: Apache-2.0
// Work on all stacks of a device at once, and the text of its errors.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/xpu_works.h"
#include "xpu/parallel.h"

int device_fail(struct duplex_device *device, int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(device->error_text, sizeof device->error_text, format, arguments);
  va_end(arguments);
  return error;
}

int device_no_memory(struct duplex_device *device) {
  return device_fail(device, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host");
}

struct each {
  int (*work)(void *context, unsigned stack);
  void *context;
  int error[DUPLEX_STACKS_MOST];
};

static void work_on_stack(void *context, unsigned thread, size_t stack) {
  struct each *each = context;
  (void)thread;
  each->error[stack] = each->work(each->context, (unsigned)stack);
}

// The error of the work on a stack, as the device tells it.
static int tell(struct duplex_device *device, unsigned stack, int error) {
  const struct xpu_failure *failure = &device->xpu_failure[stack];
  const char *text = duplex_stack_last_error(device->stack[stack]);
  if (failure->call && failure->error == error) return device_xpu_note(device, failure->call, error);
  return device_fail(device, error, "stack %u: %s", stack, text[0] ? text : duplex_error_text(error));
}

int device_each_stack(struct duplex_device *device, int (*work)(void *context, unsigned stack),
                      void *context) {
  struct each each = {.work = work, .context = context};
  memset(device->xpu_failure, 0, sizeof device->xpu_failure);
  xpu_parallel(device->threads, device->stacks, work_on_stack, &each);
  for (unsigned i = 0; i < device->stacks; i++)
    if (each.error[i]) return tell(device, i, each.error[i]);
  return DUPLEX_OK;
}
