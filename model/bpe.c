// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding of one word, with a heap of the merges that are possible.
#include "model/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/utf8.h"

enum { LEAST_SLOTS = 1024, NOBODY = -1 };

int model_tokens_add(struct model_tokens *tokens, uint32_t token, struct model_error *error) {
  if (tokens->count == tokens->room) {
    const size_t room = 2 * tokens->room + 64;
    uint32_t *list = realloc(tokens->list, room * sizeof *list);
    if (!list) return model_no_memory(error);
    tokens->list = list;
    tokens->room = room;
  }
  tokens->list[tokens->count++] = token;
  return DUPLEX_OK;
}

void model_tokens_free(struct model_tokens *tokens) {
  free(tokens->list);
  *tokens = (struct model_tokens){0};
}

// The slot of a pair: that of its merge, or the free one where it would be.
static struct model_merge *slot_of(struct model_merge *merges, uint32_t mask, uint64_t pair) {
  uint64_t hash = pair * 0x9e3779b97f4a7c15u;
  uint32_t i = (uint32_t)(hash >> 32) & mask;
  while (merges[i].rank != MODEL_NO_ID && merges[i].pair != pair) i = (i + 1) & mask;
  return &merges[i];
}

// At most half of the slots are used.
static bool make_slots(struct model_bpe *bpe) {
  if (bpe->merges && 2 * (bpe->merge_count + 1) <= bpe->merge_mask) return true;
  const uint32_t slots = bpe->merges ? 2 * (bpe->merge_mask + 1) : LEAST_SLOTS;
  struct model_merge *merges = malloc(slots * sizeof *merges);
  if (!merges) return false;
  memset(merges, 0xff, slots * sizeof *merges);
  for (uint32_t i = 0; bpe->merges && i <= bpe->merge_mask; i++)
    if (bpe->merges[i].rank != MODEL_NO_ID) *slot_of(merges, slots - 1, bpe->merges[i].pair) = bpe->merges[i];
  free(bpe->merges);
  bpe->merges = merges;
  bpe->merge_mask = slots - 1;
  return true;
}

int model_bpe_add(struct model_bpe *bpe, uint32_t left, uint32_t right, uint32_t rank, uint32_t result,
                  struct model_error *error) {
  const uint64_t pair = (uint64_t)left << 32 | right;
  if (!make_slots(bpe)) return model_no_memory(error);
  struct model_merge *merge = slot_of(bpe->merges, bpe->merge_mask, pair);
  if (merge->rank != MODEL_NO_ID) return DUPLEX_OK;
  *merge = (struct model_merge){pair, rank, result};
  bpe->merge_count++;
  return DUPLEX_OK;
}

void model_bpe_find_bytes(struct model_bpe *bpe) {
  for (unsigned byte = 0; byte < 256; byte++) {
    char name[8];
    const char raw = (char)byte;
    snprintf(name, sizeof name, "<0x%02X>", byte);
    bpe->of_byte[byte] = model_vocabulary_find(
        &bpe->vocabulary, bpe->bytes ? (struct model_text){&raw, 1} : model_text_of(name));
  }
}

void model_bpe_free(struct model_bpe *bpe) {
  model_vocabulary_free(&bpe->vocabulary);
  free(bpe->merges);
  *bpe = (struct model_bpe){0};
}

// A token of the word and its neighbours; one that was merged into its left neighbour is dead.
struct symbol {
  uint32_t token;
  int left, right;
  bool dead;
};

// A merge of the symbol at `at` with its right neighbour.
struct candidate {
  uint32_t rank, result;
  int at;
};

struct word {
  const struct model_bpe *bpe;
  struct symbol *symbols;
  int count;
  struct candidate *heap;  // the first has the lowest rank, and of equal ranks the leftmost place
  int heap_count;
  bool unknown;  // the last symbol is the unknown token
};

