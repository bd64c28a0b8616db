// SPDX-License-Identifier: Apache-2.0
// The steps of a tokenizer from tokenizer.json; a step that is not there is refused by its name.
#include <stdlib.h>
#include <string.h>

#include "model/json.h"
#include "model/tokenizer.h"
#include "model/tokenizer_steps.h"

struct reader {
  struct model_tokenizer *tokenizer;
  struct model_error *error;
  json_t *root;
  unsigned depth;  // of sequences
};

static struct model_text text_of(const json_t *string) {
  return (struct model_text){json_string_value(string), json_string_length(string)};
}

static int refuse(const struct reader *r, const char *part, const char *what) {
  return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: %s: %s", r->tokenizer->path, part, what);
}

// A step, or a rule of one, that is not there.
static int not_there(const struct reader *r, const char *part, const json_t *step) {
  const char *type = json_string_value(json_object_get(step, "type"));
  return model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE, "%s: %s: '%.64s' is not there in this form",
                    r->tokenizer->path, part, type ? type : "?");
}

static bool type_is(const json_t *step, const char *type) {
  const char *name = json_string_value(json_object_get(step, "type"));
  return name && strcmp(name, type) == 0;
}

static bool flag(const json_t *step, const char *key, bool otherwise) {
  const json_t *value = json_object_get(step, key);
  return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static const char *word(const json_t *step, const char *key, const char *otherwise) {
  const char *text = json_string_value(json_object_get(step, key));
  return text ? text : otherwise;
}

// Calls read for a step, or for each step of a sequence; `list` is where a sequence has them.
static int each_step(struct reader *r, const char *part, const char *list, const json_t *step,
                     int (*read)(struct reader *, const json_t *)) {
  if (!step || json_is_null(step)) return DUPLEX_OK;
  if (!type_is(step, "Sequence")) return read(r, step);
  const json_t *steps = json_object_get(step, list);
  if (!json_is_array(steps) || r->depth == MODEL_STEPS_MOST)
    return refuse(r, part, "expected a list of steps");
  int status = DUPLEX_OK;
  r->depth++;
  for (size_t i = 0; i < json_array_size(steps) && !status; i++)
    status = each_step(r, part, list, json_array_get(steps, i), read);
  r->depth--;
  return status;
}

static int add_normaliser(struct reader *r, enum model_normaliser kind, const char *text, const char *with) {
  struct model_tokenizer *t = r->tokenizer;
  if (t->normalise_count == MODEL_STEPS_MOST) return refuse(r, "normalizer", "has too many steps");
  struct model_normalise *step = &t->normalise[t->normalise_count++];
  *step = (struct model_normalise){kind, strdup(text), strdup(with)};
  return step->text && step->with ? DUPLEX_OK : model_no_memory(r->error);
}

static int read_normaliser(struct reader *r, const json_t *step) {
  const char *from = word(json_object_get(step, "pattern"), "String", NULL);
  const char *to = word(step, "content", NULL);
  const char *prepend = word(step, "prepend", NULL);
  if (type_is(step, "NFC")) return add_normaliser(r, MODEL_NFC, "", "");
  if (type_is(step, "Prepend") && prepend) return add_normaliser(r, MODEL_PREPEND, prepend, "");
  if (type_is(step, "Replace") && from && to) return add_normaliser(r, MODEL_REPLACE, from, to);
  return not_there(r, "normalizer", step);
}

// A pattern, or the text itself.
static int read_split(struct reader *r, const json_t *step) {
  const json_t *pattern = json_object_get(step, "pattern");
  const json_t *regex = json_object_get(pattern, "Regex");
  const json_t *string = json_object_get(pattern, "String");
  if (strcmp(word(step, "behavior", ""), "Isolated") != 0 || flag(step, "invert", false))
    return not_there(r, "pre_tokenizer", step);
  if (json_is_string(regex)) return model_tokenizer_add_split(r->tokenizer, text_of(regex), r->error);
  if (!json_is_string(string)) return refuse(r, "pre_tokenizer", "expected a pattern");
  struct model_bytes quoted = {0};
  int status = model_split_quote(text_of(string), &quoted, r->error);
  if (!status)
    status =
        model_tokenizer_add_split(r->tokenizer, (struct model_text){quoted.data, quoted.count}, r->error);
  model_bytes_free(&quoted);
  return status;
}

static int read_byte_level(struct reader *r, const json_t *step) {
  struct model_tokenizer *t = r->tokenizer;
  t->bpe.bytes = true;
  if (flag(step, "add_prefix_space", true)) {
    if (t->split_count) return not_there(r, "pre_tokenizer", step);
    t->prefix = MODEL_PREFIX_ALWAYS;
  }
  return flag(step, "use_regex", true)
             ? model_tokenizer_add_split(t, model_text_of(MODEL_PATTERN_GPT2), r->error)
             : DUPLEX_OK;
}

// Where a blank is put in front; older files have add_prefix_space in place of prepend_scheme. False:
// unknown.
static bool read_prefix(const json_t *step, enum model_prefix *prefix) {
  const char *scheme =
      word(step, "prepend_scheme", flag(step, "add_prefix_space", true) ? "always" : "never");
  *prefix = MODEL_PREFIX_NEVER;
  if (strcmp(scheme, "first") == 0) *prefix = MODEL_PREFIX_FIRST;
  if (strcmp(scheme, "always") == 0) *prefix = MODEL_PREFIX_ALWAYS;
  return *prefix != MODEL_PREFIX_NEVER || strcmp(scheme, "never") == 0;
}

static int read_metaspace(struct reader *r, const json_t *step) {
  struct model_tokenizer *t = r->tokenizer;
  if (t->split_count || strcmp(word(step, "replacement", MODEL_MARK), MODEL_MARK) != 0 ||
      !read_prefix(step, &t->prefix))
    return not_there(r, "pre_tokenizer", step);
  t->marks = true;
  return flag(step, "split", true)
             ? model_tokenizer_add_split(t, model_text_of(MODEL_MARK "[^" MODEL_MARK "]*"), r->error)
             : DUPLEX_OK;
}

static int read_pre_tokenizer(struct reader *r, const json_t *step) {
  if (type_is(step, "Split")) return read_split(r, step);
  if (type_is(step, "ByteLevel")) return read_byte_level(r, step);
  if (type_is(step, "Metaspace")) return read_metaspace(r, step);
  if (type_is(step, "Digits"))
    return model_tokenizer_add_split(
        r->tokenizer, model_text_of(flag(step, "individual_digits", false) ? "\\p{N}" : "\\p{N}+"), r->error);
  return not_there(r, "pre_tokenizer", step);
}

// Reads one step of the decoder; a step that is not known here is refused.
static int read_decoder(struct reader *r, const json_t *step) {
  struct model_tokenizer *t = r->tokenizer;
  const char *from = word(json_object_get(step, "pattern"), "String", "");
  enum model_prefix prefix;
  if (type_is(step, "ByteLevel") && t->bpe.bytes) return DUPLEX_OK;
  if (type_is(step, "Fuse")) return DUPLEX_OK;
  if (type_is(step, "ByteFallback")) {
    t->bytes_back = t->whole_runs = true;
  } else if (type_is(step, "Replace") && strcmp(from, MODEL_MARK) == 0 &&
             strcmp(word(step, "content", ""), " ") == 0) {
    t->marks_back = true;
  } else if (type_is(step, "Strip") && strcmp(word(step, "content", ""), " ") == 0 &&
             json_integer_value(json_object_get(step, "start")) <= 1 &&
             json_integer_value(json_object_get(step, "stop")) == 0) {
    t->strip_first = json_integer_value(json_object_get(step, "start")) == 1;
  } else if (type_is(step, "Metaspace") && strcmp(word(step, "replacement", MODEL_MARK), MODEL_MARK) == 0 &&
             read_prefix(step, &prefix)) {
    t->marks_back = true;
    t->strip_first = prefix != MODEL_PREFIX_NEVER;
  } else {
    return not_there(r, "decoder", step);
  }
  return DUPLEX_OK;
}

// The tokens of a special token that the template names.
static int add_special(struct reader *r, const json_t *processor, const json_t *name,
                       struct model_tokens *tokens) {
  const json_t *special = json_object_get(json_object_get(processor, "special_tokens"), word(name, "id", ""));
  const json_t *ids = json_object_get(special, "ids");
  if (!json_is_array(ids)) return refuse(r, "post_processor", "expected its special tokens");
  int status = DUPLEX_OK;
  for (size_t i = 0; i < json_array_size(ids) && !status; i++) {
    const json_t *id = json_array_get(ids, i);
    const json_int_t token = json_is_integer(id) ? json_integer_value(id) : -1;
    if (token < 0 || token >= MODEL_TOKENS_MOST) return refuse(r, "post_processor", "expected tokens");
    status = model_tokens_add(tokens, (uint32_t)token, r->error);
  }
  return status;
}

// Special tokens before and behind the text.
static int read_template(struct reader *r, const json_t *step) {
  const json_t *parts = json_object_get(step, "single");
  bool behind = false;
  int status = DUPLEX_OK;
  for (size_t i = 0; i < json_array_size(parts) && !status; i++) {
    const json_t *part = json_array_get(parts, i);
    const json_t *special = json_object_get(part, "SpecialToken");
    const bool text = json_object_get(part, "Sequence") != NULL;
    if (text == (special != NULL) || (text && behind)) return not_there(r, "post_processor", step);
    behind |= text;
    if (special)
      status = add_special(r, step, special, behind ? &r->tokenizer->behind : &r->tokenizer->before);
  }
  return status || behind ? status : not_there(r, "post_processor", step);
}

static int read_post_processor(struct reader *r, const json_t *step) {
  if (type_is(step, "TemplateProcessing")) return read_template(r, step);
  return type_is(step, "ByteLevel") ? DUPLEX_OK : not_there(r, "post_processor", step);
}

static int read_token_number(const struct reader *r, const char *part, const json_t *value, uint32_t *token) {
  const json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
  *token = 0;
  if (number < 0 || number >= MODEL_TOKENS_MOST) return refuse(r, part, "expected the numbers of tokens");
  *token = (uint32_t)number;
  return DUPLEX_OK;
}

// Adds all tokens of the vocabulary as the bytes that they stand for.
static int read_vocabulary(struct reader *r, json_t *vocabulary) {
  const char *key;
  json_t *value;
  int status = json_is_object(vocabulary) ? DUPLEX_OK : refuse(r, "model.vocab", "expected an object");
  struct model_bytes bytes = {0};
  if (status) return status;
  json_object_foreach(vocabulary, key, value) {
    uint32_t token;
    bytes.count = 0;
    status = read_token_number(r, "model.vocab", value, &token);
    if (!status)
      status = r->tokenizer->bpe.bytes
                   ? model_byte_level(model_text_of(key), &bytes, r->error)
                   : (model_bytes_add(&bytes, key, strlen(key)) ? DUPLEX_OK : model_no_memory(r->error));
    if (!status)
      status =
          model_vocabulary_add(&r->tokenizer->bpe.vocabulary, token,
                               (struct model_text){bytes.data, bytes.count}, r->tokenizer->path, r->error);
    if (status) break;
  }
  model_bytes_free(&bytes);
  return status;
}

// The two texts of a merge: a list of two, or one with a blank between them.
static bool read_pair(const json_t *merge, struct model_text *left, struct model_text *right) {
  if (json_is_array(merge) && json_array_size(merge) == 2) {
    *left = text_of(json_array_get(merge, 0));
    *right = text_of(json_array_get(merge, 1));
    return left->bytes && right->bytes;
  }
  const char *both = json_string_value(merge);
  const char *blank = both ? strchr(both, ' ') : NULL;
  if (!blank) return false;
  *left = (struct model_text){both, (size_t)(blank - both)};
  *right = model_text_of(blank + 1);
  return true;
}

// Adds the merge of two tokens, a pair or a text with a blank.
static int read_merge(struct reader *r, const json_t *merge, uint32_t rank) {
  struct model_text left;
  struct model_text right;
  struct model_bytes first = {0};
  struct model_bytes second = {0};
  if (!read_pair(merge, &left, &right)) return refuse(r, "model.merges", "expected pairs of tokens");
  if (!r->tokenizer->bpe.bytes) return model_tokenizer_add_merge(r->tokenizer, left, right, rank, r->error);
  int status = model_byte_level(left, &first, r->error);
  if (!status) status = model_byte_level(right, &second, r->error);
  if (!status)
    status = model_tokenizer_add_merge(r->tokenizer, (struct model_text){first.data, first.count},
                                       (struct model_text){second.data, second.count}, rank, r->error);
  model_bytes_free(&first);
  model_bytes_free(&second);
  return status;
}

static int read_merges(struct reader *r, const json_t *merges) {
  int status = json_is_array(merges) ? DUPLEX_OK : refuse(r, "model.merges", "expected a list");
  for (size_t i = 0; i < json_array_size(merges) && !status; i++)
    status = read_merge(r, json_array_get(merges, i), (uint32_t)i);
  return status;
}

// Whatever an object has beside the known keys is switched off, or may change tokens. `inside` is "" or where
// the object is, with its dot.
static int refuse_others(struct reader *r, json_t *object, const char *inside, const char *const *known) {
  const char *key;
  const json_t *value;
  json_object_foreach(object, key, value) {
    unsigned i = 0;
    while (known[i] && strcmp(key, known[i]) != 0) i++;
    if (!known[i] && !model_json_is_off(value))
      return model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE, "%s: %s%.64s is not there", r->tokenizer->path,
                        inside, key);
  }
  return DUPLEX_OK;
}

