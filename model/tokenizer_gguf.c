// SPDX-License-Identifier: Apache-2.0
// The steps of a tokenizer from the metadata of a GGUF file.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/gguf.h"
#include "model/tokenizer.h"
#include "model/tokenizer_steps.h"

#define LETTERS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

// How the writers of GGUF name the ways to cut.
static const struct {
  const char *name;
  const char *patterns[2];
  bool whole_words;
} cuts[] = {{"gpt-2", {MODEL_PATTERN_GPT2}, false},
            {"olmo", {MODEL_PATTERN_GPT2}, false},
            {"smollm", {"\\p{N}", MODEL_PATTERN_GPT2}, false},
            {"llama-bpe", {ENDINGS "|" LETTERS "|\\p{N}{1,3}|" REST}, true},
            {"qwen2", {ENDINGS "|" LETTERS "|\\p{N}|" REST}, false}};

enum token_type { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct reader {
  struct model_tokenizer *tokenizer;
  struct model_gguf *gguf;
  struct model_error *error;
};

static int refuse(const struct reader *r, const char *key, const char *expected) {
  return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: tokenizer.ggml.%s: expected %s", r->tokenizer->path,
                    key, expected);
}

static bool flag(const struct reader *r, const char *key, bool otherwise) {
  const struct model_gguf_value *value = model_gguf_find(r->gguf, key);
  int64_t number;
  return value && !value->array && model_gguf_integer(value, 0, &number) ? number != 0 : otherwise;
}

// The text of a key; of no bytes if there is none.
static struct model_text word(const struct reader *r, const char *key) {
  const struct model_gguf_value *value = model_gguf_find(r->gguf, key);
  const uint8_t *at = NULL;
  struct model_text text = {"", 0};
  if (value && !value->array) model_gguf_text(value, &at, &text);
  return text;
}

static int read_cut(struct reader *r) {
  const struct model_text name = word(r, "tokenizer.ggml.pre");
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
    if (!model_text_is(name, cuts[i].name)) continue;
    int status = DUPLEX_OK;
    r->tokenizer->bpe.whole_words = cuts[i].whole_words;
    for (unsigned j = 0; j < 2 && cuts[i].patterns[j] && !status; j++)
      status = model_tokenizer_add_split(r->tokenizer, model_text_of(cuts[i].patterns[j]), r->error);
    return status;
  }
  return model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE,
                    "%s: tokenizer.ggml.pre: '%.*s' is not there, expected gpt-2, olmo, smollm, llama-bpe or "
                    "qwen2",
                    r->tokenizer->path, name.length > 64 ? 64 : (int)name.length, name.bytes);
}

static int add_token(struct reader *r, uint32_t number, struct model_text text, int64_t type) {
  struct model_bytes bytes = {0};
  int status = r->tokenizer->bpe.bytes ? model_byte_level(text, &bytes, r->error) : DUPLEX_OK;
  if (!status && !r->tokenizer->bpe.bytes && !model_bytes_add(&bytes, text.bytes, text.length))
    status = model_no_memory(r->error);
  if (!status)
    status = model_vocabulary_add(&r->tokenizer->bpe.vocabulary, number,
                                  (struct model_text){bytes.data, bytes.count}, r->tokenizer->path, r->error);
  model_bytes_free(&bytes);
  const struct model_added_token added = {.token = number, .special = type != USER_DEFINED};
  const bool whole = type == CONTROL || type == USER_DEFINED || type == UNKNOWN;
  return status || !whole ? status : model_added_add(&r->tokenizer->added, &added, text, r->error);
}

// Adds all tokens with their types; without types all are normal.
static int read_tokens(struct reader *r) {
  const struct model_gguf_value *tokens = model_gguf_find(r->gguf, "tokenizer.ggml.tokens");
  const struct model_gguf_value *types = model_gguf_find(r->gguf, "tokenizer.ggml.token_type");
  const uint8_t *at = NULL;
  struct model_text text;
  int status = DUPLEX_OK;
  if (!tokens || !tokens->array || tokens->type != MODEL_GGUF_STRING || tokens->count > MODEL_TOKENS_MOST)
    return refuse(r, "tokens", "a list of texts");
  if (types && (!types->array || types->count != tokens->count))
    return refuse(r, "token_type", "a type for each token");
  for (uint32_t i = 0; i < tokens->count && !status; i++) {
    int64_t type = NORMAL;
    model_gguf_text(tokens, &at, &text);
    if (types && !model_gguf_integer(types, i, &type)) status = refuse(r, "token_type", "integers");
    if (!status) status = add_token(r, i, text, type);
  }
  return status;
}

