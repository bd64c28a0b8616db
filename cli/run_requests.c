// SPDX-License-Identifier: Apache-2.0
// Requests of `duplex run`.
//
// A line of the file: {"prompt_ids": [1, 2], "max_new": 16, "arrival_s": 0.5, "seed": 7}, or "prompt" with a
// text in place of the numbers; all but the prompt may be left out.
#include "cli/run_requests.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model_error.h"
#include "duplex/text_file.h"

#define NEW_TOKENS 64u
#define NEW_TOKENS_MOST 1048576u

static struct generation_request *add(struct run_requests *requests) {
  struct generation_request *more =
      realloc(requests->request, (requests->count + 1) * sizeof *requests->request);
  if (!more) return NULL;
  requests->request = more;
  bool *text = realloc(requests->text, (requests->count + 1) * sizeof *text);
  if (!text) return NULL;
  requests->text = text;
  text[requests->count] = false;
  struct generation_request *request = &more[requests->count];
  *request = (struct generation_request){.number = requests->count};
  requests->count++;
  return request;
}

static int no_memory(void) { return fail(EXIT_ERROR, "too little memory for the requests"); }

// "1,2,3" as token numbers.
static int read_ids(const char *text, struct generation_request *request) {
  size_t most = 1;
  for (const char *at = text; *at; at++) most += *at == ',';
  request->prompt = malloc(most * sizeof *request->prompt);
  if (!request->prompt) return no_memory();
  const char *at = text;
  for (;;) {
    char *end;
    errno = 0;
    const unsigned long id = strtoul(at, &end, 10);
    if (end == at || *at < '0' || *at > '9' || errno || id > UINT32_MAX || (*end && *end != ','))
      return fail(EXIT_BAD_INPUT, "--prompt-ids %s: expected token numbers with commas between them", text);
    request->prompt[request->prompt_count++] = (uint32_t)id;
    if (!*end) return EXIT_GOOD;
    at = end + 1;
  }
}

// Opens the model's tokenizer with the first text; each of its tokens is one of the model.
static int open_tokenizer(const char *model, struct run_requests *requests) {
  struct model_error error;
  if (requests->tokenizer) return EXIT_GOOD;
  int status = model_tokenizer_open(model, &requests->tokenizer, &error);
  if (!status) status = model_tokenizer_check(requests->tokenizer, requests->vocabulary, &error);
  return status ? model_file_error(status, error.text) : EXIT_GOOD;
}

// The tokens of a text, by the model's tokenizer.
static int read_text(const char *model, const char *text, size_t length, struct run_requests *requests,
                     struct generation_request *request) {
  struct model_tokens tokens = {0};
  struct model_error error;
  int status = open_tokenizer(model, requests);
  if (status) return status;
  status = model_tokenizer_encode(requests->tokenizer, text, length, true, &tokens, &error);
  if (status == DUPLEX_ERROR_ARGUMENT) return fail(EXIT_BAD_INPUT, "the prompt: %s", error.text);
  if (status) return model_file_error(status, error.text);
  request->prompt = tokens.list;
  request->prompt_count = tokens.count;
  requests->text[request->number] = true;
  return tokens.count ? EXIT_GOOD : fail(EXIT_BAD_INPUT, "the prompt has no token: expected a text");
}

// Sampling of the options; a request of a file may have a seed of its own.
static int read_sampler(const struct option *options, struct sampler_options *sampler) {
  const char *temperature = option_value(options, "--temperature");
  const char *top_p = option_value(options, "--top-p");
  double warm = 0;
  double share = 1;
  uint64_t top_k, seed;
  if (number_option(options, "--top-k", 0, UINT32_MAX, 0, &top_k) ||
      number_option(options, "--seed", 0, UINT64_MAX, 1, &seed))
    return EXIT_BAD_INPUT;
  if (temperature &&
      (!read_real(temperature, &warm) || !(warm >= 0 && warm <= 1000) || (warm > 0 && (float)warm == 0)))
    return fail(EXIT_BAD_INPUT, "--temperature %s: expected 0, or a number up to 1000 that binary32 has",
                temperature);
  if (top_p && (!read_real(top_p, &share) || !(share > 0 && share <= 1)))
    return fail(EXIT_BAD_INPUT, "--top-p %s: expected a number above 0, at most 1", top_p);
  if (warm == 0 && (top_k || top_p))
    return fail(EXIT_BAD_INPUT, "%s without a temperature: expected --temperature T above 0 with it",
                top_p ? "--top-p" : "--top-k");
  *sampler = (struct sampler_options){(float)warm, top_k, (float)share, seed};
  return EXIT_GOOD;
}

