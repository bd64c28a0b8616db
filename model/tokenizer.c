// SPDX-License-Identifier: Apache-2.0
// Text to tokens and back: normalising, added tokens, cutting, BPE; and the bytes of tokens as UTF-8.
#include "model/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

#include "model/file.h"
#include "model/tokenizer_steps.h"
#include "model/utf8.h"

// A text in work.
struct work {
  const struct model_tokenizer *tokenizer;
  struct model_tokens *tokens;
  struct model_error *error;
  bool first;  // the piece is at the beginning of the text
};

// Steps of cutting from `step` on, then BPE.
struct cut {
  struct work *work;
  unsigned step;
};

static int cut_piece(void *context, struct model_text piece) {
  const struct cut *cut = context;
  const struct model_tokenizer *t = cut->work->tokenizer;
  if (cut->step == t->split_count)
    return model_bpe_encode(&t->bpe, piece, cut->work->tokens, cut->work->error);
  struct cut next = {cut->work, cut->step + 1};
  return model_split_text(t->split[cut->step], piece, cut_piece, &next, cut->work->error);
}

// to = from with each `what` replaced; an empty `what` is nowhere.
static bool replace(struct model_text from, struct model_text what, struct model_text with,
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

// Puts the blank in front and writes marks for blanks, then cuts.
static int encode_plain(struct work *work, struct model_text text) {
  const struct model_tokenizer *t = work->tokenizer;
  struct model_bytes bytes = {0};
  const struct model_text blank = model_text_of(" ");
  const struct model_text mark = model_text_of(t->marks ? MODEL_MARK : " ");
  const bool wanted = t->prefix == MODEL_PREFIX_ALWAYS || (t->prefix == MODEL_PREFIX_FIRST && work->first);
  const bool there = model_text_begins(text, blank) || model_text_begins(text, mark);
  work->first = false;
  bool good = !wanted || there || model_bytes_add(&bytes, mark.bytes, mark.length);
  good = good && replace(text, blank, mark, &bytes);
  struct cut cut = {work, 0};
  int status = good ? DUPLEX_OK : model_no_memory(work->error);
  if (good && bytes.count) status = cut_piece(&cut, (struct model_text){bytes.data, bytes.count});
  model_bytes_free(&bytes);
  return status;
}

// Calls encode for the pieces between added tokens of a kind, and appends these.
static int between_added(struct work *work, bool normalised, struct model_text text,
                         int (*encode)(struct work *, struct model_text)) {
  size_t done = 0;
  int status = DUPLEX_OK;
  while (done < text.length && !status) {
    size_t begin = text.length;
    size_t end = text.length;
    const struct model_added_token *token =
        model_added_find(&work->tokenizer->added, normalised, text, done, &begin, &end);
    if (begin > done) status = encode(work, (struct model_text){text.bytes + done, begin - done});
    if (token && !status) status = model_tokens_add(work->tokens, token->token, work->error);
    work->first = false;
    done = end;
  }
  return status;
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
    return replace(text, model_text_of(step->text), model_text_of(step->with), to);
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

static int encode_section(struct work *work, struct model_text text) {
  struct model_bytes bytes = {0};
  const int status =
      model_tokenizer_normalise(work->tokenizer, text, &bytes)
          ? between_added(work, true, (struct model_text){bytes.data, bytes.count}, encode_plain)
          : model_no_memory(work->error);
  model_bytes_free(&bytes);
  return status;
}

static int add_all(const struct model_tokens *from, struct model_tokens *to, struct model_error *error) {
  int status = DUPLEX_OK;
  for (size_t i = 0; i < from->count && !status; i++) status = model_tokens_add(to, from->list[i], error);
  return status;
}

int model_tokenizer_encode(const struct model_tokenizer *tokenizer, const char *text, size_t length,
                           bool whole, struct model_tokens *tokens, struct model_error *error) {
  struct work work = {tokenizer, tokens, error, true};
  const struct model_text all = {text, length};
  if (!model_utf8_is_valid(all)) return model_fail(error, DUPLEX_ERROR_ARGUMENT, "the text is no UTF-8");
  int status = whole ? add_all(&tokenizer->before, tokens, error) : DUPLEX_OK;
  if (!status) status = between_added(&work, false, all, encode_section);
  return status || !whole ? status : add_all(&tokenizer->behind, tokens, error);
}

uint32_t model_tokenizer_size(const struct model_tokenizer *tokenizer) {
  uint32_t size = tokenizer->bpe.vocabulary.count;
  for (size_t i = 0; i < tokenizer->added.count; i++)
    if (tokenizer->added.list[i].token >= size) size = tokenizer->added.list[i].token + 1;
  return size;
}

int model_tokenizer_check(const struct model_tokenizer *tokenizer, uint32_t vocabulary,
                          struct model_error *error) {
  const uint32_t size = model_tokenizer_size(tokenizer);
  if (size <= vocabulary) return DUPLEX_OK;
  return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: has %u tokens, expected at most the %u of the model",
                    tokenizer->path, size, vocabulary);
}

// <0x00> to <0xFF>.
static bool is_byte_token(struct model_text text, uint8_t *byte) {
  static const char digits[] = "0123456789ABCDEF";
  if (text.length != 6 || memcmp(text.bytes, "<0x", 3) != 0 || text.bytes[5] != '>') return false;
  const char *high = memchr(digits, text.bytes[3], 16);
  const char *low = memchr(digits, text.bytes[4], 16);
  if (!high || !low) return false;
  *byte = (uint8_t)((high - digits) << 4 | (low - digits));
  return true;
}

// The bytes that a token stands for.
static bool token_bytes(const struct model_tokenizer *t, uint32_t token, bool special,
                        struct model_bytes *to) {
  const struct model_added_token *added = model_added_of(&t->added, token);
  uint8_t byte;
  if (added && added->special && !special) return true;
  const struct model_text text = added ? (struct model_text){added->content, added->length}
                                       : model_vocabulary_text(&t->bpe.vocabulary, token);
  if (t->bytes_back && is_byte_token(text, &byte)) return model_bytes_add(to, &byte, 1);
  return t->marks_back ? replace(text, model_text_of(MODEL_MARK), model_text_of(" "), to)
                       : model_bytes_add(to, text.bytes, text.length);
}

// Moves whole characters to `to`; what the bytes end in, if it may still become one, stays pending.
static bool take_whole(struct model_stream *stream, struct model_text text, struct model_bytes *to) {
  size_t length;
  for (; text.length; text.bytes += length, text.length -= length) {
    const enum model_utf8 what = model_utf8_next(text, &length);
    if (what == MODEL_UTF8_CUT) {
      memcpy(stream->pending, text.bytes, length);
      stream->count = (unsigned)length;
      return true;
    }
    if (!(what == MODEL_UTF8_WHOLE ? model_bytes_add(to, text.bytes, length)
                                   : model_bytes_add(to, MODEL_REPLACEMENT, 3)))
      return false;
  }
  return true;
}

static bool decode(const struct model_tokenizer *t, struct model_stream *stream, uint32_t token, bool special,
                   struct model_bytes *bytes, struct model_bytes *text) {
  if (!model_bytes_add(bytes, stream->pending, stream->count)) return false;
  const size_t before = bytes->count;
  if (!token_bytes(t, token, special, bytes)) return false;
  struct model_text all = {bytes->data, bytes->count};
  if (bytes->count > before && !stream->begun) {
    stream->begun = true;
    if (t->strip_first && all.bytes[0] == ' ') all.bytes++, all.length--;
  }
  stream->count = 0;
  return take_whole(stream, all, text) && model_bytes_add(text, "", 1);
}

int model_tokenizer_decode(const struct model_tokenizer *t, struct model_stream *stream, uint32_t token,
                           bool special, char **text, size_t *length, struct model_error *error) {
  struct model_bytes bytes = {0};
  struct model_bytes decoded = {0};
  *text = NULL;
  if (!model_vocabulary_has(&t->bpe.vocabulary, token) && !model_added_of(&t->added, token))
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%s: there is no token %u", t->path, token);
  const bool good = decode(t, stream, token, special, &bytes, &decoded);
  model_bytes_free(&bytes);
  if (!good) {
    model_bytes_free(&decoded);
    return model_no_memory(error);
  }
  *text = decoded.data;
  *length = decoded.count - 1;
  return DUPLEX_OK;
}

size_t model_stream_end(struct model_stream *stream, char text[4]) {
  const bool cut = stream->count != 0;
  memcpy(text, cut ? MODEL_REPLACEMENT : "", cut ? 4 : 1);
  *stream = (struct model_stream){0};
  return cut ? 3 : 0;
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

static int open_file(const char *path, bool json, struct model_tokenizer **tokenizer,
                     struct model_error *error) {
  struct model_files files = {0};
  struct model_file file;
  int status = model_file_map(&files, path, &file, error);
  if (!status)
    status = json ? model_tokenizer_read_json(file.bytes, file.size, file.path, tokenizer, error)
                  : model_tokenizer_read_gguf(file.bytes, file.size, file.path, tokenizer, error);
  model_files_close(&files);
  return status;
}

int model_tokenizer_open(const char *path, struct model_tokenizer **tokenizer, struct model_error *error) {
  struct stat info;
  *tokenizer = NULL;
  if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) return open_file(path, false, tokenizer, error);
  char *inside = model_path(path, "tokenizer.json");
  const int status = inside ? open_file(inside, true, tokenizer, error) : model_no_memory(error);
  free(inside);
  return status;
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
