// SPDX-License-Identifier: Apache-2.0
// duplex_rtl_open: finds, builds if needed, and loads the library with the Verilated stack for a number of
// channels.
//
// Folders, the first that has one: $DUPLEX_RTL_DIR (then no other); `rtl` of the build that this code, or the
// program, lies in; `lib/duplex` of its installation. A build folder knows its sources: there make brings the
// library up to date, or builds it, before it is loaded. Elsewhere, and where the tools are not there, a
// library of other sources than this code's is refused. So what runs is always what this code's sources say.
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/places.h"
#include "backend/rtl/builder.h"
#include "backend/rtl/library.h"
#include "backend/rtl/stack_pins.h"
#include "duplex/backend.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/params.h"

enum { PATH_SIZE = PATH_MAX, TIMING_SIZE = 64 };

#define DEFAULT_PRESET "hbm3_5200"

static _Thread_local char failure_text[PATH_SIZE + 256];

const char *duplex_rtl_failure(void) { return failure_text; }

// Notes the text for duplex_rtl_failure and returns the error.
__attribute__((format(printf, 2, 3))) static int fail(int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure_text, sizeof failure_text, format, arguments);
  va_end(arguments);
  return error;
}

// Writes a path; false if it does not fit.
__attribute__((format(printf, 2, 3))) static int path_of(char path[PATH_SIZE], const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(path, PATH_SIZE, format, arguments);
  va_end(arguments);
  return length > 0 && length < PATH_SIZE;
}

// The library of a folder; false if its path is too long. timing: as of timing_name.
static int library_path(char path[PATH_SIZE], const char *folder, const char *timing, const char *library) {
  return path_of(path, "%s%s%s/%s", folder, timing[0] ? "-" : "", timing, library);
}

static int has(const char *folder, const char *timing, const char *library) {
  char path[PATH_SIZE];
  return library_path(path, folder, timing, library) && access(path, R_OK) == 0;
}

// The folder number `index` to look into, from 0; false after the last.
static int folder_of(unsigned index, char folder[PATH_SIZE]) {
  const char *given = getenv("DUPLEX_RTL_DIR");
  if (given && *given) return index == 0 && path_of(folder, "%s", given);
  return place_of(index, "rtl", folder);
}

// The folder to take the library from: the first that has it, or can build it; false if there is none.
static int find_folder(char folder[PATH_SIZE], const char *timing, const char *library) {
  for (unsigned i = 0; folder_of(i, folder); i++)
    if (has(folder, timing, library) || !rtl_cannot_build(folder)) return 1;
  return 0;
}

int duplex_rtl_built(unsigned channels) {
  char library[64], folder[PATH_SIZE];
  snprintf(library, sizeof library, "stack_%u.so", channels);
  return find_folder(folder, "", library) && has(folder, "", library);
}

const char *duplex_rtl_cannot_build(void) {
  char folder[PATH_SIZE];
  const char *why = RTL_NO_SOURCES;
  for (unsigned i = 0; folder_of(i, folder); i++) {
    const char *here = rtl_cannot_build(folder);
    if (!here) return NULL;
    if (strcmp(here, RTL_NO_SOURCES) != 0) why = here;
  }
  return why;
}

typedef int (*open_function)(const struct duplex_backend_options *, struct duplex_backend **, char *, size_t);

// Loads the library, if it is one for this code. It stays in memory: its code may still be on the stack when
// a stack closes.
static int load_library(const char *path, void **library) {
  *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!*library) return fail(DUPLEX_ERROR_NOT_AVAILABLE, "%s", dlerror());
  const unsigned *interface = dlsym(*library, "duplex_rtl_stack_interface");
  const unsigned *point = dlsym(*library, "duplex_rtl_stack_point");
  const char *hash = dlsym(*library, "duplex_rtl_stack_hash");
  if (!interface || *interface != DUPLEX_RTL_INTERFACE || !dlsym(*library, "duplex_rtl_stack_open")) {
    dlclose(*library);
    return fail(DUPLEX_ERROR_NOT_AVAILABLE, "%s was built for another version of this library", path);
  }
  if (!point || *point != DUPLEX_POINT) {
    dlclose(*library);
    return fail(DUPLEX_ERROR_NOT_AVAILABLE,
                "%s was built at another point of the design space: expected that of this library "
                "(docs/parameters.md)",
                path);
  }
  if (!hash || strcmp(hash, DUPLEX_STACK_HASH) != 0) {
    dlclose(*library);
    return fail(DUPLEX_ERROR_NOT_AVAILABLE,
                "%s was built from other RTL than this library belongs to: build and install both together",
                path);
  }
  return DUPLEX_OK;
}

