// SPDX-License-Identifier: Apache-2.0
// The table of back ends. A new one adds its line here, and nothing above it changes.
#include "backend/backends.h"

#include <string.h>

static const struct backend_entry backends[] = {
    {"cmodel", duplex_cmodel_open, duplex_cmodel_failure},
    {"rtl", duplex_rtl_open, duplex_rtl_failure},
};

const struct backend_entry *backend_find(const char *name) {
  for (unsigned i = 0; i < sizeof backends / sizeof *backends; i++)
    if (strcmp(backends[i].name, name) == 0) return &backends[i];
  return NULL;
}
