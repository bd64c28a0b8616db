// SPDX-License-Identifier: Apache-2.0
// What prompts of several requests begin with: a tree of prefixes, each of them longer than its parent.
#ifndef MODEL_PREFIXES_H
#define MODEL_PREFIXES_H

#include "model/generation.h"

struct prefix {
  struct prefix *parent;   // NULL: it begins with the first token
  const uint32_t *tokens;  // [length], of one of its requests
  size_t length;
  size_t users;                       // requests and prefixes right behind it that have not let it go
  struct network_sequence *sequence;  // NULL: not prefilled yet
  double seconds;                     // that its own steps took, behind its parent
  size_t begun;                       // round in which a request began with it last; 0: none yet
};

struct prefixes {
  struct prefix *list;  // [count], a parent before its children
  struct prefix **of;   // [requests], by their place; NULL: it shares nothing
  size_t count;
};

// A prefix has 8 tokens more than its parent at least, and fewer than each of its prompts, of which there are
// two or more. NULL: no memory.
struct prefixes *prefixes_find(const struct generation_request *requests, size_t count);
void prefixes_free(struct prefixes *prefixes);  // sequences have to be ended; NULL: nothing

// How many there are; 0 also if there is no memory.
size_t prefixes_count(const struct generation_request *requests, size_t count);

#endif
