#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/cli/cli.h"

static struct outputs *open_outputs;

// Takes temporary files away when the command is interrupted; only calls that a signal handler may make.
static void on_signal(int number) {
  for (unsigned i = 0; open_outputs && i < open_outputs->count; i++)
    if (open_outputs->temporary[i]) unlink(open_outputs->temporary[i]);
  signal(number, SIG_DFL);
  raise(number);
}

static void watch_signals(struct outputs *outputs) {
  if (open_outputs) return;
  open_outputs = outputs;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  signal(SIGHUP, on_signal);
}

int output_open(struct outputs *outputs, const char *option, const char *path) {
  struct stat info;
  for (unsigned i = 0; i < outputs->count; i++)
    if (strcmp(outputs->path[i], path) == 0) return fail(EXIT_BAD_INPUT, "%s %s: is named for two outputs", option, path);
  if (path[0] == 0 || (stat(path, &info) == 0 && S_ISDIR(info.st_mode)))
    return fail(EXIT_BAD_INPUT, "%s '%s': expected the name of a file", option, path);
  char *temporary = malloc(strlen(path) + sizeof ".XXXXXX");
  if (!temporary) return fail(EXIT_BAD_INPUT, "too little memory");
  sprintf(temporary, "%s.XXXXXX", path);
  const int file = mkstemp(temporary);
  if (file < 0) {
    const int status = fail(EXIT_BAD_INPUT, "%s %s: cannot be written: %s", option, path, strerror(errno));
    free(temporary);
    return status;
  }
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(file, 0666 & ~mask);
  outputs->path[outputs->count] = path;
  outputs->file[outputs->count] = file;
  outputs->temporary[outputs->count++] = temporary;
  watch_signals(outputs);
  return EXIT_GOOD;
}

static int index_of(const struct outputs *outputs, const char *path) {
  for (unsigned i = 0; i < outputs->count; i++)
    if (strcmp(outputs->path[i], path) == 0) return (int)i;
  return -1;
}

int output_write(struct outputs *outputs, const char *path, const void *bytes, size_t size) {
  const int index = index_of(outputs, path);
  for (const char *from = bytes; index >= 0 && size;) {
    const ssize_t written = write(outputs->file[index], from, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(EXIT_DEVICE, "%s: writing failed: %s", path, strerror(errno));
    from += written;
    size -= (size_t)written;
  }
  return EXIT_GOOD;
}

int output_tensor(struct outputs *outputs, const char *path, const struct tensor *tensor) {
  char header[256], shape[128] = "";
  for (unsigned i = 0; i < tensor->rank; i++) {
    const size_t used = strlen(shape);
    snprintf(shape + used, sizeof shape - used, i ? ", %zu" : "%zu%s", tensor->shape[i], tensor->rank == 1 ? "," : "");
  }
  memset(header, ' ', sizeof header);
  const int length = snprintf(header + 10, sizeof header - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                              element_name(tensor->element), shape);
  const size_t total = ((size_t)length + 10 + 1 + 63) / 64 * 64;
  header[10 + length] = ' ';
  header[total - 1] = '\n';
  memcpy(header, "\x93NUMPY\x01", 8);
  header[8] = (char)((total - 10) & 0xff);
  header[9] = (char)((total - 10) >> 8);
  const int status = output_write(outputs, path, header, total);
  return status ? status : output_write(outputs, path, tensor->data, tensor->count * element_size(tensor->element));
}

int outputs_commit(struct outputs *outputs) {
  for (unsigned i = 0; i < outputs->count; i++) {
    const int file = outputs->file[i];
    outputs->file[i] = -1;
    if (close(file) != 0) return fail(EXIT_DEVICE, "%s: writing failed: %s", outputs->path[i], strerror(errno));
  }
  for (unsigned i = 0; i < outputs->count; i++) {
    if (rename(outputs->temporary[i], outputs->path[i]) != 0)
      return fail(EXIT_DEVICE, "%s: cannot be renamed: %s", outputs->path[i], strerror(errno));
    free(outputs->temporary[i]);
    outputs->temporary[i] = NULL;
  }
  return EXIT_GOOD;
}

void outputs_discard(struct outputs *outputs) {
  for (unsigned i = 0; i < outputs->count; i++) {
    if (outputs->temporary[i]) {
      if (outputs->file[i] >= 0) close(outputs->file[i]);
      unlink(outputs->temporary[i]);
      free(outputs->temporary[i]);
    }
  }
  outputs->count = 0;
  open_outputs = NULL;
}
