// SPDX-License-Identifier: Apache-2.0
// Files that a command will write: whole, or not at all.
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/file_format.h"
#include "cli/messages.h"
#include "cli/npy.h"
#include "cli/signals.h"
#include "duplex/text_file.h"

static struct outputs *open_outputs;  // for the signal handler, and to see that two mean the same file

void outputs_forsake(void) {
  for (const struct outputs *outputs = open_outputs; outputs; outputs = outputs->next)
    for (unsigned i = 0; i < outputs->count; i++) {
      if (outputs->output[i].temporary) unlink(outputs->output[i].temporary);
      if (outputs->output[i].backup) unlink(outputs->output[i].backup);
    }
}

// `text` with something behind it; NULL: too little memory.
static char *join(const char *text, const char *separator, const char *tail) {
  char *joined = malloc(strlen(text) + strlen(separator) + strlen(tail) + 1);
  if (joined) sprintf(joined, "%s%s%s", text, separator, tail);
  return joined;
}

// The output of this name; NULL: it was not opened.
static struct output *output_of(const struct outputs *outputs, const char *path) {
  for (unsigned i = 0; i < outputs->count; i++)
    if (strcmp(outputs->output[i].path, path) == 0) return (struct output *)&outputs->output[i];
  return NULL;
}

// Both mean one file, pipe or descriptor, by whatever names. A device takes several outputs.
static bool is_same(const struct output *a, const struct output *b) {
  if (a->target && b->target && strcmp(a->target, b->target) == 0) return true;
  return a->exists && b->exists && !S_ISCHR(a->there.st_mode) && a->there.st_dev == b->there.st_dev &&
         a->there.st_ino == b->there.st_ino;
}

// An output of this or another job has it already.
static bool is_taken(const struct output *output) {
  for (const struct outputs *outputs = open_outputs; outputs; outputs = outputs->next)
    for (unsigned i = 0; i < outputs->count; i++)
      if (is_same(&outputs->output[i], output)) return true;
  return false;
}

// A file that is there is written only if its mode and the system allow it; else errno says why.
static bool may_replace(const char *target, const struct stat *old) {
  if (old->st_mode & 0222 && access(target, W_OK) == 0) return true;
  if (!(old->st_mode & 0222)) errno = EACCES;
  return false;
}

// The temporary file beside the target, with owner and mode of the file that is there (NULL: none).
static void make_temporary(struct output *output, const struct stat *old) {
  sigset_t before;
  if (old && !may_replace(output->target, old)) return;
  char *name = duplex_text_beside(output->target, ".duplex-XXXXXX");
  if (!name) return;
  signals_hold(&before);
  output->file = mkostemp(name, O_CLOEXEC);
  if (output->file >= 0) {
    output->temporary = name;
  } else {
    free(name);
  }
  signals_release(&before);
  if (output->file < 0) return;
  const mode_t mask = umask(0);
  umask(mask);
  mode_t mode = old ? old->st_mode & 07777 : 0666 & ~mask;
  if (old && fchown(output->file, old->st_uid, old->st_gid) != 0) mode &= 0777;
  fchmod(output->file, mode);
}

