// SPDX-License-Identifier: Apache-2.0
// duplex_rtl_open: finds, builds if needed, and loads the library with the Verilated stack for a number of
// channels.
//
// Folders, the first that has one: $DUPLEX_RTL_DIR (then no other); `rtl` beside the program or up to three
// folders above it (a build folder); `../lib/duplex` from the program (an installation). A build folder keeps
// a file `source` that names the sources; there make brings the library up to date, or builds it, before it
// is loaded, so that it always matches them.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/rtl/library.h"
#include "duplex/backend.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/params.h"

enum { PATH_SIZE = PATH_MAX, LEVELS_ABOVE = 3, TIMING_SIZE = 64 };

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

// What the file `source` of a build folder says.
struct source {
  char sources[PATH_SIZE];  // folder with the Makefile
  char build[PATH_SIZE];    // the build folder
  char sanitize[256];       // value of SANITIZE
};

// A line without its end; 0 if there is none.
static int read_line(FILE *file, char *line, size_t size) {
  if (!fgets(line, (int)size, file)) return 0;
  line[strcspn(line, "\n")] = 0;
  return 1;
}

// Reads the file `source` of a build folder; false if there is none, or if it does not speak of this folder.
static int read_source(const char *folder, struct source *source) {
  char path[PATH_SIZE];
  FILE *file = path_of(path, "%s/source", folder) ? fopen(path, "r") : NULL;
  if (!file) return 0;
  int good = read_line(file, source->sources, sizeof source->sources) &&
             read_line(file, source->build, sizeof source->build) &&
             read_line(file, source->sanitize, sizeof source->sanitize);
  fclose(file);
  good = good && path_of(path, "%s/backend/rtl/room.mk", source->sources) && access(path, R_OK) == 0;
  // A build folder that was moved or copied is not what the record speaks of.
  char real_folder[PATH_SIZE], real_build[PATH_SIZE];
  return good && path_of(path, "%s/rtl", source->build) && realpath(path, real_build) &&
         realpath(folder, real_folder) && strcmp(real_build, real_folder) == 0;
}

// The environment without what an outer make hands to its children.
static char **environment_without_make(void) {
  size_t count = 0;
  while (environ[count]) count++;
  char **result = calloc(count + 1, sizeof *result);
  if (!result) return NULL;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (strncmp(environ[i], "MAKE", 4) != 0 && strncmp(environ[i], "MFLAGS", 6) != 0)
      result[kept++] = environ[i];
  }
  return result;
}

// Runs make for one library. 0, or the exit status, or -1.
static int run_make(const struct source *source, const char *timing, const char *target, const char *log) {
  char build[PATH_SIZE + 8], sanitize[280], rtl_timing[TIMING_SIZE + 16];
  snprintf(build, sizeof build, "BUILD=%s", source->build);
  snprintf(sanitize, sizeof sanitize, "SANITIZE=%s", source->sanitize);
  snprintf(rtl_timing, sizeof rtl_timing, "RTL_TIMING=%s", timing);
  char *arguments[] = {
      "make",   "-s",       "--no-print-directory", "-j2", "-C", (char *)source->sources, build,
      sanitize, rtl_timing, (char *)target,         NULL};
  char **environment = environment_without_make();
  if (!environment) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child;
  int status = -1;
  if (posix_spawnp(&child, "make", &actions, NULL, arguments, environment) == 0) {
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  }
  posix_spawn_file_actions_destroy(&actions);
  free(environment);
  return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Brings a library of a build folder up to date. One process at a time: others wait for the same lock.
static int update(const struct source *source, const char *library, const char *timing, unsigned channels) {
  char lock_path[PATH_SIZE], target[PATH_SIZE], log[PATH_SIZE];
  const char *dash = timing[0] ? "-" : "";
  if (!path_of(lock_path, "%s/rtl/lock", source->build) ||
      !path_of(target, "%s/rtl%s%s/%s", source->build, dash, timing, library) ||
      !path_of(log, "%s/rtl/%s%s%s.make.log", source->build, library, dash, timing)) {
    return fail(DUPLEX_ERROR_NOT_AVAILABLE, "the path of %s is too long", library);
  }
  const int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) {  // Somebody else's build folder, which can only be read: what is there is taken as it is.
    return access(target, R_OK) == 0 ? 0
                                     : fail(DUPLEX_ERROR_NOT_AVAILABLE,
                                            "%s is not built, and its folder cannot be written", target);
  }
  while (flock(lock, LOCK_EX) != 0 && errno == EINTR) continue;
  const int tell = access(target, R_OK) != 0 && isatty(2);
  if (tell) fprintf(stderr, "building the Verilated stack with %u channels, once (log: %s)\n", channels, log);
  const int status = run_make(source, timing, target, log);
  close(lock);
  if (status == 0) return 0;
  return fail(DUPLEX_ERROR_NOT_AVAILABLE, "the Verilated stack with %u channels could not be built: see %s",
              channels, log);
}

