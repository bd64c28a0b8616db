// SPDX-License-Identifier: Apache-2.0
// What a caller holds by pointer: weights, jobs, caches, sequences. The memory of a handle stays until its
// stack closes, and serves others of its kind again, oldest first; so one that was given back is seen for
// what it is.
#ifndef DUPLEX_DRIVER_HANDLES_H
#define DUPLEX_DRIVER_HANDLES_H

#include <stdbool.h>
#include <stddef.h>

// Every kind of handle begins with this.
struct handle {
  struct handle *next;          // of all of its kind
  struct handle *next_retired;  // of those that were given back
  bool live;
};

// All of one kind and stack.
struct handles {
  struct handle *first;
  struct handle *retired, *last_retired;  // oldest first
  size_t retired_count;
};

// A handle of `size` bytes, all else 0; NULL: no memory.
void *handle_take(struct handles *handles, size_t size);
// It is given back.
void handle_retire(struct handles *handles, void *handle);
// Whether a pointer is a live handle of these. It is followed only if it is one of them.
bool handle_is_of(const struct handles *handles, const void *handle);
void handles_free(struct handles *handles);

#endif
