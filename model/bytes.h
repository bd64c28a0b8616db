// SPDX-License-Identifier: Apache-2.0
// Bytes that grow.
#ifndef MODEL_BYTES_H
#define MODEL_BYTES_H

#include <stdbool.h>
#include <stddef.h>

struct model_bytes {
  char *data;
  size_t count, room;
};

// False: too little memory.
bool model_bytes_add(struct model_bytes *bytes, const void *from, size_t count);
void model_bytes_free(struct model_bytes *bytes);

#endif
