// SPDX-License-Identifier: Apache-2.0
// The RV32 controller behind backend/controller.h.
#include <stdlib.h>
#include <string.h>

#include "backend/rv32/bus.h"
#include "backend/rv32/crash.h"
#include "backend/rv32/gdb.h"
#include "backend/rv32/library.h"
#include "backend/rv32/platform.h"
#include "backend/rv32/stack_link.h"
#include "backend/rv32/watch.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "firmware/port/rv32/platform.h"

#define QUIET_INSTRUCTIONS (UINT64_C(1) << 28)
#define CLOCKS_BETWEEN_LOOKS 4096u  // at a debugger, while the firmware sleeps
#define SLEEP_CLOCKS (UINT64_C(1) << 34)

const unsigned duplex_riscv_interface = DUPLEX_RISCV_INTERFACE;

static struct platform *self(struct controller *controller) { return (struct platform *)controller; }

// Also a controller that was opened only in part.
static void riscv_close(struct controller *controller) {
  struct platform *p = self(controller);
  if (p->watch) watch_close(p->watch);
  if (p->gdb) gdb_close(p->gdb);
  if (p->engine) uc_close(p->engine);
  image_free(&p->image);
  free(p->base.mailbox);
  free(p->elf);
  free(p);
}

// The text of a crash or of a halt.
static int stopped(struct platform *p) {
  char what[256];
  if (p->base.mailbox->crashed) {
    crash_text(p, what, sizeof what);
    snprintf(p->base.failure, sizeof p->base.failure, "the firmware crashed: %s", what);
  } else {
    place_text(p, p->last_pc, what, sizeof what);
    snprintf(p->base.failure, sizeof p->base.failure, "the firmware stopped at %s", what);
  }
  return DUPLEX_ERROR_FIRMWARE;
}

// The text of a firmware that has executed too many instructions without sleeping.
static int too_quiet(struct platform *p) {
  char where[200];
  place_text(p, p->last_pc, where, sizeof where);
  snprintf(p->base.failure, sizeof p->base.failure,
           "the firmware's watchdog: nothing done in %llu instructions, at %s", (unsigned long long)p->quiet,
           where);
  return DUPLEX_ERROR_FIRMWARE;
}

// The text of a firmware that has slept too long without news from its stack.
static int too_sleepy(struct platform *p) {
  char where[200];
  place_text(p, p->last_pc, where, sizeof where);
  snprintf(p->base.failure, sizeof p->base.failure,
           "the firmware's watchdog: asleep for %llu clocks without news from the stack, at %s",
           (unsigned long long)SLEEP_CLOCKS, where);
  return DUPLEX_ERROR_FIRMWARE;
}

// No job is between its message and its completion.
static bool at_rest(const struct platform *p) {
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++)
    if (p->base.mailbox->queue[q].consumed != p->base.mailbox->queue[q].completed) return false;
  return true;
}

// The stack runs until its interrupt comes, to this clock at the latest; a debugger is heard meanwhile.
static int advance(struct platform *p, uint64_t until) {
  int line = 0;
  int error = DUPLEX_OK;
  for (uint64_t now = stack_clocks(p); !error && !line && now < until; now = stack_clocks(p)) {
    const uint64_t part = p->gdb ? duplex_smaller(until - now, CLOCKS_BETWEEN_LOOKS) : until - now;
    error = p->base.backend->ops->advance(p->base.backend, part, &line);
    if (p->gdb && !line) gdb_serve_asleep(p->gdb, p);
  }
  return error;
}

// The controller sleeps: time passes until something wakes it, `end` at the latest. False: nothing will.
static bool sleep_until(struct platform *p, uint64_t end) {
  const uint64_t now = stack_clocks(p);
  if (bus_pending(p)) {
    p->state = RUNNING;
    return true;
  }
  if (at_rest(p)) return false;
  uint64_t until = p->compare < end ? p->compare : end;
  if (until > now + SLEEP_CLOCKS) until = now + SLEEP_CLOCKS;
  const int error = advance(p, until);
  if (error) p->base.backend_error = error;
  if (p->watch) watch_clocks(p->watch, p->last_pc, (double)(stack_clocks(p) - now));
  return true;
}

// Until a job is complete, the firmware sleeps with nothing to do, or `end`.
static int run(struct platform *p, uint64_t end) {
  p->base.idle = false;
  p->base.backend_error = DUPLEX_OK;
  while (!p->complete && stack_clocks(p) < end) {
    const uint64_t progress = stack_clocks(p);
    if (p->state == SLEEPING) {
      p->quiet = 0;
      if (!sleep_until(p, end)) {
        p->base.idle = true;
        return DUPLEX_OK;
      }
      if (p->state == SLEEPING && stack_clocks(p) - progress >= SLEEP_CLOCKS) return too_sleepy(p);
    } else {
      platform_slice(p);
    }
    if (p->state == HALTED) return stopped(p);
    if (p->base.backend_error) return p->base.backend_error;
    if (p->quiet > p->quiet_most) return too_quiet(p);
  }
  p->complete = false;
  return DUPLEX_OK;
}

// Rings the doorbell and runs until a job is complete or there is none, for so many clocks at most.
static int riscv_run(struct controller *controller, uint64_t clocks) {
  struct platform *p = self(controller);
  const uint64_t now = stack_clocks(p);
  p->doorbell = true;
  p->quiet = 0;
  return run(p, clocks > UINT64_MAX - now ? UINT64_MAX : now + clocks);
}