static int read_prompt(json_t *ids, struct generation_request *request) {
  if (!json_is_array(ids) || json_array_size(ids) == 0)
    return fail(EXIT_BAD_INPUT, "'prompt_ids': expected token numbers in brackets");
  request->prompt = malloc(json_array_size(ids) * sizeof *request->prompt);
  if (!request->prompt) return no_memory();
  for (size_t i = 0; i < json_array_size(ids); i++) {
    json_t *id = json_array_get(ids, i);
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > UINT32_MAX)
      return fail(EXIT_BAD_INPUT, "'prompt_ids': element %zu is no token number", i);
    request->prompt[request->prompt_count++] = (uint32_t)json_integer_value(id);
  }
  return EXIT_GOOD;
}

static int read_count(json_t *value, const char *key, uint64_t least, uint64_t most, uint64_t *number) {
  if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)least ||
      (uint64_t)json_integer_value(value) > most)
    return fail(EXIT_BAD_INPUT, "'%s': expected a whole number from %llu to %llu", key,
                (unsigned long long)least, (unsigned long long)most);
  *number = (uint64_t)json_integer_value(value);
  return EXIT_GOOD;
}

// Reads one member of a request's object; unknown keys are refused.
static int read_member(const char *model, const char *key, json_t *value, struct run_requests *requests,
                       struct generation_request *request) {
  uint64_t number = 0;
  int status = EXIT_GOOD;
  const bool text = strcmp(key, "prompt") == 0;
  if ((text || strcmp(key, "prompt_ids") == 0) && request->prompt)
    return fail(EXIT_BAD_INPUT, "has 'prompt' and 'prompt_ids': expected one of them");
  if (text && !json_is_string(value)) return fail(EXIT_BAD_INPUT, "'prompt': expected a text");
  if (text) return read_text(model, json_string_value(value), json_string_length(value), requests, request);
  if (strcmp(key, "prompt_ids") == 0) return read_prompt(value, request);
  if (strcmp(key, "max_new") == 0) {
    status = read_count(value, key, 1, NEW_TOKENS_MOST, &number);
    request->new_tokens = number;
  } else if (strcmp(key, "seed") == 0) {
    status = read_count(value, key, 0, INT64_MAX, &number);
    request->sampler.seed = number;
  } else if (strcmp(key, "arrival_s") == 0) {
    request->arrival = json_number_value(value);
    if (!json_is_number(value) || !(request->arrival >= 0 && request->arrival <= NETWORK_SECONDS_MOST))
      status = fail(EXIT_BAD_INPUT, "'arrival_s': expected seconds from 0 to 1e6");
  } else {
    status = fail(EXIT_BAD_INPUT, "unknown key '%s': see duplex run --help", key);
  }
  return status;
}

// Adds the request of one line; `usual` has what the line does not say.
static int read_line(const char *model, const char *text, size_t size, const struct generation_request *usual,
                     struct run_requests *requests) {
  json_error_t at;
  json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
  struct generation_request *request = object ? add(requests) : NULL;
  int status = EXIT_GOOD;
  if (!object)
    status = fail(
        EXIT_BAD_INPUT, "%s",
        json_error_code(&at) == json_error_null_character ? "a character of value 0 in a text" : at.text);
  else if (!json_is_object(object))
    status = fail(EXIT_BAD_INPUT, "expected a JSON object");
  else if (!request)
    status = no_memory();
  if (!status) {
    request->new_tokens = usual->new_tokens;
    request->sampler = usual->sampler;
    for (void *member = json_object_iter(object); member && !status;
         member = json_object_iter_next(object, member))
      status =
          read_member(model, json_object_iter_key(member), json_object_iter_value(member), requests, request);
    if (!status && !request->prompt)
      status = fail(EXIT_BAD_INPUT, "'prompt_ids' or 'prompt' is missing: expected one of them");
  }
  json_decref(object);
  return status;
}

