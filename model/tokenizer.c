// SPDX-License-Identifier: Apache-2.0
// Text to tokens and back: normalising, added tokens, cutting, BPE; and the bytes of tokens as UTF-8.
#include "model/tokenizer.h"

#include <stdlib.h>
#include <string.h>

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

// Puts the blank in front and writes marks for blanks, then cuts.
static int encode_plain(struct work *work, struct model_text text) {
  const struct model_tokenizer *t = work->tokenizer;
  struct model_bytes bytes = {0};
  const struct model_text blank = model_text_of(" ");
  const struct model_text mark = model_text_of(t->marks ? MODEL_MARK : " ");
  const bool wanted = t->prefix == MODEL_PREFIX_ALWAYS || (t->prefix == MODEL_PREFIX_FIRST && work->first);
  const bool there = model_text_begins(text, blank) || model_text_begins(text, mark);
  work->first = false;
  bool good = !wanted || (there && !t->prefix_repeats) || model_bytes_add(&bytes, mark.bytes, mark.length);
  good = good && model_text_replace(text, blank, mark, &bytes);
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
  const struct model_tokens *const added[] = {&tokenizer->before, &tokenizer->behind};
  const uint32_t size = model_tokenizer_size(tokenizer);
  if (size > vocabulary)
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: has %u tokens, expected at most the %u of the model",
                      tokenizer->path, size, vocabulary);
  for (unsigned i = 0; i < 2; i++)
    for (size_t t = 0; t < added[i]->count; t++)
      if (added[i]->list[t] >= vocabulary)
        return model_fail(error, DUPLEX_ERROR_FORMAT,
                          "%s: puts token %u around a text, expected one of the %u of the model",
                          tokenizer->path, added[i]->list[t], vocabulary);
  return DUPLEX_OK;
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

// The text of a token, of no bytes if it is left out.
static struct model_text token_text(const struct model_tokenizer *t, uint32_t token, bool special) {
  const struct model_added_token *added = model_added_of(&t->added, token);
  if (added && added->special && !special) return (struct model_text){"", 0};
  return added ? (struct model_text){added->content, added->length}
               : model_vocabulary_text(&t->bpe.vocabulary, token);
}

// The bytes that a text of a token stands for.
static bool token_bytes(const struct model_tokenizer *t, struct model_text text, struct model_bytes *to) {
  uint8_t byte;
  if (t->bytes_back && is_byte_token(text, &byte)) return model_bytes_add(to, &byte, 1);
  return t->marks_back ? model_text_replace(text, model_text_of(MODEL_MARK), model_text_of(" "), to)
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

// Ends a run of tokens of one byte.
static bool take_run(struct model_stream *stream, struct model_bytes *to) {
  const struct model_text run = {stream->run.data, stream->run.count};
  const bool valid = model_utf8_is_valid(run);
  bool good = !valid || model_bytes_add(to, run.bytes, run.length);
  for (size_t i = 0; i < run.length && !valid && good; i++) good = model_bytes_add(to, MODEL_REPLACEMENT, 3);
  model_bytes_free(&stream->run);
  return good;
}

// Adds what a token adds to the text, as far as it is known.
static bool decode(const struct model_tokenizer *t, struct model_stream *stream, uint32_t token, bool special,
                   struct model_bytes *to) {
  const struct model_text text = token_text(t, token, special);
  struct model_bytes bytes = {0};
  uint8_t byte;
  if (t->whole_runs && is_byte_token(text, &byte)) return model_bytes_add(&stream->run, &byte, 1);
  bool good = !text.length || take_run(stream, to);
  good = good && model_bytes_add(&bytes, stream->pending, stream->count) && token_bytes(t, text, &bytes);
  stream->count = 0;
  good = good && take_whole(stream, (struct model_text){bytes.data, bytes.count}, to);
  model_bytes_free(&bytes);
  return good;
}

// Adds what waits: the run, or U+FFFD for a character that is not whole.
static bool decode_end(struct model_stream *stream, struct model_bytes *to) {
  return take_run(stream, to) && (!stream->count || model_bytes_add(to, MODEL_REPLACEMENT, 3));
}

// Gives the text to the caller, with a 0 behind it and without the blank that the whole text begins with, or
// frees it.
static int give(const struct model_tokenizer *t, struct model_stream *stream, bool good,
                struct model_bytes *decoded, char **text, size_t *length, struct model_error *error) {
  if (!good || !model_bytes_add(decoded, "", 1)) {
    model_bytes_free(decoded);
    return model_no_memory(error);
  }
  *length = decoded->count - 1;
  if (t->strip_first && !stream->begun && decoded->data[0] == ' ')
    memmove(decoded->data, decoded->data + 1, (*length)--);
  if (decoded->count > 1) stream->begun = true;
  *text = decoded->data;
  return DUPLEX_OK;
}

int model_tokenizer_decode(const struct model_tokenizer *t, struct model_stream *stream, uint32_t token,
                           bool special, char **text, size_t *length, struct model_error *error) {
  struct model_bytes decoded = {0};
  *text = NULL;
  if (!model_vocabulary_has(&t->bpe.vocabulary, token) && !model_added_of(&t->added, token))
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%s: there is no token %u", t->path, token);
  const bool good = decode(t, stream, token, special, &decoded);
  return give(t, stream, good, &decoded, text, length, error);
}

int model_tokenizer_end(const struct model_tokenizer *t, struct model_stream *stream, char **text,
                        size_t *length, struct model_error *error) {
  struct model_bytes decoded = {0};
  *text = NULL;
  const int status = give(t, stream, decode_end(stream, &decoded), &decoded, text, length, error);
  *stream = (struct model_stream){0};
  return status;
}