static bool comes_before(const struct candidate *a, const struct candidate *b) {
  return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct word *word, struct candidate candidate) {
  int i = word->heap_count++;
  while (i > 0 && comes_before(&candidate, &word->heap[(i - 1) / 2])) {
    word->heap[i] = word->heap[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  word->heap[i] = candidate;
}

static struct candidate heap_pop(struct word *word) {
  const struct candidate first = word->heap[0];
  const struct candidate last = word->heap[--word->heap_count];
  int i = 0;
  for (int child = 1; child < word->heap_count; child = 2 * i + 1) {
    if (child + 1 < word->heap_count && comes_before(&word->heap[child + 1], &word->heap[child])) child++;
    if (!comes_before(&word->heap[child], &last)) break;
    word->heap[i] = word->heap[child];
    i = child;
  }
  word->heap[i] = last;
  return first;
}

static const struct model_merge *merge_at(const struct word *word, int at) {
  const struct symbol *symbol = &word->symbols[at];
  if (!word->bpe->merges || symbol->dead || symbol->right == NOBODY) return NULL;
  const uint64_t pair = (uint64_t)symbol->token << 32 | word->symbols[symbol->right].token;
  const struct model_merge *merge = slot_of(word->bpe->merges, word->bpe->merge_mask, pair);
  return merge->rank == MODEL_NO_ID ? NULL : merge;
}

static void consider(struct word *word, int at) {
  const struct model_merge *merge = at == NOBODY ? NULL : merge_at(word, at);
  if (merge) heap_push(word, (struct candidate){merge->rank, merge->result, at});
}

static void add_symbol(struct word *word, uint32_t token) {
  word->unknown = false;
  word->symbols[word->count] = (struct symbol){token, word->count - 1, word->count + 1, false};
  word->count++;
}

static void add_unknown(struct word *word) {
  if (word->bpe->unknown == MODEL_NO_ID || (word->unknown && word->bpe->fuse_unknown)) return;
  add_symbol(word, word->bpe->unknown);
  word->unknown = true;
}

static bool add_bytes(struct word *word, struct model_text text) {
  for (size_t i = 0; i < text.length; i++)
    if (word->bpe->of_byte[(uint8_t)text.bytes[i]] == MODEL_NO_ID) return false;
  for (size_t i = 0; i < text.length; i++) add_symbol(word, word->bpe->of_byte[(uint8_t)text.bytes[i]]);
  return true;
}

// Bytes, or characters; those without a token become their bytes, or the unknown token.
static void add_symbols(struct word *word, struct model_text text) {
  const struct model_bpe *bpe = word->bpe;
  for (size_t i = 0; i < text.length;) {
    const size_t length = bpe->bytes ? 1 : model_utf8_length(text.bytes + i, text.length - i);
    const struct model_text part = {text.bytes + i, length};
    const uint32_t token = model_vocabulary_find(&bpe->vocabulary, part);
    i += length;
    if (token != MODEL_NO_ID) {
      add_symbol(word, token);
    } else if (bpe->bytes || !bpe->byte_fallback || !add_bytes(word, part)) {
      add_unknown(word);
    }
  }
  if (word->count) word->symbols[word->count - 1].right = NOBODY;
}

// Merges until no pair is one of the table.
static void merge_all(struct word *word) {
  for (int i = 0; i < word->count; i++) consider(word, i);
  while (word->heap_count) {
    const struct candidate next = heap_pop(word);
    const struct model_merge *merge = merge_at(word, next.at);
    if (!merge || merge->result != next.result || merge->rank != next.rank)
      continue;  // of symbols that are gone
    struct symbol *symbol = &word->symbols[next.at];
    struct symbol *right = &word->symbols[symbol->right];
    symbol->token = next.result;
    right->dead = true;
    symbol->right = right->right;
    if (symbol->right != NOBODY) word->symbols[symbol->right].left = next.at;
    consider(word, symbol->left);
    consider(word, next.at);
  }
}

static int encode(struct word *word, struct model_text text, struct model_tokens *tokens,
                  struct model_error *error) {
  int status = DUPLEX_OK;
  add_symbols(word, text);
  merge_all(word);
  for (int i = 0; i < word->count && !status; i++)
    if (!word->symbols[i].dead) status = model_tokens_add(tokens, word->symbols[i].token, error);
  return status;
}

int model_bpe_encode(const struct model_bpe *bpe, struct model_text text, struct model_tokens *tokens,
                     struct model_error *error) {
  const uint32_t whole = bpe->whole_words ? model_vocabulary_find(&bpe->vocabulary, text) : MODEL_NO_ID;
  if (whole != MODEL_NO_ID) return model_tokens_add(tokens, whole, error);
  if (text.length > INT32_MAX / 4) return model_no_memory(error);
  // Each merge takes one symbol away and adds two candidates at most.
  struct word word = {.bpe = bpe,
                      .symbols = malloc((text.length + 1) * sizeof(struct symbol)),
                      .heap = malloc((3 * text.length + 1) * sizeof(struct candidate))};
  const int status = word.symbols && word.heap ? encode(&word, text, tokens, error) : model_no_memory(error);
  free(word.symbols);
  free(word.heap);
  return status;
}
