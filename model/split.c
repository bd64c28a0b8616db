// SPDX-License-Identifier: Apache-2.0
// Cutting a text into pieces by patterns of PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/split.h"

#include <pcre2.h>
#include <stdlib.h>

#include "model/bytes.h"
#include "model/utf8.h"

enum { PATTERN_MOST = 16384, STEPS_MOST = 5000000, DEPTH_MOST = 100000 };

struct model_split {
  pcre2_code *code;
  pcre2_match_context *limits;
  const char *path;
};

// Compiles a pattern with limits of time and depth, so that no text hangs.
static int compile(struct model_text pattern, struct model_split *split, struct model_error *error) {
  int number;
  PCRE2_SIZE offset;
  split->code = pcre2_compile((PCRE2_SPTR)pattern.bytes, pattern.length,
                              PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &number, &offset, NULL);
  if (!split->code) {
    char text[128] = "";
    pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof text);
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: a pattern is wrong at its byte %zu: %s", split->path,
                      (size_t)offset, text);
  }
  pcre2_jit_compile(split->code, PCRE2_JIT_COMPLETE);  // without it matching is slower
  split->limits = pcre2_match_context_create(NULL);
  if (!split->limits) return model_no_memory(error);
  pcre2_set_match_limit(split->limits, STEPS_MOST);
  pcre2_set_depth_limit(split->limits, DEPTH_MOST);
  return DUPLEX_OK;
}

int model_split_open(struct model_text pattern, const char *path, struct model_split **opened,
                     struct model_error *error) {
  *opened = NULL;
  if (pattern.length > PATTERN_MOST)
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: a pattern has %zu bytes, expected at most %d", path,
                      pattern.length, PATTERN_MOST);
  struct model_split *split = calloc(1, sizeof *split);
  if (!split) return model_no_memory(error);
  split->path = path;
  const int status = compile(pattern, split, error);
  if (status) {
    model_split_close(split);
  } else {
    *opened = split;
  }
  return status;
}

void model_split_close(struct model_split *split) {
  if (!split) return;
  pcre2_match_context_free(split->limits);
  pcre2_code_free(split->code);
  free(split);
}

// The next match that is not empty, from `from` on; *found is false if there is none.
static int next_match(const struct model_split *split, struct model_text text, size_t from,
                      pcre2_match_data *data, bool *found, struct model_error *error) {
  const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
  *found = false;
  while (from < text.length) {
    const int status = pcre2_match(split->code, (PCRE2_SPTR)text.bytes, text.length, from, PCRE2_NO_UTF_CHECK,
                                   data, split->limits);
    if (status == PCRE2_ERROR_NOMATCH) return DUPLEX_OK;
    if (status == PCRE2_ERROR_NOMEMORY) return model_no_memory(error);
    if (status < 0)
      return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: a pattern gives up on this text (PCRE2: %d)",
                        split->path, status);
    *found = ends[1] > ends[0] && ends[0] >= from;
    if (*found) return DUPLEX_OK;
    from += model_utf8_length(text.bytes + from, text.length - from);
  }
  return DUPLEX_OK;
}

// Visits the matches of a text and what lies between them, in order, until a visit fails.
static int split_text(const struct model_split *split, struct model_text text, pcre2_match_data *data,
                      int (*visit)(void *, struct model_text), void *context, struct model_error *error) {
  const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
  size_t done = 0;
  int status = DUPLEX_OK;
  while (done < text.length && !status) {
    bool found;
    status = next_match(split, text, done, data, &found, error);
    const size_t begin = found ? ends[0] : text.length;
    const size_t end = found ? ends[1] : text.length;
    if (!status && begin > done)
      status = visit(context, (struct model_text){text.bytes + done, begin - done});
    if (!status && end > begin) status = visit(context, (struct model_text){text.bytes + begin, end - begin});
    done = end;
  }
  return status;
}

int model_split_text(const struct model_split *split, struct model_text text,
                     int (*visit)(void *context, struct model_text piece), void *context,
                     struct model_error *error) {
  pcre2_match_data *data = pcre2_match_data_create_from_pattern(split->code, NULL);
  if (!data) return model_no_memory(error);
  const int status = split_text(split, text, data, visit, context, error);
  pcre2_match_data_free(data);
  return status;
}

int model_split_quote(struct model_text text, struct model_bytes *pattern, struct model_error *error) {
  for (size_t i = 0; i < text.length; i++) {
    const uint8_t byte = (uint8_t)text.bytes[i];
    const bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
    const bool plain = byte >= 0x80 || letter || (byte >= '0' && byte <= '9');
    if ((!plain && !model_bytes_add(pattern, "\\", 1)) || !model_bytes_add(pattern, &text.bytes[i], 1))
      return model_no_memory(error);
  }
  return DUPLEX_OK;
}