static bool is_read_only(int descriptor) {
  const int flags = fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

// What is wrong with the name of an output before anything is opened, or NULL. info: of what is there, or
// NULL.
static const char *name_wrong(const char *path, enum output_format format, const struct stat *info) {
  const int descriptor = duplex_text_descriptor(path);
  const bool shared = descriptor >= 0;
  if (shared && is_read_only(descriptor)) return "expected a descriptor that is open for writing";
  if (strcmp(path, "-") == 0) return "expected the name of a file; /dev/stdout means standard output";
  if (path[0] == 0 || path[strlen(path) - 1] == '/' || (info && S_ISDIR(info->st_mode)))
    return "expected the name of a file";
  if (!shared && (!info || S_ISREG(info->st_mode))) return file_format_wrong(path, format);
  return format == OUTPUT_WAVE ? "expected a regular file, which a waveform needs" : NULL;
}

// Opens an output; file is -1 if it cannot be written, and errno says why.
static void open_output(struct output *output) {
  const int shared = duplex_text_descriptor(output->path);
  if (output->target) {
    make_temporary(output, output->exists ? &output->there : NULL);
  } else if (shared >= 0) {
    output->file = fcntl(shared, F_DUPFD_CLOEXEC, 0);
  } else {
    output->file = open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  }
  snprintf(output->name, sizeof output->name, "/dev/fd/%d", output->file);
}

static void free_output(struct output *output) {
  if (output->file >= 0) close(output->file);
  if (output->temporary) unlink(output->temporary);
  if (output->backup) unlink(output->backup);
  free(output->target);
  free(output->temporary);
  free(output->backup);
}

// From now on a signal takes the temporary files of `outputs` away.
static void enlist(struct outputs *outputs) {
  outputs->next = open_outputs;
  open_outputs = outputs;
}

// What the name of an output means now.
static void look(struct output *output) {
  const int shared = duplex_text_descriptor(output->path);
  const int error = shared >= 0 ? fstat(shared, &output->there) : stat(output->path, &output->there);
  output->exists = error == 0;
}

// It becomes a file with a temporary name first.
static bool is_replaced(const struct output *output) {
  return duplex_text_descriptor(output->path) < 0 && (!output->exists || S_ISREG(output->there.st_mode));
}

static int refuse(const struct output *output) {
  return fail(EXIT_BAD_INPUT, "%s %s: cannot be written: %s", output->option, output->path, strerror(errno));
}

int output_add(struct outputs *outputs, const char *option, const char *path, enum output_format format) {
  struct output output = {.option = option, .path = path, .file = -1};
  look(&output);
  const char *wrong = name_wrong(path, format, output.exists ? &output.there : NULL);
  if (wrong) return fail(EXIT_BAD_INPUT, "%s '%s': %s", option, path, wrong);
  if (is_replaced(&output) && !(output.target = duplex_text_target(path))) return refuse(&output);
  if (is_taken(&output)) {
    free_output(&output);
    return fail(EXIT_BAD_INPUT, "%s %s: is named for two outputs", option, path);
  }
  outputs->output[outputs->count] = output;
  if (outputs->count++ == 0) enlist(outputs);
  return EXIT_GOOD;
}

int outputs_open(struct outputs *outputs) {
  for (unsigned i = 0; i < outputs->count; i++) {
    open_output(&outputs->output[i]);
    if (outputs->output[i].file < 0) return refuse(&outputs->output[i]);
  }
  return EXIT_GOOD;
}

const char *output_name(const struct outputs *outputs, const char *path) {
  const struct output *output = path ? output_of(outputs, path) : NULL;
  return output ? output->name : NULL;
}

int outputs_keep_stdout(struct outputs *outputs) {
  return output_add(outputs, "standard output", "/dev/stdout", OUTPUT_TEXT);
}

void output_restore_name(const struct outputs *outputs, char *text, size_t size) {
  for (unsigned i = 0; i < outputs->count; i++) {
    const struct output *output = &outputs->output[i];
    const size_t length = strlen(output->name);
    if (strncmp(text, output->name, length) != 0 || text[length] != ':') continue;
    char *restored = join(output->path, "", text + length);
    if (restored) snprintf(text, size, "%s", restored);
    free(restored);
    return;
  }
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

// Errors that a file system tells only now.
static int close_all(struct outputs *outputs) {
  for (unsigned i = 0; i < outputs->count; i++) {
    const int file = outputs->output[i].file;
    outputs->output[i].file = -1;
    if (close(file) != 0)
      return fail(EXIT_ERROR, "%s: writing failed: %s", outputs->output[i].path, strerror(errno));
  }
  return EXIT_GOOD;
}

int outputs_commit(struct outputs *outputs) {
  sigset_t before;
  int status = close_all(outputs);
  if (status) return status;
  signals_hold(&before);
  status = rename_all(outputs);
  outputs_discard(outputs);
  signals_release(&before);
  return status;
}

void outputs_discard(struct outputs *outputs) {
  sigset_t before;
  signals_hold(&before);
  for (struct outputs **at = &open_outputs; *at; at = &(*at)->next)
    if (*at == outputs) {
      *at = outputs->next;
      break;
    }
  for (unsigned i = 0; i < outputs->count; i++) free_output(&outputs->output[i]);
  outputs->count = 0;
  signals_release(&before);
}