// This process has the library: it is what was built of the sources that the process itself is of, so there
// is nothing to build, and make need not look at every source again for the next stack.
static int in_memory(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (library) dlclose(library);
  return library != NULL;
}

// The part of the folder's name that stands for the DRAM timing, "" for the default.
static int timing_name(const struct duplex_backend_options *options, char name[TIMING_SIZE]) {
  const char *preset = options->dram_preset ? options->dram_preset : DEFAULT_PRESET;
  name[0] = 0;
  if (strcmp(preset, DEFAULT_PRESET) == 0 && options->rank_switch == 0) return 1;
  return duplex_dram_preset(preset) &&
         snprintf(name, TIMING_SIZE, "%s-rtr%u", preset, options->rank_switch) < TIMING_SIZE;
}

// Finds the library for these options, builds it where that can be done, and loads it.
static int find_library(const struct duplex_backend_options *options, void **loaded) {
  if (options->channels < 1 || options->channels > DUPLEX_CHANNELS) {
    return fail(DUPLEX_ERROR_ARGUMENT, "%u channels: expected 1 to %d", options->channels,
                (int)DUPLEX_CHANNELS);
  }
  char library[64], folder[PATH_SIZE], path[PATH_SIZE], timing[TIMING_SIZE];
  if (!timing_name(options, timing)) return fail(DUPLEX_ERROR_ARGUMENT, "no DRAM preset of this name");
  snprintf(library, sizeof library, "stack_%u%s.so", options->channels, options->trace_file ? "_trace" : "");
  if (!find_folder(folder, timing, library)) {
    return fail(DUPLEX_ERROR_NOT_AVAILABLE,
                "%s%s%s is neither beside the program nor in DUPLEX_RTL_DIR, and %s", library,
                timing[0] ? " for " : "", timing, duplex_rtl_cannot_build());
  }
  if (!library_path(path, folder, timing, library))
    return fail(DUPLEX_ERROR_NOT_AVAILABLE, "the path of %s is too long", library);
  // What cannot be built here is taken as it is if it is of this code's sources.
  if (!in_memory(path) && !rtl_cannot_build(folder)) {
    const int error = rtl_build(folder, timing, library, failure_text, sizeof failure_text);
    if (error) return error;
  }
  return load_library(path, loaded);
}

int duplex_rtl_open(const struct duplex_backend_options *options, struct duplex_backend **backend) {
  failure_text[0] = 0;
  if (backend) *backend = NULL;
  if (!options || !backend)
    return fail(DUPLEX_ERROR_ARGUMENT, "no options, or no place for the back end: NULL");
  void *library;
  const int error = find_library(options, &library);
  if (error) return error;
  open_function open_stack;
  *(void **)&open_stack = dlsym(library, "duplex_rtl_stack_open");
  return open_stack(options, backend, failure_text, sizeof failure_text);
}

int duplex_rtl_pins(const struct duplex_backend_options *options, const struct rtl_stack_ops **ops) {
  failure_text[0] = 0;
  if (ops) *ops = NULL;
  if (!options || !ops) return fail(DUPLEX_ERROR_ARGUMENT, "no options, or no place for the pins: NULL");
  void *library;
  const int error = find_library(options, &library);
  if (!error) *ops = dlsym(library, "duplex_rtl_stack_pins");
  return error;
}
