// SPDX-License-Identifier: Apache-2.0
// Bytes that grow.
#include "model/bytes.h"

#include <stdlib.h>
#include <string.h>

bool model_bytes_add(struct model_bytes *bytes, const void *from, size_t count) {
  if (count > bytes->room - bytes->count) {
    const size_t room = 2 * (bytes->count + count) + 64;
    char *data = realloc(bytes->data, room);
    if (!data) return false;
    bytes->data = data;
    bytes->room = room;
  }
  if (count) memcpy(bytes->data + bytes->count, from, count);
  bytes->count += count;
  return true;
}

void model_bytes_free(struct model_bytes *bytes) {
  free(bytes->data);
  *bytes = (struct model_bytes){0};
}
