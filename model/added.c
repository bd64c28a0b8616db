// SPDX-License-Identifier: Apache-2.0
// Tokens that are found in a text before anything else is done with it.
#include "model/added.h"

#include <stdlib.h>

#include "model/utf8.h"

int model_added_add(struct model_added *added, const struct model_added_token *token,
                    struct model_text content, struct model_error *error) {
  if (added->count == added->room) {
    const size_t room = 2 * added->room + 16;
    struct model_added_token *list = realloc(added->list, room * sizeof *list);
    if (!list) return model_no_memory(error);
    added->list = list;
    added->room = room;
  }
  struct model_added_token *copy = &added->list[added->count];
  *copy = *token;
  copy->length = content.length;
  copy->content = malloc(content.length + 1);
  if (!copy->content) return model_no_memory(error);
  memcpy(copy->content, content.bytes, content.length);
  copy->content[content.length] = 0;
  added->count++;
  return DUPLEX_OK;
}

void model_added_free(struct model_added *added) {
  for (size_t i = 0; i < added->count; i++) free(added->list[i].content);
  free(added->list);
  *added = (struct model_added){0};
}

// The longest token of this kind that the text begins with.
static const struct model_added_token *longest(const struct model_added *added, bool normalised,
                                               struct model_text text) {
  const struct model_added_token *best = NULL;
  for (size_t i = 0; i < added->count; i++) {
    const struct model_added_token *token = &added->list[i];
    if (token->normalised == normalised && token->length && token->content[0] == text.bytes[0] &&
        (!best || token->length > best->length) &&
        model_text_begins(text, (struct model_text){token->content, token->length}))
      best = token;
  }
  return best;
}

// Where the white space before `at` begins, not before `from`.
static size_t skip_left(struct model_text text, size_t from, size_t at) {
  while (at > from) {
    size_t before = at - 1;
    while (before > from && (text.bytes[before] & 0xc0) == 0x80) before--;
    if (!model_utf8_is_space((struct model_text){text.bytes + before, at - before})) break;
    at = before;
  }
  return at;
}

static size_t skip_right(struct model_text text, size_t at) {
  while (at < text.length) {
    const size_t length = model_utf8_length(text.bytes + at, text.length - at);
    if (!model_utf8_is_space((struct model_text){text.bytes + at, length})) break;
    at += length;
  }
  return at;
}

const struct model_added_token *model_added_find(const struct model_added *added, bool normalised,
                                                 struct model_text text, size_t from, size_t *begin,
                                                 size_t *end) {
  for (size_t at = from; added->count && at < text.length; at++) {
    const struct model_added_token *token =
        longest(added, normalised, (struct model_text){text.bytes + at, text.length - at});
    if (!token) continue;
    *begin = token->left ? skip_left(text, from, at) : at;
    *end = token->right ? skip_right(text, at + token->length) : at + token->length;
    return token;
  }
  return NULL;
}

const struct model_added_token *model_added_of(const struct model_added *added, uint32_t token) {
  for (size_t i = 0; i < added->count; i++)
    if (added->list[i].token == token) return &added->list[i];
  return NULL;
}
