// SPDX-License-Identifier: Apache-2.0
// What a tokenizer does with a text, step by step; filled by the readers of both kinds of file.
#ifndef MODEL_TOKENIZER_STEPS_H
#define MODEL_TOKENIZER_STEPS_H

#include "model/added.h"
#include "model/bpe.h"
#include "model/split.h"

#define MODEL_MARK "\xe2\x96\x81"  // U+2581, which SentencePiece writes for a blank
#define MODEL_STEPS_MOST 8u

enum model_normaliser { MODEL_NFC, MODEL_PREPEND, MODEL_REPLACE };

struct model_normalise {
  enum model_normaliser kind;
  char *text, *with;  // what is put in front; what is replaced, and by what
};

enum model_prefix { MODEL_PREFIX_NEVER, MODEL_PREFIX_FIRST, MODEL_PREFIX_ALWAYS };

struct model_tokenizer {
  char *path;
  struct model_added added;
  struct model_normalise normalise[MODEL_STEPS_MOST];
  unsigned normalise_count;
  bool marks;                // blanks become MODEL_MARK
  enum model_prefix prefix;  // a blank in front of the text, or of each piece between added tokens
  bool prefix_repeats;       // also before one that begins with a blank
  struct model_split *split[MODEL_SPLITS_MOST];
  unsigned split_count;
  struct model_bpe bpe;
  struct model_tokens before, behind;  // of a whole text
  bool marks_back;                     // decoding: MODEL_MARK becomes a blank
  bool bytes_back;                     // decoding: <0x00> to <0xFF> become bytes
  bool whole_runs;                     // of which as many as follow each other are UTF-8, or each is U+FFFD
  bool strip_first;                    // decoding: a blank at the beginning goes
};

// The bytes of a token of byte-level BPE, whose vocabularies write each byte as one printable character. A
// character that stands for no byte: the text stays as it is. Errors: NO_MEMORY.
int model_byte_level(struct model_text text, struct model_bytes *bytes, struct model_error *error);

// The pattern of GPT-2, which byte-level BPE cuts by unless told otherwise.
#define MODEL_PATTERN_GPT2 \
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

// to = from with each `what` replaced; an empty `what` is nowhere. False: too little memory.
bool model_text_replace(struct model_text from, struct model_text what, struct model_text with,
                        struct model_bytes *to);

// to = the normalised text. False: too little memory.
bool model_tokenizer_normalise(const struct model_tokenizer *tokenizer, struct model_text text,
                               struct model_bytes *to);

// Adds a step that cuts. Errors: FORMAT, NO_MEMORY.
int model_tokenizer_add_split(struct model_tokenizer *tokenizer, struct model_text pattern,
                              struct model_error *error);
// Adds a token of the vocabulary by two others: left, right and their rank. Errors: FORMAT (one of the three
// is no token), NO_MEMORY.
int model_tokenizer_add_merge(struct model_tokenizer *tokenizer, struct model_text left,
                              struct model_text right, uint32_t rank, struct model_error *error);

#endif
