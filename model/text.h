// SPDX-License-Identifier: Apache-2.0
// A piece of text that somebody else holds.
#ifndef MODEL_TEXT_H
#define MODEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Without a 0 at its end. Of no bytes: the pointer may be NULL.
struct model_text {
  const char *bytes;
  size_t length;
};

static inline struct model_text model_text_of(const char *word) {
  return (struct model_text){word, strlen(word)};
}

static inline bool model_text_begins(struct model_text text, struct model_text with) {
  return with.length == 0 || (text.length >= with.length && memcmp(text.bytes, with.bytes, with.length) == 0);
}

static inline bool model_text_equals(struct model_text a, struct model_text b) {
  return a.length == b.length && model_text_begins(a, b);
}

static inline bool model_text_is(struct model_text text, const char *word) {
  return model_text_equals(text, model_text_of(word));
}

#endif
