// SPDX-License-Identifier: Apache-2.0
// Text to tokens and back: byte-level BPE and SentencePiece BPE, from tokenizer.json or GGUF
// (docs/model_files.md).
#ifndef MODEL_TOKENIZER_H
#define MODEL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/bytes.h"
#include "model/error.h"

struct model_tokenizer;

// From tokenizer.json of a folder, or from a GGUF file. A step that is not there is refused by its name.
// Errors, after which *tokenizer is NULL: IO, FORMAT, NOT_AVAILABLE, NO_MEMORY.
int model_tokenizer_open(const char *path, struct model_tokenizer **tokenizer, struct model_error *error);

// The same from bytes in memory, which are not needed any more when it returns; `path` is for messages.
int model_tokenizer_read_json(const uint8_t *bytes, size_t size, const char *path,
                              struct model_tokenizer **tokenizer, struct model_error *error);
int model_tokenizer_read_gguf(const uint8_t *bytes, size_t size, const char *path,
                              struct model_tokenizer **tokenizer, struct model_error *error);
void model_tokenizer_close(struct model_tokenizer *tokenizer);  // NULL: nothing

// One more than the largest token.
uint32_t model_tokenizer_size(const struct model_tokenizer *tokenizer);

// A model's embedding has a row for each token. Errors: FORMAT.
int model_tokenizer_check(const struct model_tokenizer *tokenizer, uint32_t vocabulary,
                          struct model_error *error);

struct model_tokens {
  uint32_t *list;
  size_t count, room;
};
void model_tokens_free(struct model_tokens *tokens);

// Appends the tokens of a text in UTF-8. `whole`: with those that the file puts before and behind a whole
// text, such as <s>. Special tokens are recognised in the text. Any number of threads may encode at once.
// Errors: ARGUMENT (the text is no UTF-8), FORMAT (a pattern gave up), NO_MEMORY.
int model_tokenizer_encode(const struct model_tokenizer *tokenizer, const char *text, size_t length,
                           bool whole, struct model_tokens *tokens, struct model_error *error);

// Decoding token by token: what is known so far, never half a character. model_tokenizer_end has to follow.
struct model_stream {
  uint8_t pending[4];  // of a character that is not whole yet
  unsigned count;
  struct model_bytes run;  // of tokens of one byte that may still go on
  bool begun;              // something was decoded before
};

// The text that a token adds, into new memory with a 0 behind it; *text is to be freed. Bytes that are no
// UTF-8 become U+FFFD, one for each longest beginning of a character; by the decoder ByteFallback one for
// each byte of tokens of one byte that follow each other, if these together are no UTF-8, so their text waits
// for the token behind them. `special`: with the text of special tokens, which otherwise add nothing. Errors:
// ARGUMENT (no such token), NO_MEMORY.
int model_tokenizer_decode(const struct model_tokenizer *tokenizer, struct model_stream *stream,
                           uint32_t token, bool special, char **text, size_t *length,
                           struct model_error *error);
// The same of the end of the text: what waited. The stream is as new then, also after an error: NO_MEMORY.
int model_tokenizer_end(const struct model_tokenizer *tokenizer, struct model_stream *stream, char **text,
                        size_t *length, struct model_error *error);

#endif