static int read_unknown(struct reader *r, const json_t *model) {
  const char *name = word(model, "unk_token", "");
  r->tokenizer->bpe.unknown = MODEL_NO_ID;
  if (!name[0]) return DUPLEX_OK;
  r->tokenizer->bpe.unknown = model_vocabulary_find(&r->tokenizer->bpe.vocabulary, model_text_of(name));
  return r->tokenizer->bpe.unknown == MODEL_NO_ID ? refuse(r, "model.unk_token", "expected a token")
                                                  : DUPLEX_OK;
}

// Reads the model BPE: its rules, tokens and merges.
static int read_model(struct reader *r) {
  static const char *const known[] = {"type",     "vocab",         "merges",        "unk_token",
                                      "fuse_unk", "byte_fallback", "ignore_merges", NULL};
  json_t *model = json_object_get(r->root, "model");
  struct model_bpe *bpe = &r->tokenizer->bpe;
  // Old files have no type; a list of merges tells that it is BPE.
  if (!type_is(model, "BPE") && (json_object_get(model, "type") || !json_object_get(model, "merges")))
    return not_there(r, "model", model);
  bpe->byte_fallback = flag(model, "byte_fallback", false);
  bpe->whole_words = flag(model, "ignore_merges", false);
  bpe->fuse_unknown = flag(model, "fuse_unk", false);
  int status = refuse_others(r, model, "model.", known);
  if (!status) status = read_vocabulary(r, json_object_get(model, "vocab"));
  if (!status) status = read_unknown(r, model);
  if (!status) status = read_merges(r, json_object_get(model, "merges"));
  if (!status) model_bpe_find_bytes(bpe);
  return status;
}

