// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes texts by a tokenizer: for checks against other programs.
//
// usage: tokens PATH [--whole | --decode] < records of 4 bytes of length (little-endian) and the text in
// UTF-8, or, to decode, its tokens of 4 bytes each Prints two lines for each text: its tokens, and the bytes
// that they decode to, in hexadecimal digits.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer.h"

static void print_bytes(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) printf("%02x", (uint8_t)text[i]);
}

static int print_decoded(const struct model_tokenizer *tokenizer, const struct model_tokens *tokens,
                         struct model_error *error) {
  struct model_stream stream = {0};
  char *end;
  size_t size;
  for (size_t i = 0; i < tokens->count; i++) {
    char *text;
    size_t length;
    if (model_tokenizer_decode(tokenizer, &stream, tokens->list[i], true, &text, &length, error)) return -1;
    print_bytes(text, length);
    free(text);
  }
  if (model_tokenizer_end(tokenizer, &stream, &end, &size, error)) return -1;
  print_bytes(end, size);
  free(end);
  printf("\n");
  return 0;
}

enum mode { ENCODE, ENCODE_WHOLE, DECODE };

static int read_tokens(const char *bytes, size_t length, struct model_tokens *tokens) {
  tokens->count = length / sizeof *tokens->list;
  tokens->list = malloc(length + 1);
  if (!tokens->list) return -1;
  for (size_t i = 0; i < tokens->count; i++) {
    const uint8_t *at = (const uint8_t *)bytes + 4 * i;
    tokens->list[i] = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
  }
  return 0;
}

static int print_record(const struct model_tokenizer *tokenizer, const char *text, size_t length,
                        enum mode mode, struct model_error *error) {
  struct model_tokens tokens = {0};
  int status = mode == DECODE
                   ? read_tokens(text, length, &tokens)
                   : model_tokenizer_encode(tokenizer, text, length, mode == ENCODE_WHOLE, &tokens, error);
  for (size_t i = 0; i < tokens.count && !status; i++) printf("%u ", tokens.list[i]);
  printf("\n");
  if (!status) status = print_decoded(tokenizer, &tokens, error);
  model_tokens_free(&tokens);
  return status;
}

int main(int argc, char **argv) {
  static char text[1 << 20];
  uint8_t size[4];
  struct model_tokenizer *tokenizer;
  struct model_error error = {{0}};
  if (argc < 2) return fprintf(stderr, "usage: tokens PATH [--whole]\n"), 2;
  enum mode mode = ENCODE;
  if (argc > 2 && strcmp(argv[2], "--whole") == 0) mode = ENCODE_WHOLE;
  if (argc > 2 && strcmp(argv[2], "--decode") == 0) mode = DECODE;
  int status = model_tokenizer_open(argv[1], &tokenizer, &error);
  while (!status && fread(size, 1, 4, stdin) == 4) {
    const size_t length = size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
    if (length > sizeof text || fread(text, 1, length, stdin) != length) return 2;
    status = print_record(tokenizer, text, length, mode, &error);
  }
  model_tokenizer_close(tokenizer);
  if (status) fprintf(stderr, "tokens: %s\n", error.text);
  return status ? 2 : 0;
}
