// SPDX-License-Identifier: Apache-2.0
// UTF-8: where characters end, what is none, and replacing what is none.
#ifndef MODEL_UTF8_H
#define MODEL_UTF8_H

#include "model/bytes.h"
#include "model/text.h"

#define MODEL_REPLACEMENT "\xef\xbf\xbd"  // U+FFFD

enum model_utf8 { MODEL_UTF8_WHOLE, MODEL_UTF8_CUT, MODEL_UTF8_BAD };

// What `text` begins with: a whole character, the beginning of one that the text ends in, or neither.
// *length: bytes of the character, or of its longest beginning that is right, at least 1.
enum model_utf8 model_utf8_next(struct model_text text, size_t *length);

// Bytes of the character that a valid text begins with.
size_t model_utf8_length(const char *bytes, size_t left);
bool model_utf8_is_valid(struct model_text text);

// Whether a character is white space of Unicode.
bool model_utf8_is_space(struct model_text character);

#endif
