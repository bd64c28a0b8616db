// SPDX-License-Identifier: Apache-2.0
// Files that a command will write: whole, or not at all.
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/messages.h"
#include "cli/npy.h"

static struct outputs *open_outputs;  // for the signal handler
static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING_SIGNALS = sizeof ending_signals / sizeof ending_signals[0] };

// Takes temporary files away when the command is interrupted; only calls that a signal handler may make.
static void on_signal(int number) {
  for (unsigned i = 0; open_outputs && i < open_outputs->count; i++)
    if (open_outputs->output[i].temporary) unlink(open_outputs->output[i].temporary);
  signal(number, SIG_DFL);
  raise(number);
}

// From now on an interrupted command takes the temporary files of `outputs` away.
static void watch_signals(struct outputs *outputs) {
  if (open_outputs) return;
  open_outputs = outputs;
  for (unsigned i = 0; i < ENDING_SIGNALS; i++)
    if (signal(ending_signals[i], on_signal) == SIG_IGN)
      signal(ending_signals[i], SIG_IGN);  // as under nohup
}

static void block_signals(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (unsigned i = 0; i < ENDING_SIGNALS; i++) sigaddset(&set, ending_signals[i]);
  sigprocmask(how, &set, NULL);
}

// `text` with something behind it; NULL: too little memory.
static char *join(const char *text, const char *separator, const char *tail) {
  char *joined = malloc(strlen(text) + strlen(separator) + strlen(tail) + 1);
  if (joined) sprintf(joined, "%s%s%s", text, separator, tail);
  return joined;
}

// The file that a path means, so that a link stays a link and two names of one file are seen. NULL: see
// errno.
static char *resolve(const char *path) {
  char *real = realpath(path, NULL);
  if (real || errno != ENOENT) return real;
  char *copy = strdup(path);
  char *other = strdup(path);
  char *folder = copy && other ? realpath(dirname(copy), NULL) : NULL;
  if (folder) real = join(folder, "/", basename(other));
  free(copy);
  free(other);
  free(folder);
  return real;
}

// The output of this name; NULL: it was not opened.
static struct output *output_of(const struct outputs *outputs, const char *path) {
  for (unsigned i = 0; i < outputs->count; i++)
    if (strcmp(outputs->output[i].path, path) == 0) return (struct output *)&outputs->output[i];
  return NULL;
}

// Another output means the same file.
static bool is_taken(const struct outputs *outputs, const struct output *output) {
  for (unsigned i = 0; i < outputs->count; i++)
    if (outputs->output[i].temporary && strcmp(outputs->output[i].target, output->target) == 0) return true;
  return false;
}

// A device or pipe is written as it is; a file under a temporary name.
static void open_file(struct output *output, bool special) {
  if (special) {
    output->file = open(output->target, O_WRONLY | O_CLOEXEC);
    return;
  }
  output->temporary = join(output->target, ".", "XXXXXX");
  if (!output->temporary) return;
  output->file = mkostemp(output->temporary, O_CLOEXEC);
  if (output->file < 0) return;
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(output->file, 0666 & ~mask);
}

int output_open(struct outputs *outputs, const char *option, const char *path) {
  struct stat info;
  struct output output = {.path = path, .file = -1};
  const bool exists = stat(path, &info) == 0;
  if (path[0] == 0 || path[strlen(path) - 1] == '/' || (exists && S_ISDIR(info.st_mode)))
    return fail(EXIT_BAD_INPUT, "%s '%s': expected the name of a file", option, path);
  const bool special = exists && !S_ISREG(info.st_mode);
  output.target = special ? strdup(path) : resolve(path);
  if (output.target && !special && is_taken(outputs, &output)) {
    free(output.target);
    return fail(EXIT_BAD_INPUT, "%s %s: is named for two outputs", option, path);
  }
  if (output.target) open_file(&output, special);
  if (output.file < 0) {
    const int status = fail(EXIT_BAD_INPUT, "%s %s: cannot be written: %s", option, path, strerror(errno));
    free(output.target);
    free(output.temporary);
    return status;
  }
  outputs->output[outputs->count++] = output;
  watch_signals(outputs);
  return EXIT_GOOD;
}

const char *output_name(const struct outputs *outputs, const char *path) {
  const struct output *output = path ? output_of(outputs, path) : NULL;
  if (!output) return NULL;
  return output->temporary ? output->temporary : output->target;
}

int output_write(struct outputs *outputs, const char *path, const void *bytes, size_t size) {
  const struct output *output = output_of(outputs, path);
  for (const char *from = bytes; output && size;) {
    const ssize_t written = write(output->file, from, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(EXIT_ERROR, "%s: writing failed: %s", path, strerror(errno));
    from += written;
    size -= (size_t)written;
  }
  return EXIT_GOOD;
}

int output_tensor(struct outputs *outputs, const char *path, const struct tensor *tensor) {
  char header[NPY_HEADER_BYTES];
  const size_t bytes = npy_header(tensor, header);
  const int status = output_write(outputs, path, header, bytes);
  return status ? status
                : output_write(outputs, path, tensor->data, tensor->count * element_size(tensor->element));
}

// What was there keeps a second name until all outputs have theirs.
static void keep_old(struct output *output) {
  output->backup = join(output->temporary, ".", "old");
  if (output->backup && link(output->target, output->backup) == 0) return;
  free(output->backup);
  output->backup = NULL;
}

// The first `renamed` outputs are again what they were.
static void undo(struct outputs *outputs, unsigned renamed) {
  for (unsigned i = 0; i < renamed; i++) {
    const struct output *output = &outputs->output[i];
    if (output->temporary && (!output->backup || rename(output->backup, output->target) != 0))
      unlink(output->target);
  }
}

// Each output gets its name, or none does.
static int rename_all(struct outputs *outputs) {
  for (unsigned i = 0; i < outputs->count; i++) {
    struct output *output = &outputs->output[i];
    if (!output->temporary) continue;
    keep_old(output);
    if (rename(output->temporary, output->target) == 0) continue;
    const int status = fail(EXIT_ERROR, "%s: cannot be renamed: %s", output->path, strerror(errno));
    undo(outputs, i);
    return status;
  }
  return EXIT_GOOD;
}

int outputs_commit(struct outputs *outputs) {
  for (unsigned i = 0; i < outputs->count; i++) {
    const int file = outputs->output[i].file;
    outputs->output[i].file = -1;
    if (close(file) != 0)
      return fail(EXIT_ERROR, "%s: writing failed: %s", outputs->output[i].path, strerror(errno));
  }
  block_signals(SIG_BLOCK);
  const int status = rename_all(outputs);
  outputs_discard(outputs);
  block_signals(SIG_UNBLOCK);
  return status;
}

void outputs_discard(struct outputs *outputs) {
  open_outputs = NULL;
  for (unsigned i = 0; i < outputs->count; i++) {
    struct output *output = &outputs->output[i];
    if (output->file >= 0) close(output->file);
    if (output->temporary) unlink(output->temporary);
    if (output->backup) unlink(output->backup);
    free(output->target);
    free(output->temporary);
    free(output->backup);
  }
  outputs->count = 0;
}
