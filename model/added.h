// SPDX-License-Identifier: Apache-2.0
// Tokens that are found in a text before anything else is done with it: <s>, <|im_end|> and the like.
#ifndef MODEL_ADDED_H
#define MODEL_ADDED_H

#include "model/error.h"
#include "model/text.h"

struct model_added_token {
  uint32_t token;
  char *content;  // as it is looked for: normalised if the text is
  size_t length;
  bool special;
  bool left, right;  // white space before or behind it belongs to it
  bool normalised;   // is looked for in the normalised text
};

struct model_added {
  struct model_added_token *list;
  size_t count, room;
};

// Takes a copy of the content. Errors: NO_MEMORY.
int model_added_add(struct model_added *added, const struct model_added_token *token,
                    struct model_text content, struct model_error *error);
void model_added_free(struct model_added *added);

// The first place, from `from` on, of a token of this kind; of those at the same place the longest. NULL:
// there is none. *begin and *end: what belongs to it, not before `from`.
const struct model_added_token *model_added_find(const struct model_added *added, bool normalised,
                                                 struct model_text text, size_t from, size_t *begin,
                                                 size_t *end);
// The added token with this number; NULL: there is none.
const struct model_added_token *model_added_of(const struct model_added *added, uint32_t token);

#endif
