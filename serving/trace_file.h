// SPDX-License-Identifier: Apache-2.0
// Requests of a file: when they arrive, and their lengths.
#ifndef SERVING_TRACE_FILE_H
#define SERVING_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Names of the formats, "auto" first, NULL last: "auto" takes the one whose columns or keys the first line
// has.
extern const char *const serving_trace_formats[];

struct serving_trace_request {
  double arrival;  // seconds behind the first one
  unsigned input, output;
  size_t hash;          // the first one of its prompt, in `hashes`
  unsigned hash_count;  // of parts of so many tokens as the file's origin says
  size_t line;          // of the file, from 1 on
};
struct serving_trace {
  struct serving_trace_request *list;  // by arrival
  size_t count;
  uint64_t *hashes;  // of formats that have them (mooncake): of a part of a prompt and all before it
  size_t hash_count;
  size_t failures;  // rows of formats that have them (burstgpt): without output, and not in the list
  char *path;       // of the file
  bool unended;     // the last row of a table has no line feed behind it: it may be cut off
};

// Reads a file. `format`: index in serving_trace_formats. `rate`: requests a second to which the arrivals are
// stretched, 0: as they are. Returns 0, DUPLEX_ERROR_IO, _FORMAT or _NO_MEMORY, with a line in `error`.
int serving_trace_read(struct serving_trace *trace, const char *path, unsigned format, double rate,
                       char *error, size_t size);
void serving_trace_free(struct serving_trace *trace);

#endif
