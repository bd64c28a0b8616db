// SPDX-License-Identifier: Apache-2.0
// The back ends that a stack can be opened on, by name: the one door from the driver to whatever stands
// behind duplex/backend.h.
#ifndef DUPLEX_BACKEND_BACKENDS_H
#define DUPLEX_BACKEND_BACKENDS_H

#include "duplex/backend.h"

struct backend_entry {
  const char *name;
  int (*open)(const struct duplex_backend_options *options, struct duplex_backend **backend);
  const char *(*failure)(
      void);  // why the last open of this thread failed, one line or ""; NULL: the error code says it all
};

// NULL: there is no back end of this name.
const struct backend_entry *backend_find(const char *name);

// All names, as "a or b".
void backend_names(char *text, size_t size);

#endif
