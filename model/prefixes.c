// SPDX-License-Identifier: Apache-2.0
// What prompts of several requests begin with.
#include "model/prefixes.h"

#include <stdlib.h>

#define PREFIX_LEAST 8u  // fewer tokens are not worth steps of their own

struct finder {
  const struct generation_request *requests;
  size_t *order;  // prompts with the same beginning are neighbours, the shorter one first
  struct prefixes *prefixes;
};

static int by_prompt(const void *one, const void *other, void *context) {
  const struct generation_request *requests = context;
  const struct generation_request *a = &requests[*(const size_t *)one];
  const struct generation_request *b = &requests[*(const size_t *)other];
  for (size_t i = 0; i < a->prompt_count && i < b->prompt_count; i++)
    if (a->prompt[i] != b->prompt[i]) return a->prompt[i] < b->prompt[i] ? -1 : 1;
  if (a->prompt_count != b->prompt_count) return a->prompt_count < b->prompt_count ? -1 : 1;
  return a->number < b->number ? -1 : 1;
}

static const struct generation_request *request_at(const struct finder *f, size_t place) {
  return &f->requests[f->order[place]];
}

// Tokens that neighbours [begin, end) have in common, each of them having one more; `known` of them are.
static size_t common_tokens(const struct finder *f, size_t begin, size_t end, size_t known) {
  const struct generation_request *first = request_at(f, begin);
  const struct generation_request *last = request_at(f, end - 1);
  size_t least = first->prompt_count;
  for (size_t i = begin; i < end; i++)
    if (request_at(f, i)->prompt_count < least) least = request_at(f, i)->prompt_count;
  while (known + 1 < least && first->prompt[known] == last->prompt[known]) known++;
  return known;
}

static struct prefix *add(struct finder *f, struct prefix *parent, size_t place, size_t length) {
  struct prefix *made = &f->prefixes->list[f->prefixes->count++];
  *made = (struct prefix){.parent = parent, .tokens = request_at(f, place)->prompt, .length = length};
  if (parent) parent->users++;
  return made;
}

// Neighbours [begin, end) have `known` tokens in common, and each of them more. Their prefix, then groups by
// the token behind it.
static void divide(struct finder *f, size_t begin, size_t end, size_t known, struct prefix *parent) {
  struct prefix *prefix = parent;
  const size_t common = common_tokens(f, begin, end, known);
  if (end - begin > 1 && common >= (parent ? parent->length : 0) + PREFIX_LEAST)
    prefix = add(f, parent, begin, common);
  for (size_t from = begin, to; from < end; from = to) {
    const uint32_t token = request_at(f, from)->prompt[common];
    for (to = from; to < end && request_at(f, to)->prompt[common] == token; to++)
      if (prefix) f->prefixes->of[f->order[to]] = prefix;
    size_t more = from;  // that have another token behind this one
    while (more < to && request_at(f, more)->prompt_count == common + 1) more++;
    if (to - more > 1) divide(f, more, to, common + 1, prefix);
  }
}

struct prefixes *prefixes_find(const struct generation_request *requests, size_t count) {
  struct prefixes *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  made->list = calloc(count, sizeof *made->list);
  made->of = calloc(count, sizeof(struct prefix *));
  struct finder f = {requests, malloc(count * sizeof *f.order), made};
  if (!made->list || !made->of || !f.order) {
    free(f.order);
    prefixes_free(made);
    return NULL;
  }
  for (size_t i = 0; i < count; i++) f.order[i] = i;
  qsort_r(f.order, count, sizeof *f.order, by_prompt, (void *)requests);
  if (count > 1) divide(&f, 0, count, 0, NULL);
  for (size_t i = 0; i < count; i++)
    if (made->of[i]) made->of[i]->users++;
  free(f.order);
  return made;
}

void prefixes_free(struct prefixes *prefixes) {
  if (!prefixes) return;
  free(prefixes->list);
  free(prefixes->of);
  free(prefixes);
}

size_t prefixes_count(const struct generation_request *requests, size_t count) {
  struct prefixes *prefixes = prefixes_find(requests, count);
  const size_t found = prefixes ? prefixes->count : 0;
  prefixes_free(prefixes);
  return found;
}
