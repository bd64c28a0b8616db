// SPDX-License-Identifier: Apache-2.0
// Times of the xPU's kernels that somebody measured (docs/serving.md, "Measured kernels").
#include "serving/kernels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duplex/error.h"
#include "serving/regular_file.h"

#define PATH_SIZE 4096
#define TABLES "gemm.csv, prefill.csv, elements.csv, decode.csv or all_reduce.csv"

const char *const kernels_names[] = {[XPU_KERNEL_GEMM] = "gemm",
                                     [XPU_KERNEL_PREFILL] = "prefill",
                                     [XPU_KERNEL_ELEMENTS] = "elements",
                                     [XPU_KERNEL_DECODE] = "decode",
                                     [XPU_KERNEL_ALL_REDUCE] = "all_reduce",
                                     [KERNEL_TABLES] = NULL};

// The path of a kind's table. Whether there is something, whatever it is.
static bool find(const char *folder, unsigned kind, char path[PATH_SIZE]) {
  const int length = snprintf(path, PATH_SIZE, "%s/%s.csv", folder, kernels_names[kind]);
  return length > 0 && length < PATH_SIZE && (access(path, F_OK) == 0 || errno != ENOENT);
}

bool kernels_is_there(const char *folder, unsigned kind) {
  char path[PATH_SIZE];
  return find(folder, kind, path);
}

// Reads the table of a kind, if the folder has one.
static int load(struct kernels *k, const char *folder, unsigned kind, char *error, size_t size) {
  char path[PATH_SIZE];
  const char *cause;
  if (!find(folder, kind, path)) return DUPLEX_OK;
  FILE *file = regular_file_open(path, &cause);  // a pipe would be waited for
  if (!file) {
    snprintf(error, size, "%s: %s, expected a table of measured times", path, cause);
    return DUPLEX_ERROR_IO;
  }
  fclose(file);
  const int status = xpu_kernel_table_load(path, (enum xpu_kernel_kind)kind, &k->table[kind], error, size);
  k->has[kind] = status == DUPLEX_OK;
  return status;
}

int kernels_open(struct kernels **kernels, const char *folder, char *error, size_t size) {
  int status = DUPLEX_OK;
  unsigned tables = 0;
  *kernels = NULL;
  if (!folder) return DUPLEX_OK;
  struct stat there;
  const bool found = stat(folder, &there) == 0;
  if (!found || !S_ISDIR(there.st_mode)) {
    snprintf(error, size, "%s: %s, expected one with " TABLES, folder,
             found ? "is no folder" : strerror(errno));
    return DUPLEX_ERROR_IO;
  }
  struct kernels *k = calloc(1, sizeof *k);
  snprintf(error, size, "too little memory");
  if (!k) return DUPLEX_ERROR_NO_MEMORY;
  for (unsigned kind = 0; kind < KERNEL_TABLES && !status; kind++) {
    status = load(k, folder, kind, error, size);
    tables += k->has[kind];
  }
  if (!status && tables == 0) {
    snprintf(error, size, "%s: expected " TABLES " in it", folder);
    status = DUPLEX_ERROR_IO;
  }
  if (!status) {
    *kernels = k;
    return DUPLEX_OK;
  }
  kernels_close(k);
  return status;
}

void kernels_close(struct kernels *k) {
  if (!k) return;
  for (unsigned kind = 0; kind < KERNEL_TABLES; kind++) xpu_kernel_table_free(&k->table[kind]);
  free(k);
}

bool kernels_ask(struct kernels *k, enum xpu_kernel_kind kind, const uint64_t *shape, uint64_t length) {
  if (!k || !k->has[kind]) return false;
  const enum xpu_kernel_fit fit = xpu_kernel_fit(&k->table[kind], shape, length);
  k->asked[kind].all++;
  k->asked[kind].other_shape += fit == XPU_KERNEL_OTHER_SHAPE;
  k->asked[kind].beyond += fit == XPU_KERNEL_BEYOND;
  return true;
}