// The firmware boots and goes to sleep.
static int boot(struct platform *p) {
  struct mailbox *box = p->base.mailbox;
  box->magic = 0, box->crashed = 0;
  memset(box->queue, 0, sizeof box->queue);
  platform_load(p);
  const int error = run(p, UINT64_MAX);
  if (error) return error;
  if (box->magic == PROTOCOL_MAGIC && box->version == PROTOCOL_VERSION && box->queues == PROTOCOL_QUEUES &&
      box->entries == PROTOCOL_ENTRIES)
    return DUPLEX_OK;
  snprintf(p->base.failure, sizeof p->base.failure, "the firmware does not speak version %u of the protocol",
           PROTOCOL_VERSION);
  return DUPLEX_ERROR_FIRMWARE;
}

// Ends trace and profile; an error leaves its text in the controller.
static int riscv_end_files(struct controller *controller) {
  struct platform *p = self(controller);
  if (!p->watch || watch_end_files(p->watch, p->base.failure, sizeof p->base.failure)) return DUPLEX_OK;
  return DUPLEX_ERROR_IO;
}

static int riscv_reset(struct controller *controller) { return boot(self(controller)); }

// Whether `bytes` from `address` on lie in `room` bytes from `base` on; no sum overflows.
static bool inside(uint32_t address, uint32_t bytes, uint32_t base, uint32_t room) {
  return address >= base && address - base <= room && bytes <= room - (address - base);
}

// The first segment that lies in no memory that is loaded; NULL: all do.
static const struct segment *outside(const struct image *image) {
  for (unsigned i = 0; i < image->segments; i++) {
    const struct segment *s = &image->segment[i];
    if (!inside(s->address, s->memory_bytes, RV32_CODE, RV32_CODE_BYTES) &&
        !inside(s->address, s->memory_bytes, RV32_DATA, RV32_DATA_BYTES))
      return s;
  }
  return NULL;
}

// Reads the firmware; its segments must lie in the controller's memory, its entry where code can lie.
static int open_image(struct platform *p, char *text, size_t size) {
  char wrong[IMAGE_TEXT_BYTES];
  if (!image_read(&p->image, p->elf, wrong)) {
    snprintf(text, size, "%s: %s: expected firmware as `make firmware-rv32` builds it", p->elf, wrong);
    return DUPLEX_ERROR_ARGUMENT;
  }
  const struct segment *out = outside(&p->image);
  if (out) {
    snprintf(text, size,
             "%s: segment %u of %u bytes at 0x%x lies outside the controller's memory: expected 0x%x to 0x%x "
             "or 0x%x to 0x%x (docs/firmware.md)",
             p->elf, out->number, out->memory_bytes, out->address, RV32_CODE, RV32_CODE + RV32_CODE_BYTES - 1,
             RV32_DATA, RV32_DATA + RV32_DATA_BYTES - 1);
    return DUPLEX_ERROR_ARGUMENT;
  }
  if (inside(p->image.entry, 2, RV32_CODE, RV32_CODE_BYTES)) return DUPLEX_OK;
  snprintf(text, size, "%s: its entry 0x%x lies where no code can be executed (docs/firmware.md)", p->elf,
           p->image.entry);
  return DUPLEX_ERROR_ARGUMENT;
}

// Trace, profile and debugger, if the options ask for them.
static int open_observers(struct platform *p, const struct duplex_riscv_options *options, char *text,
                          size_t size) {
  if (options->trace_file || options->profile_file) {
    p->watch = watch_open(&p->image, options->trace_file, options->profile_file, text, size);
    if (!p->watch) return DUPLEX_ERROR_ARGUMENT;
  }
  if (options->gdb_port) {
    p->gdb = gdb_open(options->gdb_port, text, size);
    if (!p->gdb) return DUPLEX_ERROR_ARGUMENT;
  }
  return DUPLEX_OK;
}

// Image, machine, observers; then the firmware boots. `text` gets the cause of a failure.
static int open_parts(struct platform *p, const struct duplex_riscv_options *options, char *text,
                      size_t size) {
  int error = open_image(p, text, size);
  if (error) return error;
  error = platform_open(p);
  if (error) {
    snprintf(text, size, "Unicorn cannot be set up: %s", duplex_error_text(error));
    return error;
  }
  error = open_observers(p, options, text, size);
  if (error) return error;
  error = boot(p);
  if (error) snprintf(text, size, "%s: does not start: %s", p->elf, p->base.failure);
  return error == DUPLEX_ERROR_FIRMWARE ? DUPLEX_ERROR_ARGUMENT : error;
}

int duplex_riscv_open(const struct duplex_riscv_options *options, struct duplex_backend *backend,
                      struct controller **controller, char *text, size_t size) {
  static const struct controller_ops ops = {"riscv", riscv_close, riscv_reset, riscv_run, riscv_end_files};
  struct platform *p = calloc(1, sizeof *p);
  *controller = NULL;
  if (!p) return DUPLEX_ERROR_NO_MEMORY;
  p->base.ops = &ops;
  p->base.backend = backend;
  p->elf = strdup(options->elf);
  p->clocks_per_instruction = 1 / (options->instructions_per_clock > 0 ? options->instructions_per_clock
                                                                       : DUPLEX_INSTRUCTIONS_PER_CLOCK);
  p->quiet_most = options->quiet_instructions ? options->quiet_instructions : QUIET_INSTRUCTIONS;
  const int error = p->elf ? open_parts(p, options, text, size) : DUPLEX_ERROR_NO_MEMORY;
  if (error) {
    riscv_close(&p->base);
    return error;
  }
  *controller = &p->base;
  return DUPLEX_OK;
}
