// SPDX-License-Identifier: Apache-2.0
// Loads the RV32 controller, a library of its own, so that only those who use it need libunicorn.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/controller.h"
#include "backend/places.h"
#include "backend/rv32/library.h"
#include "duplex/error.h"

// The first file of this name in a place of the library (backend/places.h), or in $DUPLEX_RTL_DIR. False if
// there is none.
static int find_file(const char *name, char path[PLACE_SIZE]) {
  char folder[PLACE_SIZE];
  const char *given = getenv("DUPLEX_RTL_DIR");
  for (unsigned i = 0; place_of(i, ".", folder); i++)
    if (snprintf(path, PLACE_SIZE, "%s/%s", folder, name) < PLACE_SIZE && access(path, R_OK) == 0) return 1;
  return given && snprintf(path, PLACE_SIZE, "%s/%s", given, name) < PLACE_SIZE && access(path, R_OK) == 0;
}

int controller_riscv(const struct duplex_riscv_options *options, struct duplex_backend *backend,
                     struct controller **controller, char *text, size_t size) {
  char path[PLACE_SIZE], elf[PLACE_SIZE];
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
