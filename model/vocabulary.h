// SPDX-License-Identifier: Apache-2.0
// The tokens of a vocabulary by their numbers and by their bytes.
#ifndef MODEL_VOCABULARY_H
#define MODEL_VOCABULARY_H

#include "model/bytes.h"
#include "model/error.h"
#include "model/text.h"

#define MODEL_NO_ID UINT32_MAX
enum { MODEL_TOKENS_MOST = 1 << 24 };

struct model_entry {
  size_t at, length;  // in `bytes`
  bool there;
};

struct model_vocabulary {
  struct model_bytes bytes;  // of all tokens
  struct model_entry *entry;
  uint32_t count, room;  // one more than the largest token
  uint32_t *slots;       // token of each place of the hash table, MODEL_NO_ID: free
  uint32_t mask, used;
};

// Adds a token; `path` is for messages. Errors: FORMAT (the number is there already or too large), NO_MEMORY.
// Of two tokens with the same bytes the first one is found by them.
int model_vocabulary_add(struct model_vocabulary *vocabulary, uint32_t token, struct model_text text,
                         const char *path, struct model_error *error);
// MODEL_NO_ID: there is none.
uint32_t model_vocabulary_find(const struct model_vocabulary *vocabulary, struct model_text text);
bool model_vocabulary_has(const struct model_vocabulary *vocabulary, uint32_t token);
struct model_text model_vocabulary_text(const struct model_vocabulary *vocabulary, uint32_t token);
void model_vocabulary_free(struct model_vocabulary *vocabulary);

#endif
