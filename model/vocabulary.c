// SPDX-License-Identifier: Apache-2.0
// The tokens of a vocabulary: their bytes one after the other, and a hash table over them.
#include "model/vocabulary.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_SLOTS = 1024 };

// FNV-1a.
static uint32_t hash_of(struct model_text text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < text.length; i++) hash = (hash ^ (uint8_t)text.bytes[i]) * 0x100000001b3u;
  return (uint32_t)(hash ^ hash >> 32);
}

// The slot of this text: that of its token, or the free one where it would be.
static uint32_t *slot_of(const struct model_vocabulary *v, struct model_text text) {
  for (uint32_t i = hash_of(text) & v->mask;; i = (i + 1) & v->mask) {
    const uint32_t token = v->slots[i];
    if (token == MODEL_NO_ID) return &v->slots[i];
    if (model_text_equals(model_vocabulary_text(v, token), text)) return &v->slots[i];
  }
}

// At most half of the slots are used.
static bool make_slots(struct model_vocabulary *v) {
  if (v->slots && 2 * (v->used + 1) <= v->mask) return true;
  const uint32_t slots = v->slots ? 2 * (v->mask + 1) : LEAST_SLOTS;
  uint32_t *list = malloc(slots * sizeof *list);
  if (!list) return false;
  memset(list, 0xff, slots * sizeof *list);
  uint32_t *old = v->slots;
  const uint32_t old_slots = old ? v->mask + 1 : 0;
  v->slots = list;
  v->mask = slots - 1;
  for (uint32_t i = 0; i < old_slots; i++)
    if (old[i] != MODEL_NO_ID) *slot_of(v, model_vocabulary_text(v, old[i])) = old[i];
  free(old);
  return true;
}

// Zeroed memory that nobody touches costs nothing, however large the number of a token is.
static bool make_entries(struct model_vocabulary *v, uint32_t token) {
  if (token >= v->room) {
    const uint32_t room = 2 * token + 1024;
    struct model_entry *entry = calloc(room, sizeof *entry);
    if (!entry) return false;
    if (v->count) memcpy(entry, v->entry, v->count * sizeof *entry);
    free(v->entry);
    v->entry = entry;
    v->room = room;
  }
  if (token >= v->count) v->count = token + 1;
  return true;
}

int model_vocabulary_add(struct model_vocabulary *v, uint32_t token, struct model_text text, const char *path,
                         struct model_error *error) {
  if (token >= MODEL_TOKENS_MOST)
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: token %u: expected less than %d", path, token,
                      MODEL_TOKENS_MOST);
  if (model_vocabulary_has(v, token))
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: token %u is there twice, expected it once", path,
                      token);
  const size_t at = v->bytes.count;
  if (!make_slots(v) || !make_entries(v, token) || !model_bytes_add(&v->bytes, text.bytes, text.length))
    return model_no_memory(error);
  v->entry[token] = (struct model_entry){at, text.length, true};
  uint32_t *slot = slot_of(v, text);
  if (*slot == MODEL_NO_ID) {
    *slot = token;
    v->used++;
  }
  return DUPLEX_OK;
}

uint32_t model_vocabulary_find(const struct model_vocabulary *v, struct model_text text) {
  return v->slots ? *slot_of(v, text) : MODEL_NO_ID;
}

bool model_vocabulary_has(const struct model_vocabulary *v, uint32_t token) {
  return token < v->count && v->entry[token].there;
}

struct model_text model_vocabulary_text(const struct model_vocabulary *v, uint32_t token) {
  const struct model_entry *entry = &v->entry[token];
  return (struct model_text){entry->length ? v->bytes.data + entry->at : "", entry->length};
}

void model_vocabulary_free(struct model_vocabulary *v) {
  model_bytes_free(&v->bytes);
  free(v->entry);
  free(v->slots);
  *v = (struct model_vocabulary){0};
}
