// SPDX-License-Identifier: Apache-2.0
// Loads the RV32 controller, a library of its own, so that only those who use it need libunicorn.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/controller.h"
#include "backend/rv32/library.h"
#include "duplex/error.h"

#define PATH_SIZE 4096
#define LEVELS_ABOVE 3

// The first file of this name beside the program, in a folder above it, or in ../lib/duplex. False if there
// is none.
static int find_file(const char *name, char path[PATH_SIZE]) {
  char folder[PATH_SIZE];
  const ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (length <= 0) return 0;
  folder[length] = 0;
  for (int level = 0; level < LEVELS_ABOVE; level++) {
    char *slash = strrchr(folder, '/');
    if (!slash) return 0;
    *slash = 0;
    static const char *const places[] = {"", "/lib/duplex"};
    for (unsigned i = 0; i < 2; i++)
      if (snprintf(path, PATH_SIZE, "%s%s/%s", folder, places[i], name) < PATH_SIZE &&
          access(path, R_OK) == 0)
        return 1;
  }
  return 0;
}

int controller_riscv(const struct duplex_riscv_options *options, struct duplex_backend *backend,
                     struct controller **controller, char *text, size_t size) {
  char path[PATH_SIZE], elf[PATH_SIZE];
  struct duplex_riscv_options own = *options;
  *controller = NULL;
  if (!own.elf) own.elf = find_file("firmware.elf", elf) ? elf : NULL;
  if (!own.elf || !find_file("controller.so", path)) {
    snprintf(text, size, "%s is not beside the program: build it with `make firmware-rv32`",
             own.elf ? "controller.so" : "firmware.elf");
    return DUPLEX_ERROR_NOT_AVAILABLE;
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    snprintf(text, size, "%s%s", why, strstr(why, "unicorn") ? " (Debian package libunicorn2)" : "");
    return DUPLEX_ERROR_NOT_AVAILABLE;
  }
  const unsigned *interface = dlsym(library, "duplex_riscv_interface");
  open_riscv *open;
  *(void **)&open = dlsym(library, "duplex_riscv_open");
  if (!interface || *interface != DUPLEX_RISCV_INTERFACE || !open) {
    snprintf(text, size, "%s was built for another version of this library", path);
    dlclose(library);
    return DUPLEX_ERROR_NOT_AVAILABLE;
  }
  return open(&own, backend, controller, text, size);
}