// What is looked for in the normalised text is normalised too.
static int add_added_token(struct reader *r, const struct model_added_token *token,
                           struct model_text content) {
  struct model_tokenizer *t = r->tokenizer;
  struct model_bytes bytes = {0};
  if (!token->normalised) return model_added_add(&t->added, token, content, r->error);
  const int status =
      model_tokenizer_normalise(t, content, &bytes)
          ? model_added_add(&t->added, token, (struct model_text){bytes.data, bytes.count}, r->error)
          : model_no_memory(r->error);
  model_bytes_free(&bytes);
  return status;
}

static int read_added_token(struct reader *r, const json_t *entry) {
  const json_t *content = json_object_get(entry, "content");
  struct model_added_token token = {.special = flag(entry, "special", false),
                                    .left = flag(entry, "lstrip", false),
                                    .right = flag(entry, "rstrip", false)};
  token.normalised = flag(entry, "normalized", !token.special);
  int status = read_token_number(r, "added_tokens", json_object_get(entry, "id"), &token.token);
  if (!status && (!json_is_string(content) || json_string_length(content) == 0))
    status = refuse(r, "added_tokens", "expected a content");
  if (!status && flag(entry, "single_word", false))
    status = model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE, "%s: added_tokens: single_word is not there",
                        r->tokenizer->path);
  return status ? status : add_added_token(r, &token, text_of(content));
}

