// SPDX-License-Identifier: Apache-2.0
// Cutting a text into pieces by patterns: what matches, and what lies between the matches.
#ifndef MODEL_SPLIT_H
#define MODEL_SPLIT_H

#include "model/error.h"
#include "model/text.h"

#define MODEL_SPLITS_MOST 8u

struct model_split;  // a pattern, ready to match

// `path` is for messages. Errors, after which *split is NULL: FORMAT (no pattern of PCRE2), NO_MEMORY.
int model_split_open(struct model_text pattern, const char *path, struct model_split **split,
                     struct model_error *error);
void model_split_close(struct model_split *split);  // NULL: nothing

// Calls visit for each piece of a valid text in its order, and ends at the first call that does not return 0.
// Errors: what visit returns; FORMAT (the pattern needs too many steps), NO_MEMORY.
int model_split_text(const struct model_split *split, struct model_text text,
                     int (*visit)(void *context, struct model_text piece), void *context,
                     struct model_error *error);

// The pattern that finds a text itself.
struct model_bytes;
int model_split_quote(struct model_text text, struct model_bytes *pattern, struct model_error *error);

#endif
