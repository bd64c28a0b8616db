// SPDX-License-Identifier: Apache-2.0
// Runs make for a library with a Verilated stack, and tells what it does.
#include "backend/rtl/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "duplex/error.h"

enum { VARIABLES = 16, LOOK_MS = 20, QUIET_MS = 1000, STEP_SIZE = 128, LINE_SIZE = 512 };

// What the file `source` of a build says (backend/rtl/room.mk writes it).
struct source {
  char sources[PATH_MAX];  // folder with the Makefile
  char build[PATH_MAX];    // the build folder, for make
  char *text;              // the file, in lines
  char *variables[VARIABLES + 1];
};

// The whole text of a small file; NULL if there is none.
static char *read_text(const char *path) {
  FILE *file = fopen(path, "r");
  char *text = NULL;
  size_t size = 0;
  if (file && getdelim(&text, &size, 0, file) < 0) free(text), text = NULL;
  if (file) fclose(file);
  return text;
}

// The real path of a folder that is named from another one, or absolute; false if there is none.
static int real_folder(const char *from, const char *named, char path[PATH_MAX]) {
  char joined[PATH_MAX];
  const int length = named[0] == '/' ? snprintf(joined, sizeof joined, "%s", named)
                                     : snprintf(joined, sizeof joined, "%s/%s", from, named);
  return length < PATH_MAX && realpath(joined, path) != NULL;
}

// Finds sources and build folder: the build as make called it if that is still this folder, so that its
// targets keep their names, else where it is now. False if they are not there.
static int place(const char *build, const char *named_sources, const char *named_build,
                 struct source *source) {
  char path[PATH_MAX];
  if (!real_folder(build, named_sources, source->sources) ||
      !real_folder(source->sources, "backend/rtl/room.mk", path))
    return 0;
  const int same = real_folder(source->sources, named_build, path) && strcmp(path, build) == 0;
  return snprintf(source->build, sizeof source->build, "%s", same ? named_build : build) < PATH_MAX;
}

static void close_source(struct source *source) { free(source->text); }

// Reads the file `source` of a folder; false if there is none, or no sources. The caller closes it.
static int read_source(const char *folder, struct source *source) {
  char path[PATH_MAX], here[PATH_MAX];
  memset(source, 0, sizeof *source);
  // The build folder by name, since this one may be a link out of it (scripts/place_verilated.sh).
  snprintf(path, sizeof path, "%s", folder);
  char *name = strrchr(path, '/');
  if (!name || name == path) return 0;
  *name = 0;
  if (!real_folder(".", path, here) || snprintf(path, sizeof path, "%s/source", folder) >= PATH_MAX) return 0;
  char *rest = NULL;
  source->text = read_text(path);
  const char *sources = source->text ? strtok_r(source->text, "\n", &rest) : NULL;
  const char *build = sources ? strtok_r(NULL, "\n", &rest) : NULL;
  if (!build || !place(here, sources, build, source)) return close_source(source), 0;
  for (size_t i = 0; i < VARIABLES; i++)
    if (!(source->variables[i] = strtok_r(NULL, "\n", &rest))) break;
  return 1;
}

// Whether the shell would find a program: the first word of `command`, in PATH or, with a slash, from
// `folder`.
static int is_there(const char *command, const char *folder) {
  const int length = (int)strcspn(command, " ");
  char path[2 * PATH_MAX];
  if (memchr(command, '/', (size_t)length)) {
    snprintf(path, sizeof path, "%s%s%.*s", command[0] == '/' ? "" : folder, command[0] == '/' ? "" : "/",
             length, command);
    return access(path, X_OK) == 0;
  }
  for (const char *part = getenv("PATH"); part; part = strchr(part, ':')) {
    part += *part == ':';
    snprintf(path, sizeof path, "%.*s/%.*s", (int)strcspn(part, ":"), part, length, command);
    if (access(path, X_OK) == 0) return 1;
  }
  return 0;
}

// The value of a variable of make that the build has, or `usual`.
static const char *variable(const struct source *source, const char *name, const char *usual) {
  const size_t length = strlen(name);
  for (size_t i = 0; source->variables[i]; i++)
    if (strncmp(source->variables[i], name, length) == 0 && source->variables[i][length] == '=')
      return source->variables[i] + length + 1;
  return usual;
}

const char *rtl_cannot_build(const char *folder) {
  struct source source;
  if (!read_source(folder, &source)) return RTL_NO_SOURCES;
  const char *why = NULL;
  if (access(folder, W_OK) != 0) {
    why = "its folder cannot be written";
  } else if (!is_there("make", source.sources)) {
    why = "make is not installed";
  } else if (!is_there(variable(&source, "VERILATOR", "verilator"), source.sources)) {
    why = "Verilator is not installed";
  }
  close_source(&source);
  return why;
}

// The environment without what an outer make hands to its children. The caller frees it.
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

