// SPDX-License-Identifier: Apache-2.0
// Small models of every architecture against golden logits of transformers in binary64; the same bits
// whatever chunks, batch, stacks, channels and policy.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/network.h"
#include "tests/common/environment.h"
#include "tests/model/files.h"
#include "tests/model/toy.h"
#include "tests/numerics/f32_bits.h"

#define TOKENS_MOST 48u
#define SEQUENCES 3u
#define TOYS (sizeof toy_names / sizeof *toy_names - 1)
#define MEDIAN_LIMIT 2e-3  // of errors in units of the logits' deviation
#define LARGEST_LIMIT 1.5e-2

// As in golden.py: sequences that are longer than a small window.
static uint32_t token_of(unsigned i) { return (7 * i * i + 3 * i + 5) % 140; }
static unsigned tokens_of(const struct network *network) {
  const unsigned window = network_config(network)->sliding_window;
  return window && window < 24 ? TOKENS_MOST : 24;
}

struct case_of {
  struct model *model;
  struct network *network;
};

static const struct network_options usual = {
    .backend = "cmodel",
    .device = {.stacks = 1, .stack = {.backend = {.channels = 2}}, .threads = 2, .always_decide = 1},
    .decode_positions = 4 * TOKENS_MOST,
    .prefill_positions = 4 * TOKENS_MOST,
    .sequences = 4};

static struct model *open_toy(const char *name, enum toy_type type) {
  struct folder folder;
  struct model *model;
  struct model_error error;
  folder_make(&folder);
  assert_int_equal(toy_write(folder.path, name, type, 1), 0);
  if (model_open(folder.path, &model, &error)) fail_msg("%s: %s", name, error.text);
  folder_remove(&folder);
  return model;
}

static struct case_of open_case(const char *name, enum toy_type type, const struct network_options *options) {
  struct case_of made = {.model = open_toy(name, type)};
  struct model_error error;
  if (network_open(made.model, options, &made.network, &error)) fail_msg("%s: %s", name, error.text);
  return made;
}

static void close_case(struct case_of *of) {
  network_close(of->network);
  model_close(of->model);
}

static void step(struct network *network, const struct network_piece *pieces, size_t count) {
  struct model_error error;
  if (network_step(network, pieces, count, &error)) fail_msg("%s", error.text);
}

static struct network_sequence *begin(struct network *network) {
  struct network_sequence *sequence;
  struct model_error error;
  if (network_begin(network, 0, tokens_of(network), &sequence, &error)) fail_msg("%s", error.text);
  return sequence;
}

// Logits behind each token: `prompt` tokens one by one as chunks of a prompt, the others as decoded ones.
static void one_by_one(struct network *network, unsigned prompt, uint32_t *logits) {
  const size_t vocabulary = network_config(network)->vocabulary;
  struct network_sequence *sequence = begin(network);
  for (unsigned i = 0; i < tokens_of(network); i++) {
    const uint32_t token = token_of(i);
    const struct network_piece piece = {.sequence = sequence,
                                        .tokens = &token,
                                        .count = 1,
                                        .prompt_ends = i + 1 == prompt,
                                        .logits = logits + i * vocabulary};
    step(network, &piece, 1);
  }
  network_end(sequence);
}

static int ascending(const void *one, const void *other) {
  const double a = *(const double *)one;
  const double b = *(const double *)other;
  return (a > b) - (a < b);
}

static double deviation_of(const float *values, size_t count) {
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < count; i++) sum += values[i];
  for (size_t i = 0; i < count; i++) squares += (values[i] - sum / count) * (values[i] - sum / count);
  return sqrt(squares / count);
}

// The last `count` values of a .npy file of <f4.
static float *read_golden(const char *name, const char *what, size_t count) {
  char path[256];
  snprintf(path, sizeof path, "tests/model/golden/%s%s.npy", name, what);
  FILE *file = fopen(path, "rb");
  float *values = malloc(count * sizeof *values);
  if (!file || fseek(file, -(long)(count * sizeof *values), SEEK_END) ||
      fread(values, sizeof *values, count, file) != count)
    fail_msg("%s: expected %zu values", path, count);
  fclose(file);
  return values;
}

