// SPDX-License-Identifier: Apache-2.0
// Files of models that a test makes: a folder of its own, bytes that grow, .safetensors and GGUF.
#ifndef DUPLEX_TEST_MODEL_FILES_H
#define DUPLEX_TEST_MODEL_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "model/bytes.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

struct folder {
  char path[64];
};

static inline void folder_make(struct folder *folder) {
  snprintf(folder->path, sizeof folder->path, "%s/duplex_model_XXXXXX", P_tmpdir);
  assert_non_null(mkdtemp(folder->path));
}

static inline void folder_write(const struct folder *folder, const char *name, const void *bytes,
                                size_t size) {
  char path[160];
  snprintf(path, sizeof path, "%s/%s", folder->path, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

// The names of all files that tests write.
static inline void folder_remove(const struct folder *folder) {
  static const char *const names[] = {
      "config.json",    "model.safetensors", "model.safetensors.index.json", "a.safetensors", "b.safetensors",
      "tokenizer.json", "model.gguf",        "generation_config.json"};
  char path[160];
  for (size_t i = 0; i < LENGTH(names); i++) {
    snprintf(path, sizeof path, "%s/%s", folder->path, names[i]);
    unlink(path);
  }
  assert_int_equal(rmdir(folder->path), 0);
}

static inline void put(struct model_bytes *bytes, const void *from, size_t count) {
  assert_true(model_bytes_add(bytes, from, count));
}

static inline void put_number(struct model_bytes *bytes, uint64_t value, unsigned count) {
  for (unsigned i = 0; i < count; i++) put(bytes, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static inline void put_format(struct model_bytes *bytes, const char *format, ...) {
  char text[4096];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  assert_in_range(length, 0, sizeof text - 1);
  put(bytes, text, (size_t)length);
}

// A .safetensors file of this header and so many bytes of data.
static inline struct model_bytes safetensors(const char *header, const void *data, size_t size) {
  struct model_bytes file = {0};
  put_number(&file, strlen(header), 8);
  put(&file, header, strlen(header));
  put(&file, data, size);
  return file;
}

// GGUF
static inline void put_text(struct model_bytes *bytes, const char *text) {
  put_number(bytes, strlen(text), 8);
  put(bytes, text, strlen(text));
}

static inline void put_u32(struct model_bytes *bytes, const char *key, uint32_t value) {
  put_text(bytes, key);
  put_number(bytes, 4, 4);
  put_number(bytes, value, 4);
}

static inline void put_f32(struct model_bytes *bytes, const char *key, float value) {
  put_text(bytes, key);
  put_number(bytes, 6, 4);
  put(bytes, &value, sizeof value);
}

static inline void put_string(struct model_bytes *bytes, const char *key, const char *value) {
  put_text(bytes, key);
  put_number(bytes, 8, 4);
  put_text(bytes, value);
}

#endif
