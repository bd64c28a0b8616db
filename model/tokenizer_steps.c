// SPDX-License-Identifier: Apache-2.0
// The steps of a tokenizer: replacing and normalising text, the bytes of byte-level BPE, adding and freeing
// steps.
#include "model/tokenizer_steps.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

bool model_text_replace(struct model_text from, struct model_text what, struct model_text with,
                        struct model_bytes *to) {
  while (from.length) {
    const bool found = what.length && model_text_begins(from, what);
    const size_t length = found ? what.length : 1;
    if (!(found ? model_bytes_add(to, with.bytes, with.length) : model_bytes_add(to, from.bytes, 1)))
      return false;
    from.bytes += length;
    from.length -= length;
  }
  return true;
}

static bool compose(struct model_text text, struct model_bytes *to) {
  utf8proc_uint8_t *composed = NULL;
  const utf8proc_ssize_t length =
      utf8proc_map((const utf8proc_uint8_t *)text.bytes, (utf8proc_ssize_t)text.length, &composed,
                   UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const bool good = length >= 0 && model_bytes_add(to, composed, (size_t)length);
  free(composed);
  return good;
}

static bool normalise_once(const struct model_normalise *step, struct model_text text,
                           struct model_bytes *to) {
  if (step->kind == MODEL_NFC) return compose(text, to);
  if (step->kind == MODEL_REPLACE)
    return model_text_replace(text, model_text_of(step->text), model_text_of(step->with), to);
  return model_bytes_add(to, step->text, strlen(step->text)) && model_bytes_add(to, text.bytes, text.length);
}

bool model_tokenizer_normalise(const struct model_tokenizer *t, struct model_text text,
                               struct model_bytes *to) {
  if (!model_bytes_add(to, text.bytes, text.length)) return false;
  for (unsigned i = 0; i < t->normalise_count && to->count; i++) {
    struct model_bytes next = {0};
    const bool good = normalise_once(&t->normalise[i], (struct model_text){to->data, to->count}, &next);
    model_bytes_free(to);
    *to = next;
    if (!good) return false;
  }
  return true;
}

// The byte that a character of byte-level BPE stands for; -1: none. Printable characters of Latin-1 are
// themselves, the others follow from U+0100 on in their order.
static int byte_of(uint32_t code) {
  const bool itself =
      (code >= '!' && code <= '~') || (code >= 0xa1 && code <= 0xac) || (code >= 0xae && code <= 0xff);
  if (itself) return (int)code;
  if (code < 0x100 || code > 0x143) return -1;
  const uint32_t n = code - 0x100;
  if (n <= 32) return (int)n;                    // 0x00 to 0x20
  return n <= 66 ? (int)(n - 33 + 0x7f) : 0xad;  // 0x7f to 0xa0, then 0xad
}

int model_byte_level(struct model_text text, struct model_bytes *bytes, struct model_error *error) {
  const size_t before = bytes->count;
  for (struct model_text left = text; left.length;) {
    utf8proc_int32_t code;
    const utf8proc_ssize_t length =
        utf8proc_iterate((const utf8proc_uint8_t *)left.bytes, (utf8proc_ssize_t)left.length, &code);
    const int byte = length > 0 ? byte_of((uint32_t)code) : -1;
    if (byte < 0) {
      bytes->count = before;
      return model_bytes_add(bytes, text.bytes, text.length) ? DUPLEX_OK : model_no_memory(error);
    }
    if (!model_bytes_add(bytes, &(uint8_t){(uint8_t)byte}, 1)) return model_no_memory(error);
    left.bytes += length;
    left.length -= (size_t)length;
  }
  return DUPLEX_OK;
}

int model_tokenizer_add_split(struct model_tokenizer *tokenizer, struct model_text pattern,
                              struct model_error *error) {
  if (tokenizer->split_count == MODEL_SPLITS_MOST)
    return model_fail(error, DUPLEX_ERROR_NOT_AVAILABLE, "%s: pre_tokenizer: expected at most %u steps",
                      tokenizer->path, MODEL_SPLITS_MOST);
  const int status =
      model_split_open(pattern, tokenizer->path, &tokenizer->split[tokenizer->split_count], error);
  if (!status) tokenizer->split_count++;
  return status;
}

int model_tokenizer_add_merge(struct model_tokenizer *t, struct model_text left, struct model_text right,
                              uint32_t rank, struct model_error *error) {
  struct model_bytes both = {0};
  const bool good =
      model_bytes_add(&both, left.bytes, left.length) && model_bytes_add(&both, right.bytes, right.length);
  const uint32_t first = model_vocabulary_find(&t->bpe.vocabulary, left);
  const uint32_t second = model_vocabulary_find(&t->bpe.vocabulary, right);
  const uint32_t result =
      good ? model_vocabulary_find(&t->bpe.vocabulary, (struct model_text){both.data, both.count}) : 0;
  model_bytes_free(&both);
  if (!good) return model_no_memory(error);
  if (first == MODEL_NO_ID || second == MODEL_NO_ID || result == MODEL_NO_ID)
    return model_fail(error, DUPLEX_ERROR_FORMAT,
                      "%s: merge %u: expected two tokens whose bytes together are a token", t->path, rank);
  return model_bpe_add(&t->bpe, first, second, rank, result, error);
}

void model_tokenizer_close(struct model_tokenizer *t) {
  if (!t) return;
  for (unsigned i = 0; i < t->normalise_count; i++) free(t->normalise[i].text), free(t->normalise[i].with);
  for (unsigned i = 0; i < t->split_count; i++) model_split_close(t->split[i]);
  model_added_free(&t->added);
  model_bpe_free(&t->bpe);
  model_tokens_free(&t->before);
  model_tokens_free(&t->behind);
  free(t->path);
  free(t);
}