// Tokens before the first one whose router is nearer to another choice than the median limit: from there on
// the experts may be others.
static unsigned decided_tokens(const char *name, unsigned tokens) {
  float *gaps = read_golden(name, "_gaps", tokens);
  unsigned decided = 0;
  while (decided < tokens && gaps[decided] > MEDIAN_LIMIT) decided++;
  free(gaps);
  return decided;
}

static void check_golden(const char *name) {
  struct case_of of = open_case(name, TOY_F16, &usual);
  const size_t vocabulary = model_config_of(of.model)->vocabulary;
  const unsigned tokens = tokens_of(of.network);
  const size_t count = decided_tokens(name, tokens) * vocabulary;
  float *golden = read_golden(name, "", tokens * vocabulary);
  uint32_t *logits = malloc(tokens * vocabulary * sizeof *logits);
  double *errors = malloc(tokens * vocabulary * sizeof *errors);
  one_by_one(of.network, tokens / 2, logits);
  const double deviation = deviation_of(golden, tokens * vocabulary);
  for (size_t i = 0; i < count; i++)
    errors[i] = fabs((double)float_of(logits[i]) - (double)golden[i]) / deviation;
  qsort(errors, count, sizeof *errors, ascending);
  printf("%-16s %zu tokens, error of logits / deviation: median %.2e, largest %.2e\n", name,
         count / vocabulary, errors[count / 2], errors[count - 1]);
  if (!(errors[count / 2] <= MEDIAN_LIMIT && errors[count - 1] <= LARGEST_LIMIT))
    fail_msg("%s: expected %.1e and %.1e at most", name, MEDIAN_LIMIT, LARGEST_LIMIT);
  free(errors);
  free(logits);
  free(golden);
  close_case(&of);
}

static void test_golden(void **state) {
  (void)state;
  // Two of those with a window in longer runs only.
  const bool all = environment_count("DUPLEX_CASES") > 1;
  for (unsigned i = 0; toy_names[i]; i++)
    if (all || (strcmp(toy_names[i], "mistral_window") != 0 && strcmp(toy_names[i], "qwen3_moe_window") != 0))
      check_golden(toy_names[i]);
}

// Several sequences at once, each with its tokens from `first` on: chunks of that size, then decoded ones.
static void in_batch(struct network *network, size_t chunk, uint32_t *logits) {
  const size_t vocabulary = network_config(network)->vocabulary;
  struct network_sequence *sequence[SEQUENCES];
  const unsigned all = tokens_of(network);
  uint32_t tokens[TOKENS_MOST];
  for (unsigned i = 0; i < all; i++) tokens[i] = token_of(i);
  for (unsigned s = 0; s < SEQUENCES; s++) sequence[s] = begin(network);
  for (;;) {
    struct network_piece pieces[SEQUENCES];
    size_t count = 0;
    for (unsigned s = 0; s < SEQUENCES; s++) {
      const size_t length = network_length(sequence[s]);
      const size_t prompt = all / 2 + s;
      const size_t left = prompt > length ? prompt - length : 1;
      const size_t size = prompt > length && chunk < left ? chunk : left;
      if (length == all) continue;
      pieces[count++] = (struct network_piece){.sequence = sequence[s],
                                               .tokens = tokens + length,
                                               .count = size,
                                               .prompt_ends = length + size == prompt,
                                               .logits = logits + (s * all + length + size - 1) * vocabulary};
    }
    if (!count) break;
    step(network, pieces, count);
  }
  for (unsigned s = 0; s < SEQUENCES; s++) network_end(sequence[s]);
}

static void check_same(const char *name, const struct network_options *options, size_t chunk,
                       const uint32_t *expected) {
  struct case_of of = open_case(name, TOY_BF16, options);
  const size_t vocabulary = model_config_of(of.model)->vocabulary;
  const size_t tokens = tokens_of(of.network);
  const size_t count = SEQUENCES * tokens * vocabulary;
  uint32_t *logits = malloc(count * sizeof *logits);
  // Behind the tokens within a chunk there are no logits.
  for (unsigned s = 0; s < SEQUENCES; s++)
    memcpy(logits + s * tokens * vocabulary, expected, tokens * vocabulary * sizeof *logits);
  in_batch(of.network, chunk, logits);
  for (size_t i = 0; i < count; i++)
    if (logits[i] != expected[i % (tokens * vocabulary)])
      fail_msg("%s: sequence %zu, token %zu, logit %zu differ", name, i / (tokens * vocabulary),
               i / vocabulary % tokens, i % vocabulary);
  free(logits);
  close_case(&of);
}

