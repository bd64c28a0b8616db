// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding of one word: its symbols, and the merges of neighbours in the order of their ranks.
#ifndef MODEL_BPE_H
#define MODEL_BPE_H

#include "model/tokenizer.h"
#include "model/vocabulary.h"

struct model_merge {
  uint64_t pair;  // left << 32 | right
  uint32_t rank, result;
};

struct model_bpe {
  struct model_vocabulary vocabulary;
  struct model_merge *merges;  // hash table; rank MODEL_NO_ID: free
  uint32_t merge_mask, merge_count;
  bool bytes;          // symbols are bytes, else characters of UTF-8
  bool byte_fallback;  // a character without a token becomes the tokens <0x00> to <0xFF> of its bytes
  bool whole_words;    // a word that is a token is taken as it is
  bool fuse_unknown;
  uint32_t unknown;  // for what has no token; MODEL_NO_ID: it is left out
  uint32_t of_byte[256];
};

// Adds a merge; of two of the same pair the first one counts. Errors: NO_MEMORY.
int model_bpe_add(struct model_bpe *bpe, uint32_t left, uint32_t right, uint32_t rank, uint32_t result,
                  struct model_error *error);
// Finds the tokens of single bytes, once the vocabulary is there.
void model_bpe_find_bytes(struct model_bpe *bpe);

// Appends the tokens of a word, valid UTF-8. Errors: NO_MEMORY.
int model_bpe_encode(const struct model_bpe *bpe, struct model_text word, struct model_tokens *tokens,
                     struct model_error *error);
void model_bpe_free(struct model_bpe *bpe);

// Errors: NO_MEMORY.
int model_tokens_add(struct model_tokens *tokens, uint32_t token, struct model_error *error);

#endif