// Adds the merge of two tokens, which are written byte by byte with a blank between them.
static int read_merge(struct reader *r, struct model_text text, uint32_t rank) {
  const char *blank = text.length ? memchr(text.bytes + 1, ' ', text.length - 1) : NULL;
  struct model_bytes left = {0};
  struct model_bytes right = {0};
  if (!blank) return refuse(r, "merges", "two tokens with a blank between them");
  const size_t length = (size_t)(blank - text.bytes);
  int status = model_byte_level((struct model_text){text.bytes, length}, &left, r->error);
  if (!status)
    status = model_byte_level((struct model_text){blank + 1, text.length - length - 1}, &right, r->error);
  if (!status)
    status = model_tokenizer_add_merge(r->tokenizer, (struct model_text){left.data, left.count},
                                       (struct model_text){right.data, right.count}, rank, r->error);
  model_bytes_free(&left);
  model_bytes_free(&right);
  return status;
}

static int read_merges(struct reader *r) {
  const struct model_gguf_value *merges = model_gguf_find(r->gguf, "tokenizer.ggml.merges");
  const uint8_t *at = NULL;
  struct model_text text;
  int status = DUPLEX_OK;
  if (!merges || !merges->array || merges->type != MODEL_GGUF_STRING || merges->count > MODEL_TOKENS_MOST)
    return refuse(r, "merges", "a list of texts");
  for (uint32_t i = 0; i < merges->count && !status; i++) {
    model_gguf_text(merges, &at, &text);
    status = read_merge(r, text, i);
  }
  return status;
}

struct scored {
  double score;
  uint32_t token;
};

static int by_score(const void *a, const void *b) {
  const struct scored *x = a;
  const struct scored *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->token > y->token) - (x->token < y->token);
}

// Every cut of a token into two tokens is a merge of its rank.
static int add_cuts(struct reader *r, uint32_t token, uint32_t rank) {
  const struct model_vocabulary *v = &r->tokenizer->bpe.vocabulary;
  const struct model_text text = model_vocabulary_text(v, token);
  int status = DUPLEX_OK;
  for (size_t i = 1; i < text.length && !status; i++) {
    const uint32_t left = model_vocabulary_find(v, (struct model_text){text.bytes, i});
    if (left == MODEL_NO_ID) continue;
    const uint32_t right = model_vocabulary_find(v, (struct model_text){text.bytes + i, text.length - i});
    if (right != MODEL_NO_ID) status = model_bpe_add(&r->tokenizer->bpe, left, right, rank, token, r->error);
  }
  return status;
}

// SentencePiece merges by the score of what comes out, and of equal scores the leftmost pair.
static int add_ranks(struct reader *r, struct scored *list, uint32_t count) {
  uint32_t rank = 0;
  int status = DUPLEX_OK;
  qsort(list, count, sizeof *list, by_score);
  for (uint32_t i = 0; i < count && !status; i++) {
    rank += i && list[i].score != list[i - 1].score;
    status = add_cuts(r, list[i].token, rank);
  }
  return status;
}

// Reads a score for each token, and adds the merges in their order.
static int read_scores(struct reader *r) {
  const uint32_t count = r->tokenizer->bpe.vocabulary.count;
  const struct model_gguf_value *scores = model_gguf_find(r->gguf, "tokenizer.ggml.scores");
  if (!scores || !scores->array || scores->count != count || scores->type != MODEL_GGUF_F32)
    return refuse(r, "scores", "a number for each token");
  struct scored *list = malloc((count + 1) * sizeof *list);
  int status = list ? DUPLEX_OK : model_no_memory(r->error);
  for (uint32_t i = 0; i < count && !status; i++) {
    list[i].token = i;
    model_gguf_real(scores, i, &list[i].score);
    if (!isfinite(list[i].score)) status = refuse(r, "scores", "finite numbers");
  }
  if (!status) status = add_ranks(r, list, count);
  free(list);
  return status;
}