// The folder to take a library from: one that can build it, or one that has it. False if there is none.
static int usable(const char *folder, const char *library) {
  char path[PATH_SIZE];
  struct source source;
  return read_source(folder, &source) || (path_of(path, "%s/%s", folder, library) && access(path, R_OK) == 0);
}

// The folder to take the library from; false if there is none.
static int find_folder(char folder[PATH_SIZE], const char *library) {
  const char *given = getenv("DUPLEX_RTL_DIR");
  if (given && *given) return path_of(folder, "%s", given) && usable(folder, library);
  char program[PATH_SIZE];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return 0;
  program[length] = 0;
  *strrchr(program, '/') = 0;
  char installed[PATH_SIZE];
  if (!path_of(installed, "%s/../lib/duplex", program)) return 0;
  for (int level = 0; level <= LEVELS_ABOVE; level++) {
    if (path_of(folder, "%s/rtl", program) && usable(folder, library)) return 1;
    char *slash = strrchr(program, '/');
    if (!slash) break;
    *slash = 0;
  }
  return path_of(folder, "%s", installed) && usable(folder, library);
}

int duplex_rtl_built(unsigned channels) {
  char library[64], folder[PATH_SIZE], path[PATH_SIZE];
  snprintf(library, sizeof library, "stack_%u.so", channels);
  return find_folder(folder, library) && path_of(path, "%s/%s", folder, library) && access(path, R_OK) == 0;
}

typedef int (*open_function)(const struct duplex_backend_options *, struct duplex_backend **, char *, size_t);

// Loads the library and opens a stack of it. The library stays in memory: its code may still be on the stack
// when a stack closes.
static int open_library(const char *path, const struct duplex_backend_options *options,
                        struct duplex_backend **backend) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(DUPLEX_ERROR_NOT_AVAILABLE, "%s", dlerror());
  const unsigned *interface = dlsym(library, "duplex_rtl_stack_interface");
  const unsigned *point = dlsym(library, "duplex_rtl_stack_point");
  open_function open_stack;
  *(void **)&open_stack = dlsym(library, "duplex_rtl_stack_open");
  if (!interface || *interface != DUPLEX_RTL_INTERFACE || !open_stack) {
    dlclose(library);
    return fail(DUPLEX_ERROR_NOT_AVAILABLE, "%s was built for another version of this library", path);
  }
  if (!point || *point != DUPLEX_POINT) {
    dlclose(library);
    return fail(DUPLEX_ERROR_NOT_AVAILABLE,
                "%s was built at another point of the design space: expected that of this library "
                "(docs/parameters.md)",
                path);
  }
  return open_stack(options, backend, failure_text, sizeof failure_text);
}

// The part of the folder's name that stands for the DRAM timing, "" for the default.
static int timing_name(const struct duplex_backend_options *options, char name[TIMING_SIZE]) {
  const char *preset = options->dram_preset ? options->dram_preset : DEFAULT_PRESET;
  name[0] = 0;
  if (strcmp(preset, DEFAULT_PRESET) == 0 && options->rank_switch == 0) return 1;
  return duplex_dram_preset(preset) &&
         snprintf(name, TIMING_SIZE, "%s-rtr%u", preset, options->rank_switch) < TIMING_SIZE;
}

int duplex_rtl_open(const struct duplex_backend_options *options, struct duplex_backend **backend) {
  *backend = NULL;
  failure_text[0] = 0;
  if (options->channels < 1 || options->channels > DUPLEX_CHANNELS) {
    return fail(DUPLEX_ERROR_ARGUMENT, "%u channels: expected 1 to %d", options->channels,
                (int)DUPLEX_CHANNELS);
  }
  char library[64], folder[PATH_SIZE], path[PATH_SIZE], timing[TIMING_SIZE];
  if (!timing_name(options, timing)) return fail(DUPLEX_ERROR_ARGUMENT, "no DRAM preset of this name");
  snprintf(library, sizeof library, "stack_%u%s.so", options->channels, options->trace_file ? "_trace" : "");
  if (!find_folder(folder, library)) {
    return fail(
        DUPLEX_ERROR_NOT_AVAILABLE,
        "%s is neither beside the program nor in DUPLEX_RTL_DIR, and there are no sources to build it",
        library);
  }
  struct source source;
  if (read_source(folder, &source)) {
    const int error = update(&source, library, timing, options->channels);
    if (error) return error;
  }
  if (!path_of(path, "%s%s%s/%s", folder, timing[0] ? "-" : "", timing, library))
    return fail(DUPLEX_ERROR_NOT_AVAILABLE, "the path of %s is too long", library);
  return open_library(path, options, backend);
}
