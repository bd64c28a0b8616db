// SPDX-License-Identifier: Apache-2.0
// Fuzzing of what reads files of models: .safetensors, GGUF with description and tokenizer, config.json,
// tokenizer.json (docs/model_files.md).
//
// The first byte chooses the parser, and stays as it is when libFuzzer changes a case, so that a run over the
// corpus of one parser reaches no other one. What is accepted must keep the contracts: tensors lie in the
// file, descriptions in their ranges, tokens in the vocabulary, decoded text is UTF-8. What is refused has a
// text.
#include <stdlib.h>

#include "model/gguf.h"
#include "model/gguf_config.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "model/utf8.h"
#include "tests/fuzz/require.h"

static void check_error(int status, const struct model_error *error) {
  REQUIRE(status < 0);
  REQUIRE(error->text[0] && memchr(error->text, 0, sizeof error->text));
}

static void check_tensors(const struct model_tensors *tensors, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < tensors->count; i++) {
    const struct model_tensor *t = &tensors->list[i];
    const uint64_t bytes = model_type_bytes(t->type, t->count);
    REQUIRE(t->bytes >= data && bytes <= size && (size_t)(t->bytes - data) <= size - bytes);
    REQUIRE(model_tensors_find(tensors, t->name) == t);
    duplex_f32 values[MODEL_BLOCK];
    const uint64_t some = model_type_has_blocks(t->type) ? MODEL_BLOCK : 1;
    if (t->count) model_tensor_read(t, (t->count - 1) / some * some, some, values);
  }
}

static void check_config(struct model_config *c) {
  REQUIRE(c->layers && c->layer && c->hidden && c->heads && c->kv_heads && c->heads % c->kv_heads == 0);
  REQUIRE(c->chosen <= c->experts && c->end_token_count <= MODEL_END_TOKENS && c->vocabulary);
  model_config_free(c);
}

static void fuzz_safetensors(const uint8_t *data, size_t size) {
  struct model_tensors tensors = {0};
  struct model_error error = {{0}};
  int status = model_safetensors_read(data, size, "file", &tensors, &error);
  if (!status) status = model_tensors_sort(&tensors, &error);
  if (status) {
    check_error(status, &error);
  } else {
    check_tensors(&tensors, data, size);
  }
  model_tensors_free(&tensors);
}

static void fuzz_config(const uint8_t *data, size_t size) {
  struct model_config config;
  struct model_error error = {{0}};
  int status = model_config_read((const char *)data, size, "file", &config, &error);
  if (status) {
    check_error(status, &error);
    config = (struct model_config){0};
  } else {
    check_config(&config);
  }
  status = model_config_read_generation((const char *)data, size, "file", &config, &error);
  REQUIRE(config.end_token_count <= MODEL_END_TOKENS);
  if (status) check_error(status, &error);
}

// Texts whose tokens have to be there, and give UTF-8 again.
static void use_tokenizer(const struct model_tokenizer *tokenizer) {
  static const char *const texts[] = {"ab 11 \xc3\xa9 <s>x", "e\314\201a  b\xe2\x96\x81\n", "abcabcaabbcc"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct model_tokens tokens = {0};
    struct model_stream stream = {0};
    struct model_error error = {{0}};
    const int status = model_tokenizer_encode(tokenizer, texts[i], strlen(texts[i]), i == 0, &tokens, &error);
    if (status) check_error(status, &error);
    for (size_t j = 0; j < tokens.count; j++) {
      char *text;
      size_t length;
      // A template may name tokens that are nowhere.
      if (model_tokenizer_decode(tokenizer, &stream, tokens.list[j], j % 2, &text, &length, &error)) continue;
      REQUIRE(model_utf8_is_valid((struct model_text){text, length}));
      free(text);
    }
    char *end;
    size_t rest;
    REQUIRE(model_tokenizer_end(tokenizer, &stream, &end, &rest, &error) == DUPLEX_OK);
    REQUIRE(model_utf8_is_valid((struct model_text){end, rest}));
    free(end);
    model_tokens_free(&tokens);
  }
}

static void finish_tokenizer(int status, struct model_tokenizer *tokenizer, const struct model_error *error) {
  REQUIRE((status == 0) == (tokenizer != NULL));
  if (status) {
    check_error(status, error);
  } else {
    use_tokenizer(tokenizer);
  }
  model_tokenizer_close(tokenizer);
}

static void fuzz_gguf(const uint8_t *data, size_t size) {
  struct model_gguf gguf;
  struct model_tensors tensors = {0};
  struct model_error error = {{0}};
  struct model_config config;
  bool paired;
  int status = model_gguf_read(data, size, "file", &gguf, &tensors, &error);
  if (!status) {
    check_tensors(&tensors, data, size);
    status = model_gguf_config(&gguf, &tensors, &config, &paired, &error);
    if (!status) check_config(&config);
  }
  if (status) check_error(status, &error);
  model_tensors_free(&tensors);
  model_gguf_free(&gguf);
  struct model_tokenizer *tokenizer;
  status = model_tokenizer_read_gguf(data, size, "file", &tokenizer, &error);
  finish_tokenizer(status, tokenizer, &error);
}

static void fuzz_tokenizer(const uint8_t *data, size_t size) {
  struct model_tokenizer *tokenizer;
  struct model_error error = {{0}};
  const int status = model_tokenizer_read_json(data, size, "file", &tokenizer, &error);
  finish_tokenizer(status, tokenizer, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const targets[])(const uint8_t *, size_t) = {fuzz_safetensors, fuzz_gguf, fuzz_config,
                                                             fuzz_tokenizer};
  if (size) targets[data[0] % 4](data + 1, size - 1);
  return 0;
}

#ifndef REPLAY
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  (void)seed;  // LLVMFuzzerMutate draws on its own
  return room < 2 ? size : 1 + LLVMFuzzerMutate(data + 1, size - 1, room - 1);
}
#endif
