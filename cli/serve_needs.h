// SPDX-License-Identifier: Apache-2.0
// Options of duplex serve that are of some systems and models alone.
#ifndef DUPLEX_CLI_SERVE_NEEDS_H
#define DUPLEX_CLI_SERVE_NEEDS_H

#include "cli/options.h"
#include "serving/serving.h"

// Refuses a given option without another one that it needs, and one that would change nothing on this system
// with this model. Files that cannot be read
// are left to the simulation to tell. Returns 0 or an exit status.
int serve_needs_check(const struct option *options, const struct serving_options *serving);

// Options that say nothing without another one.
struct serve_company {
  const char *option, *with, *or_with;  // or_with: NULL if there is no other choice
};
extern const struct serve_company serve_company[];  // ends with a NULL option

// Whether an option would change nothing, of which system, model, mode and policy are read; `why` has then
// what is not there, and what was expected.
bool serve_needs_lacking(const char *option, const struct serving_options *serving, char *why, size_t size);
// Whether it would change nothing and says nothing that is not so: two copies, or experts on one side, may be
// asked for where there are none.
bool serve_needs_idle(const char *option, const char *value, const struct serving_options *serving);

#endif
