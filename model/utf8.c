// SPDX-License-Identifier: Apache-2.0
// UTF-8: where characters end and what is none.
#include "model/utf8.h"

#include <utf8proc.h>

// Bytes of a character that begins with this one; 0: none does.
static unsigned whole_length(uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

// Whether the second byte keeps the character from being overlong, a surrogate, or above U+10FFFF.
static bool second_fits(uint8_t first, uint8_t second) {
  uint8_t least = 0x80;
  uint8_t most = 0xbf;
  if (first == 0xe0) least = 0xa0;
  if (first == 0xed) most = 0x9f;
  if (first == 0xf0) least = 0x90;
  if (first == 0xf4) most = 0x8f;
  return second >= least && second <= most;
}

enum model_utf8 model_utf8_next(struct model_text text, size_t *length) {
  const uint8_t *bytes = (const uint8_t *)text.bytes;
  const unsigned whole = whole_length(bytes[0]);
  *length = 1;
  if (!whole) return MODEL_UTF8_BAD;
  for (; *length < whole; ++*length) {
    if (*length == text.length) return MODEL_UTF8_CUT;
    const uint8_t byte = bytes[*length];
    if (*length == 1 ? !second_fits(bytes[0], byte) : (byte & 0xc0) != 0x80) return MODEL_UTF8_BAD;
  }
  return MODEL_UTF8_WHOLE;
}

size_t model_utf8_length(const char *bytes, size_t left) {
  const unsigned length = whole_length((uint8_t)bytes[0]);
  if (!length) return 1;
  return length < left ? length : left;
}

bool model_utf8_is_valid(struct model_text text) {
  size_t length;
  for (; text.length; text.bytes += length, text.length -= length)
    if (model_utf8_next(text, &length) != MODEL_UTF8_WHOLE) return false;
  return true;
}

bool model_utf8_is_space(struct model_text character) {
  utf8proc_int32_t code;
  if (utf8proc_iterate((const utf8proc_uint8_t *)character.bytes, (utf8proc_ssize_t)character.length, &code) <
      0)
    return false;
  if ((code >= 9 && code <= 13) || code == 0x85) return true;
  const utf8proc_category_t category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}