// A token before or behind a text, if the file wants one.
static int read_outer(struct reader *r, const char *wanted, bool otherwise, const char *key,
                      struct model_tokens *tokens) {
  const struct model_gguf_value *value = model_gguf_find(r->gguf, key);
  int64_t token;
  if (!flag(r, wanted, otherwise) || !value) return DUPLEX_OK;
  if (!model_gguf_integer(value, 0, &token) || token < 0 ||
      !model_vocabulary_has(&r->tokenizer->bpe.vocabulary, (uint32_t)token))
    return refuse(r, key + strlen("tokenizer.ggml."), "a token");
  return model_tokens_add(tokens, (uint32_t)token, r->error);
}

// SentencePiece: blanks are marks, characters without a token are their bytes.
static int read_sentence_piece(struct reader *r) {
  struct model_tokenizer *t = r->tokenizer;
  const bool prefix = flag(r, "tokenizer.ggml.add_space_prefix", true);
  t->marks = t->marks_back = t->bytes_back = t->bpe.byte_fallback = true;
  t->strip_first = prefix;
  t->prefix = prefix ? MODEL_PREFIX_ALWAYS : MODEL_PREFIX_NEVER;
  t->prefix_repeats = true;
  const int status = read_tokens(r);
  return status ? status : read_scores(r);
}

static int read_byte_level(struct reader *r) {
  r->tokenizer->bpe.bytes = true;
  int status = read_cut(r);
  if (flag(r, "tokenizer.ggml.add_space_prefix", false)) r->tokenizer->prefix = MODEL_PREFIX_ALWAYS;
  if (!status) status = read_tokens(r);
  return status ? status : read_merges(r);
}

// Reads tokens, merges or scores, and what stands before and behind a text.
static int read_all(struct reader *r) {
  struct model_tokenizer *t = r->tokenizer;
  const struct model_text kind = word(r, "tokenizer.ggml.model");
  int64_t unknown = -1;
  int status = model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE,
                          "%s: tokenizer.ggml.model: '%.*s' is not there, expected gpt2 or llama", t->path,
                          kind.length > 64 ? 64 : (int)kind.length, kind.bytes);
  const bool pieces = model_text_is(kind, "llama");
  if (pieces) status = read_sentence_piece(r);
  if (model_text_is(kind, "gpt2")) status = read_byte_level(r);
  if (status) return status;
  const struct model_gguf_value *value = model_gguf_find(r->gguf, "tokenizer.ggml.unknown_token_id");
  if (value && pieces) model_gguf_integer(value, 0, &unknown);
  t->bpe.unknown = unknown >= 0 && unknown < t->bpe.vocabulary.count ? (uint32_t)unknown : MODEL_NO_ID;
  model_bpe_find_bytes(&t->bpe);
  status = read_outer(r, "tokenizer.ggml.add_bos_token", pieces, "tokenizer.ggml.bos_token_id", &t->before);
  return status ? status
                : read_outer(r, "tokenizer.ggml.add_eos_token", false, "tokenizer.ggml.eos_token_id",
                             &t->behind);
}

int model_tokenizer_read_gguf(const uint8_t *bytes, size_t size, const char *path,
                              struct model_tokenizer **tokenizer, struct model_error *error) {
  struct model_gguf gguf;
  struct model_tensors tensors = {0};
  struct reader r = {calloc(1, sizeof *r.tokenizer), &gguf, error};
  *tokenizer = NULL;
  int status = model_gguf_read(bytes, size, path, &gguf, &tensors, error);
  if (!status) {
    if (r.tokenizer) r.tokenizer->path = strdup(path);
    status = r.tokenizer && r.tokenizer->path ? read_all(&r) : model_no_memory(error);
  }
  model_tensors_free(&tensors);
  model_gguf_free(&gguf);
  if (status) {
    model_tokenizer_close(r.tokenizer);
  } else {
    *tokenizer = r.tokenizer;
  }
  return status;
}
