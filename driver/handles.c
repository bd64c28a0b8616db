// SPDX-License-Identifier: Apache-2.0
// Handles of a stack: taken, given back, used again.
#include "driver/handles.h"

#include <stdlib.h>
#include <string.h>

#define RETIRED_LEAST 16  // before one serves again, so that an old pointer seldom meets a new handle

// Takes out the one that was given back first.
static struct handle *take_retired(struct handles *handles) {
  struct handle *handle = handles->retired;
  handles->retired = handle->next_retired;
  if (!handles->retired) handles->last_retired = NULL;
  handles->retired_count--;
  return handle;
}

// Memory for a handle, at the head of the list; NULL: there is none.
static struct handle *make(struct handles *handles, size_t size) {
  struct handle *handle = malloc(size);
  if (!handle) return NULL;
  handle->next = handles->first;
  handles->first = handle;
  return handle;
}

void *handle_take(struct handles *handles, size_t size) {
  struct handle *handle =
      handles->retired_count < RETIRED_LEAST ? make(handles, size) : take_retired(handles);
  if (!handle) return NULL;
  struct handle *next = handle->next;
  memset(handle, 0, size);
  *handle = (struct handle){.next = next, .live = true};
  return handle;
}

void handle_retire(struct handles *handles, void *handle) {
  struct handle *own = handle;
  own->live = false;
  own->next_retired = NULL;
  if (handles->last_retired) {
    handles->last_retired->next_retired = own;
  } else {
    handles->retired = own;
  }
  handles->last_retired = own;
  handles->retired_count++;
}

bool handle_is_of(const struct handles *handles, const void *handle) {
  for (const struct handle *own = handles->first; own; own = own->next)
    if (own == handle) return own->live;
  return false;
}

void handles_free(struct handles *handles) {
  while (handles->first) {
    struct handle *next = handles->first->next;
    free(handles->first);
    handles->first = next;
  }
  *handles = (struct handles){0};
}