static int read_added_tokens(struct reader *r) {
  const json_t *list = json_object_get(r->root, "added_tokens");
  int status = !list || json_is_null(list) || json_is_array(list)
                   ? DUPLEX_OK
                   : refuse(r, "added_tokens", "expected a list");
  for (size_t i = 0; i < json_array_size(list) && !status; i++)
    status = read_added_token(r, json_array_get(list, i));
  return status;
}

// The whole file, part by part: added tokens come last, since they need the vocabulary.
static int read_all(struct reader *r) {
  // Truncation and padding are of batches, and the version is that of the file.
  static const char *const known[] = {
      "version",       "truncation",     "padding", "added_tokens", "normalizer",
      "pre_tokenizer", "post_processor", "decoder", "model",        NULL};
  const json_t *decoder = json_object_get(r->root, "decoder");
  int status = refuse_others(r, r->root, "", known);
  if (!status)
    status =
        each_step(r, "normalizer", "normalizers", json_object_get(r->root, "normalizer"), read_normaliser);
  if (!status)
    status = each_step(r, "pre_tokenizer", "pretokenizers", json_object_get(r->root, "pre_tokenizer"),
                       read_pre_tokenizer);
  if (!status)
    status = each_step(r, "post_processor", "processors", json_object_get(r->root, "post_processor"),
                       read_post_processor);
  if (!status && !json_is_object(decoder)) status = refuse(r, "decoder", "expected an object");
  if (!status) status = each_step(r, "decoder", "decoders", decoder, read_decoder);
  if (!status) status = read_model(r);
  return status ? status : read_added_tokens(r);
}

int model_tokenizer_read_json(const uint8_t *bytes, size_t size, const char *path,
                              struct model_tokenizer **tokenizer, struct model_error *error) {
  *tokenizer = NULL;
  json_t *root = model_json_parse_file((const char *)bytes, size, path, error);
  if (!root) return DUPLEX_ERROR_FORMAT;
  struct reader r = {.tokenizer = calloc(1, sizeof *r.tokenizer), .error = error, .root = root};
  if (r.tokenizer) r.tokenizer->path = strdup(path);
  const int status = r.tokenizer && r.tokenizer->path ? read_all(&r) : model_no_memory(error);
  json_decref(root);
  if (status) {
    model_tokenizer_close(r.tokenizer);
  } else {
    *tokenizer = r.tokenizer;
  }
  return status;
}
