// SPDX-License-Identifier: Apache-2.0
// A firmware file: an ELF of RV32 code, its segments and its functions. Nothing in it is trusted.
#ifndef DUPLEX_CONTROLLER_IMAGE_H
#define DUPLEX_CONTROLLER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_TEXT_BYTES 160

struct segment {
  unsigned number;                        // in the file's table
  uint32_t address, bytes, memory_bytes;  // the rest up to memory_bytes is zero
  const uint8_t *contents;                // within the file's bytes
  bool executable;
};

struct function {
  uint32_t address, bytes;
  const char *name;
};

struct image {
  uint8_t *file;  // owned
  size_t size;
  uint32_t entry;
  unsigned segments, functions;
  struct segment *segment;    // owned; by address
  struct function *function;  // owned; by address
};

// Takes the bytes of a file (malloc). On failure false, and `wrong` says what is wrong; image_free is due in
// any case. The segments that are kept do not overlap, and the entry lies in one that can be executed.
bool image_parse(struct image *image, uint8_t *file, size_t size, char wrong[IMAGE_TEXT_BYTES]);
bool image_read(struct image *image, const char *path, char wrong[IMAGE_TEXT_BYTES]);
void image_free(struct image *image);

// The function that holds an address, NULL if none does.
const struct function *image_function(const struct image *image, uint32_t address);

#endif
