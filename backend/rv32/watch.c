// SPDX-License-Identifier: Apache-2.0
// Trace of calls and register accesses, and profile by function.
#include "backend/rv32/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/registers.h"

struct count {
  uint64_t calls, instructions;
  double clocks;
};

struct watch {
  const struct image *image;
  FILE *trace, *profile;
  const struct function *last;
  uint32_t last_pc;
  struct count *count;  // for each function of the image, and one for what is in none
};

// For the trace; "?": there is no such register.
static const char *register_name(uint32_t offset) {
  static const struct {
    uint32_t offset;
    const char *name;
  } names[] = {
#define NAME(register) {DUPLEX_REG_##register, #register}
      NAME(ID),
      NAME(VERSION),
      NAME(GEOMETRY),
      NAME(CONTROL),
      NAME(STATUS),
      NAME(DOORBELL),
      NAME(INTERRUPT_ENABLE),
      NAME(INTERRUPT_STATUS),
      NAME(CONSUMER),
      NAME(COMPLETED),
      NAME(ERROR_CODE),
      NAME(ERROR_DESCRIPTOR),
      NAME(ERROR_ADDRESS),
      NAME(BUNDLE_OWNER),
      NAME(BUSY_CLOCKS_LOW),
      NAME(BUSY_CLOCKS_HIGH),
      NAME(PERFORMANCE_SELECT),
      NAME(PERFORMANCE_LOW),
      NAME(PERFORMANCE_HIGH),
#undef NAME
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].offset == offset) return names[i].name;
  return offset >= DUPLEX_REG_RING ? "RING" : "?";
}

// NULL without a path, or if it cannot be written: then *good is false and text says why.
static FILE *open_file(const char *path, bool *good, char *text, size_t size) {
  if (!path) return NULL;
  FILE *file = fopen(path, "w");
  if (!file) {
    snprintf(text, size, "%s: cannot be written: %s", path, strerror(errno));
    *good = false;
  }
  return file;
}

struct watch *watch_open(const struct image *image, const char *trace_file, const char *profile_file,
                         char *text, size_t size) {
  struct watch *watch = calloc(1, sizeof *watch);
  bool good = watch != NULL;
  if (!watch) return NULL;
  watch->image = image;
  watch->trace = open_file(trace_file, &good, text, size);
  watch->profile = open_file(profile_file, &good, text, size);
  watch->count = calloc(image->functions + 1, sizeof *watch->count);
  if (good && watch->count) return watch;
  watch_close(watch);
  return NULL;
}

// The function of the image at `pc`, or NULL; most calls ask for the same one again.
static const struct function *function_of(struct watch *watch, uint32_t pc) {
  if (!watch->last || pc - watch->last->address >= watch->last->bytes)
    watch->last = image_function(watch->image, pc);
  return watch->last;
}

// The counter of that function; one more counts what lies in none.
static struct count *count_of(struct watch *watch, uint32_t pc) {
  const struct function *function = function_of(watch, pc);
  return &watch->count[function ? (size_t)(function - watch->image->function) : watch->image->functions];
}

void watch_instruction(struct watch *watch, uint32_t pc, uint64_t clocks) {
  const struct function *function = function_of(watch, pc);
  struct count *count = count_of(watch, pc);
  count->instructions++;
  if (!function || pc != function->address) return;
  count->calls++;
  if (watch->trace) fprintf(watch->trace, "%llu call %s\n", (unsigned long long)clocks, function->name);
}

void watch_access(struct watch *watch, uint64_t clocks, bool write, uint32_t offset, uint32_t value) {
  if (!watch->trace) return;
  fprintf(watch->trace, "%llu %s %s 0x%x %s 0x%x\n", (unsigned long long)clocks, write ? "write" : "read",
          register_name(offset), offset, write ? "<-" : "->", value);
}

void watch_clocks(struct watch *watch, uint32_t pc, double clocks) { count_of(watch, pc)->clocks += clocks; }

// Longest first; context: the counts.
static int by_clocks(const void *a, const void *b, void *context) {
  const struct count *counts = context;
  const double left = counts[*(const size_t *)a].clocks;
  const double right = counts[*(const size_t *)b].clocks;
  return (left < right) - (left > right);
}

// A line for each function that was executed, longest first.
static void write_profile(const struct watch *watch) {
  const size_t all = watch->image->functions + 1;
  size_t *order = calloc(all, sizeof *order);
  if (!order) return;
  for (size_t i = 0; i < all; i++) order[i] = i;
  qsort_r(order, all, sizeof *order, by_clocks, watch->count);
  fprintf(watch->profile, "%12s %12s %10s  %s\n", "clocks", "instructions", "calls", "function");
  for (size_t i = 0; i < all; i++) {
    const struct count *count = &watch->count[order[i]];
    if (count->instructions == 0 && count->clocks == 0) continue;
    fprintf(watch->profile, "%12.0f %12llu %10llu  %s\n", count->clocks,
            (unsigned long long)count->instructions, (unsigned long long)count->calls,
            order[i] == watch->image->functions ? "?" : watch->image->function[order[i]].name);
  }
  free(order);
}

int watch_close(struct watch *watch) {
  int wrong = 0;
  if (watch->profile) {
    if (watch->count) write_profile(watch);
    wrong |= fclose(watch->profile);
  }
  if (watch->trace) wrong |= fclose(watch->trace);
  free(watch->count);
  free(watch);
  return wrong;
}
