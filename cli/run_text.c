// SPDX-License-Identifier: Apache-2.0
// Prints what requests brought.
#include "cli/run_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

// What a token adds to a text; a token that the tokenizer does not know adds nothing.
static void put_token(const struct model_tokenizer *tokenizer, struct model_stream *stream, uint32_t token,
                      FILE *to) {
  struct model_error error;
  char *text;
  size_t length;
  if (model_tokenizer_decode(tokenizer, stream, token, false, &text, &length, &error)) return;
  fwrite(text, 1, length, to);
  free(text);
}

static void put_end(const struct model_tokenizer *tokenizer, struct model_stream *stream, FILE *to) {
  struct model_error error;
  char *text;
  size_t length;
  if (model_tokenizer_end(tokenizer, stream, &text, &length, &error)) return;
  fwrite(text, 1, length, to);
  free(text);
}

static void put_text(const struct run_requests *requests, const struct generation_request *request,
                     FILE *to) {
  struct model_stream stream = {0};
  for (size_t i = 0; i < request->token_count; i++)
    put_token(requests->tokenizer, &stream, request->tokens[i], to);
  put_end(requests->tokenizer, &stream, to);
}

static void print_json_text(const struct run_requests *requests, const struct generation_request *request) {
  char *text = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&text, &size);
  if (!memory) return;
  put_text(requests, request, memory);
  fclose(memory);
  json_t *string = json_stringn(text, size);
  json_dumpf(string, stdout, JSON_ENCODE_ANY);
  json_decref(string);
  free(text);
}

void run_print_request(const struct run_requests *requests, const struct generation_request *request) {
  if (!requests->text[request->number]) {
    for (size_t i = 0; i < request->token_count; i++) printf("%s%u", i ? "," : "", request->tokens[i]);
  } else if (requests->count > 1) {
    print_json_text(requests, request);
  } else {
    put_text(requests, request, stdout);
  }
  printf("\n");
}

void run_print_token(const struct run_requests *requests, const struct generation_request *request,
                     struct model_stream *stream) {
  const uint32_t token = request->tokens[request->token_count - 1];
  if (requests->text[request->number])
    put_token(requests->tokenizer, stream, token, stdout);
  else
    printf("%s%u", request->token_count > 1 ? "," : "", token);
  fflush(stdout);
}

void run_print_end(const struct run_requests *requests, struct model_stream *stream) {
  if (requests->tokenizer) put_end(requests->tokenizer, stream, stdout);
  printf("\n");
}
