// SPDX-License-Identifier: Apache-2.0
// Folders around the shared library, or around the program if the library is linked into it.
#include "backend/places.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { FOLDERS = 4 };

// The path of the file with this code; false if the system does not tell. Of the program itself the dynamic
// linker only knows how it was called, so the kernel is asked.
static int own_file(char path[PLACE_SIZE]) {
  Dl_info own, program;
  static const char anchor = 0;
  if (dladdr(&anchor, &own) && dladdr((const void *)getauxval(AT_PHDR), &program) &&
      own.dli_fbase != program.dli_fbase)
    return realpath(own.dli_fname, path) != NULL;
  const ssize_t length = readlink("/proc/self/exe", path, PLACE_SIZE - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return 1;
}

// Cuts the last `levels` names off a path; false if it has fewer.
static int cut(char *path, unsigned levels) {
  for (unsigned level = 0; level < levels; level++) {
    char *slash = strrchr(path, '/');
    if (!slash) return 0;
    *slash = 0;
  }
  return 1;
}

int place_of(unsigned index, const char *in_build, char path[PLACE_SIZE]) {
  static const char *const installed[] = {"duplex", "../lib/duplex"};
  if (index >= FOLDERS + sizeof installed / sizeof *installed || !own_file(path)) return 0;
  const char *name = index < FOLDERS ? in_build : installed[index - FOLDERS];
  if (!cut(path, index < FOLDERS ? index + 1 : 1)) path[0] = 0;
  const size_t length = strlen(path);
  const int added = snprintf(path + length, PLACE_SIZE - length, "/%s", name);
  return added > 0 && (size_t)added < PLACE_SIZE - length;
}