static void test_same_bits(void **state) {
  (void)state;
  struct network_options other[4] = {usual, usual, usual, usual};
  other[0].device.policy = DUPLEX_POLICY_PAPER;
  other[0].device.stacks = 2;
  other[1].device.policy = DUPLEX_POLICY_XPU;
  other[1].device.stacks = 3;
  other[1].device.stack.backend.channels = 1;
  other[2].device.policy = DUPLEX_POLICY_LOGIC_PIM;
  other[2].device.threads = 1;
  other[3].untimed = true;
  // Every third model, all of them in longer runs.
  const unsigned stride = environment_count("DUPLEX_CASES") > 1 ? 1 : 3;
  for (unsigned i = stride - 1; i < TOYS; i += stride) {
    struct case_of of = open_case(toy_names[i], TOY_BF16, &usual);
    const unsigned tokens = tokens_of(of.network);
    uint32_t *logits = malloc(tokens * (size_t)model_config_of(of.model)->vocabulary * sizeof *logits);
    one_by_one(of.network, tokens - i % 3, logits);
    close_case(&of);
    for (unsigned k = 0; k < 4; k++) check_same(toy_names[i], &other[k], 1 + 3 * k, logits);
    free(logits);
  }
}

// Dense FFNs as experts: the same bits, while rounded parts would change some outputs.
static void check_split(const char *name, unsigned parts) {
  struct network_options whole = usual;
  whole.untimed = true;
  struct network_options split = whole;
  split.split_ffn = parts;
  struct case_of of = open_case(name, TOY_BF16, &whole);
  const unsigned tokens = tokens_of(of.network);
  uint32_t *logits = malloc(tokens * (size_t)model_config_of(of.model)->vocabulary * sizeof *logits);
  one_by_one(of.network, tokens / 2, logits);
  close_case(&of);
  check_same(name, &split, 5, logits);
  free(logits);
  of = open_case(name, TOY_BF16, &split);
  const uint32_t token = 1;
  struct network_sequence *sequence = begin(of.network);
  step(of.network, &(struct network_piece){.sequence = sequence, .tokens = &token, .count = 1}, 1);
  const struct network_statistics *statistics = network_last_statistics(of.network);
  printf("%-14s %u parts: rounded sums would change %llu of %llu outputs\n", name, parts,
         (unsigned long long)statistics->split_changed_f32, (unsigned long long)statistics->split_outputs);
  assert_int_equal(statistics->split_outputs,
                   (uint64_t)model_config_of(of.model)->layers * model_config_of(of.model)->hidden);
  assert_int_equal(statistics->split_changed_f32 > 0, parts > 1);
  network_end(sequence);
  close_case(&of);
}

static void test_split_ffn(void **state) {
  (void)state;
  check_split("llama", 1);
  check_split("llama", 2);
  check_split("qwen3", 5);
  check_split("mistral", 112);
}

static void test_too_many_parts(void **state) {
  (void)state;
  struct model *model = open_toy("llama", TOY_F16);
  struct network_options options = usual;
  struct network *network;
  struct model_error error;
  options.split_ffn = 113;
  assert_int_equal(network_open(model, &options, &network, &error), DUPLEX_ERROR_ARGUMENT);
  assert_null(network);
  assert_non_null(strstr(error.text, "112 inner columns"));
  model_close(model);
}

// On the host alone too, whose tables of angles are for heads of a device.
static void test_wide_heads(void **state) {
  (void)state;
  struct model *model = open_toy("llama_wide", TOY_F16);
  struct network_options options = usual;
  struct network *network;
  struct model_error error;
  for (int untimed = 0; untimed < 2; untimed++) {
    options.untimed = untimed;
    assert_int_equal(network_open(model, &options, &network, &error), DUPLEX_ERROR_ARGUMENT);
    assert_null(network);
    assert_non_null(strstr(error.text, "heads of 258 values, a device takes 256"));
  }
  model_close(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_golden),     cmocka_unit_test(test_same_bits),
      cmocka_unit_test(test_split_ffn),  cmocka_unit_test(test_too_many_parts),
      cmocka_unit_test(test_wide_heads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