static bool is_blank(const char *text, ssize_t size) {
  while (size > 0 && strchr(" \t\r\n", text[size - 1])) size--;
  return size == 0;
}

// Adds a request for each line that is not blank; a fault is told with file and line.
static int read_file(const char *model, const char *path, const struct generation_request *usual,
                     struct run_requests *requests) {
  FILE *file = fopen(path, "r");
  if (!file) return fail(EXIT_BAD_INPUT, "--requests %s: %s", path, strerror(errno));
  char *text = NULL;
  size_t room = 0;
  ssize_t size = 0;
  int status = EXIT_GOOD;
  unsigned number = 1;
  for (; !status && (size = duplex_text_line(file, &text, &room)) > 0; number++) {
    char context[512];
    snprintf(context, sizeof context, "--requests %s: line %u: ", path, number);
    fail_context(context);
    if (!is_blank(text, size)) status = read_line(model, text, (size_t)size, usual, requests);
    fail_context("");
  }
  if (!status && size < 0)
    status = fail(EXIT_BAD_INPUT, "--requests %s: line %u: cannot be read: %s", path, number,
                  strerror((int)-size));
  free(text);
  fclose(file);
  if (!status && requests->count == 0) status = fail(EXIT_BAD_INPUT, "--requests %s: has no request", path);
  return status;
}

static int by_arrival(const void *one, const void *other) {
  const struct generation_request *a = one;
  const struct generation_request *b = other;
  if (a->arrival != b->arrival) return a->arrival < b->arrival ? -1 : 1;
  return a->number < b->number ? -1 : 1;
}

// Tokens within the vocabulary, lengths within the positions; memory for the new tokens.
static int check(const struct model_config *config, struct run_requests *requests) {
  for (size_t i = 0; i < requests->count; i++) {
    struct generation_request *request = &requests->request[i];
    const size_t length = request->prompt_count + request->new_tokens - 1;
    for (size_t t = 0; t < request->prompt_count; t++)
      if (request->prompt[t] >= config->vocabulary)
        return fail(EXIT_BAD_INPUT, "request %llu: token %u, expected 0 to %u, the model's vocabulary",
                    (unsigned long long)request->number + 1, request->prompt[t], config->vocabulary - 1);
    if (length > config->positions)
      return fail(EXIT_BAD_INPUT,
                  "request %llu: %zu tokens of prompt and %zu new ones, the model has %u positions",
                  (unsigned long long)request->number + 1, request->prompt_count, request->new_tokens,
                  config->positions);
    if (length > requests->longest) requests->longest = length;
    request->tokens = malloc(request->new_tokens * sizeof *request->tokens);
    if (!request->tokens) return no_memory();
  }
  qsort(requests->request, requests->count, sizeof *requests->request, by_arrival);
  return EXIT_GOOD;
}

int run_requests_read(const struct option *options, const struct model_config *config,
                      struct run_requests *requests) {
  const char *model = option_value(options, "--model");
  const char *ids = option_value(options, "--prompt-ids");
  const char *text = option_value(options, "--prompt");
  const char *file = option_value(options, "--requests");
  struct generation_request usual = {0};
  uint64_t new_tokens;
  if (!!ids + !!text + !!file != 1)
    return fail(EXIT_BAD_INPUT, "expected one of --prompt-ids, --prompt and --requests");
  int status = read_sampler(options, &usual.sampler);
  if (!status) status = number_option(options, "--max-new", 1, NEW_TOKENS_MOST, NEW_TOKENS, &new_tokens);
  if (status) return status;
  usual.new_tokens = new_tokens;
  requests->vocabulary = config->vocabulary;
  if (file) {
    status = read_file(model, file, &usual, requests);
  } else {
    struct generation_request *request = add(requests);
    if (!request) return no_memory();
    request->new_tokens = usual.new_tokens;
    request->sampler = usual.sampler;
    status = ids ? read_ids(ids, request) : read_text(model, text, strlen(text), requests, request);
  }
  return status ? status : check(config, requests);
}

void run_requests_free(struct run_requests *requests) {
  for (size_t i = 0; i < requests->count; i++) {
    free(requests->request[i].prompt);
    free(requests->request[i].tokens);
  }
  free(requests->request);
  free(requests->text);
  model_tokenizer_close(requests->tokenizer);
}