// Starts a program in a process group of its own: standard input is `input`, the other two go to the log. 0
// if it runs.
static int start(char **arguments, int input, const char *log, pid_t *child) {
  char **environment = environment_without_make();
  if (!environment) return ENOMEM;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  const int error = posix_spawnp(child, arguments[0], &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  free(environment);
  return error;
}

// The last step in make's log: a line that begins with two blanks. False if there is none yet.
static int last_step(const char *log, char step[STEP_SIZE]) {
  FILE *file = fopen(log, "r");
  char line[STEP_SIZE];
  int found = 0;
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, "  ", 2) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(step, STEP_SIZE, "%s", line + 2);
    found = 1;
  }
  if (file) fclose(file);
  return found;
}

static long ms_since(const struct timespec *begin) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
}

// Waits for make and tells what it does, once it has done something for a second. The status of waitpid, or
// -1.
static int wait_and_tell(pid_t child, const char *library, const char *log) {
  struct timespec begin;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  char step[STEP_SIZE];
  const int terminal = isatty(2);
  int told = 0;
  for (;;) {
    int status;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended < 0 && errno == EINTR) continue;
    const long ms = ms_since(&begin);
    const int working = ended == 0 && ms >= QUIET_MS && last_step(log, step);
    if (working && !told) fprintf(stderr, "building %s, once: some minutes (log: %s)\n", library, log);
    told |= working;
    if (working && terminal) fprintf(stderr, "\r\033[K%4ld s  %s", ms / 1000, step);
    if (ended != 0) {
      if (told && terminal) fputs("\r\033[K", stderr);
      return ended == child ? status : -1;
    }
    poll(NULL, 0, LOOK_MS);
  }
}

// Runs make for one library in a group that ends when this process, which holds the other end of its standard
// input, ends. 0, or an exit status, or -1.
static int run_make(const struct source *source, const char *timing, const char *library, const char *log) {
  char script[PATH_MAX + 32], build[PATH_MAX + 8], rtl_timing[96], target[2 * PATH_MAX];
  char expected[] = "EXPECTED_STACK_HASH=" DUPLEX_STACK_HASH;
  snprintf(script, sizeof script, "%s/scripts/with_parent.sh", source->sources);
  snprintf(build, sizeof build, "BUILD=%s", source->build);
  snprintf(rtl_timing, sizeof rtl_timing, "RTL_TIMING=%s", timing);
  snprintf(target, sizeof target, "%s/rtl%s%s/%s", source->build, timing[0] ? "-" : "", timing, library);
  char *arguments[11 + VARIABLES] = {
      script, "make", "--no-print-directory", "-j2", "-C", (char *)source->sources, rtl_timing, expected,
      target, build};
  for (size_t i = 0; source->variables[i]; i++) arguments[10 + i] = source->variables[i];
  int ends[2], status = -1;
  pid_t child;
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  const int error = start(arguments, ends[0], log, &child);
  close(ends[0]);
  if (!error) status = wait_and_tell(child, library, log);
  close(ends[1]);
  return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The reason that make itself gives for not beginning, "*** REASON.  Stop.", is the end of `text`; false if
// it has begun.
static int told_reason(const char *log, const char *library, char *text, size_t size) {
  FILE *file = fopen(log, "r");
  char line[LINE_SIZE];
  int found = 0;
  while (file && !found && fgets(line, sizeof line, file)) {
    const char *reason = strstr(line, "*** ");
    if (!reason || reason[4] == '[') continue;
    const char *end = strstr(reason, ".  ");
    reason += 4;
    snprintf(text, size, "%s: %.*s", library, (int)(end ? (size_t)(end - reason) : strcspn(reason, "\n")),
             reason);
    found = 1;
  }
  if (file) fclose(file);
  return found;
}

int rtl_build(const char *folder, const char *timing, const char *library, char *text, size_t size) {
  struct source source;
  char log[PATH_MAX], kept[PATH_MAX];
  if (snprintf(log, sizeof log, "%s/%s%s%s.%ld.log", folder, library, timing[0] ? "-" : "", timing,
               (long)getpid()) >= PATH_MAX ||
      !read_source(folder, &source)) {
    snprintf(text, size, "%s: the sources are gone", folder);
    return DUPLEX_ERROR_NOT_AVAILABLE;
  }
  const int status = run_make(&source, timing, library, log);
  close_source(&source);
  // One log for each library, that of the last build if it failed.
  snprintf(kept, sizeof kept, "%s/%s%s%s.failed.log", folder, library, timing[0] ? "-" : "", timing);
  if (status == 0) return unlink(log), unlink(kept), DUPLEX_OK;
  if (told_reason(log, library, text, size)) return unlink(log), DUPLEX_ERROR_NOT_AVAILABLE;
  if (rename(log, kept) != 0) snprintf(kept, sizeof kept, "%s", log);
  snprintf(text, size, "%s could not be built: see %s", library, kept);
  return DUPLEX_ERROR_NOT_AVAILABLE;
}
