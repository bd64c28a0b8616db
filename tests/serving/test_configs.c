// SPDX-License-Identifier: Apache-2.0
// Configuration files that are wrong: each is refused with its line, the key, and what was expected.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "serving/serving.h"
#include "tests/common/environment.h"
#include "tests/serving/mutate.h"

struct wrong {
  const char *text, *line, *word;  // of the message
};

static char path[] = P_tmpdir "/duplex_config_XXXXXX";

static void write_file(const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static void refuse(const char *system, const char *model, const char *constants, const struct wrong *wrong) {
  const struct serving_options options = {.system = system,
                                          .model = model,
                                          .constants = constants,
                                          .batch = 4,
                                          .mode = SERVING_PAPER,
                                          .input = 16,
                                          .output = 16,
                                          .measured = 2};
  struct serving_result result;
  char error[1024] = "", where[64];
  write_file(wrong->text);
  snprintf(where, sizeof where, "%s%s", path, wrong->line);
  if (serving_run(&options, &result, error, sizeof error) == 0) fail_msg("taken: %s", wrong->text);
  if (!strstr(error, where) || !strstr(error, wrong->word) || strchr(error, '\n'))
    fail_msg("%s: '%s', expected '%s' and '%s'", wrong->text, error, where, wrong->word);
}

#define LAYERS "{\n\"layers\": 2, \"hidden\": 64, \"inner\": 64, \"heads\": 4, \"kv_heads\": 4,\n"
static const struct wrong models[] = {
    {"", ":1:", "expected JSON"},
    {"[1]", ":1:", "object"},
    {"{\n\"layers\": 2,\n\"layers\": 3}", ":3:", "uplicate"},
    {LAYERS "\"head_size\": 16,\n\"vocabulary\": 100,\n\"colour\": 3}", ":5:", "colour is unknown"},
    {LAYERS "\"head_size\": 16}", ":1:", "vocabulary is missing"},
    {LAYERS "\"head_size\": -1, \"vocabulary\": 100}", ":3:", "whole number from 1"},
    {LAYERS "\"head_size\": 1.5, \"vocabulary\": 100}", ":3:", "whole number"},
    {LAYERS "\"head_size\": NaN, \"vocabulary\": 100}", ":3:", "expected JSON"},
    {LAYERS "\"head_size\": 1e99, \"vocabulary\": 100}", ":3:", "head_size"},
    {LAYERS "\"head_size\": \"16\", \"vocabulary\": 100}", ":3:", "head_size"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"weight_bits\": 5}", ":4:", "4, 8 or 16"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 2, \"top_k\": 3}",
     ":4:", "at most experts"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 8,\n\"moe_every\": 3}", ":5:", "divisor"},
    {"{\"num_hidden_layers\": 2,\n\"hidden_size\": 64}", ":1:", "is missing"},
    {"{\"num_hidden_layers\": 2,\n\"hidden_size\": -64}", ":2:", "hidden_size"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100}}", ":3:", "expected JSON"},
};

static const struct wrong systems[] = {
    {"{}", ":1:", "beside is missing"},
    {"{\"beside\":\n\"gpu\"}", ":1:", "one of none, logic_pim"},
    {"{\"beside\": \"none\",\n\"co_processing\": true}", ":1:", "expected a processor beside"},
    {"{\"beside\": \"none\",\n\"xpu\": {\"mac_pj\": 1,\n\"peak\": 2}}", ":3:", "xpu.peak is unknown"},
    {"{\"beside\": \"none\",\n\"xpu\": {\n\"mac_pj\": -1}}", ":3:", "xpu.mac_pj"},
    {"{\"beside\": \"none\",\n\"xpu\": 3}", ":2:", "expected {"},
    {"{\"beside\": \"none\",\n\"times_devices\": 0}", ":2:", "from 1"},
    {"{\"beside\": \"none\",\n\"comment\": 1, \"co_processing\": 1}", ":2:", "true or false"},
    {"{\"beside\": \"logic_pim\", \"devices\": 3}", "", "divisor or a multiple"},
    {"{\"beside\": \"logic_pim\", \"layout\": \"hetero\", \"devices\": 3}", "", "even"},
    {"{\"beside\": \"logic_pim\", \"expert_tensor\": true, \"nodes\": 3}", "", "divisor"},
    {"{\"beside\": \"none\", \"nodes\": 1024, \"devices\": 2}", "", "at most 1024"},
    {"{\"beside\": \"none\", \"devices\": 1, \"memory\": {\"gib\": 8}}", "", "GB are left"},
};

static const struct wrong constants[] = {
    {"{\"memory\": {\"gib\": 80}}", ":1:", "links is missing"},
    {"{\"memory\": {\"gib\": 0}, \"links\": 3}", ":1:", "links"},
};

static void test_wrong_files(void **state) {
  (void)state;
  for (unsigned i = 0; i < sizeof models / sizeof *models; i++) refuse("gpu", path, NULL, &models[i]);
  for (unsigned i = 0; i < sizeof systems / sizeof *systems; i++) refuse(path, "mixtral", NULL, &systems[i]);
  for (unsigned i = 0; i < sizeof constants / sizeof *constants; i++)
    refuse("gpu", "mixtral", path, &constants[i]);
}

// Damaged files are taken, or refused with one line that names the file.
static void test_mutations(void **state) {
  static const char model[] = LAYERS
      "\"head_size\": 16, \"vocabulary\": 100, \"experts\": 8, \"top_k\": 2, \"moe_every\": 1, \"comment\": "
      "\"x\"}";
  static const char system[] =
      "{\"beside\": \"logic_pim\", \"co_processing\": true, \"nodes\": 1, \"devices\": 4,\n"
      "\"xpu\": {\"mac_pj\": 0.5}, \"memory\": {\"gib\": 80}, \"layout\": \"together\"}";
  struct duplex_random random;
  const uint64_t cases = 500 * environment_count("DUPLEX_CASES");
  unsigned taken = 0;
  (void)state;
  duplex_random_seed(&random, environment_seed(), 0);
  for (uint64_t i = 0; i < cases; i++) {
    const bool of_model = i % 2;
    const struct serving_options options = {.system = of_model ? "gpu" : path,
                                            .model = of_model ? path : "mixtral",
                                            .mode = SERVING_PAPER,
                                            .batch = 2,
                                            .input = 4,
                                            .output = 4,
                                            .measured = 1};
    struct serving_result result;
    char error[1024] = "";
    write_mutated(path, of_model ? model : system, &random);
    if (serving_run(&options, &result, error, sizeof error) == 0) {
      taken++;
      assert_true(result.tokens > 0 && result.sum.seconds > 0);
    } else if (!strstr(error, path) || strchr(error, '\n')) {
      fail_msg("case %llu: '%s'", (unsigned long long)i, error);
    }
  }
  assert_true(taken > cases / 50 && taken < cases / 2);
}

// A Hugging Face file of Mixtral is the built-in model, and a missing file names those there are.
static void test_hugging_face(void **state) {
  struct serving_options options = {.system = "duplex-pe-et",
                                    .model = "mixtral",
                                    .mode = SERVING_PAPER,
                                    .batch = 4,
                                    .input = 16,
                                    .output = 16,
                                    .measured = 20};
  struct serving_result built_in, read;
  char error[1024] = "";
  (void)state;
  write_file(
      "{\"architectures\": [\"MixtralForCausalLM\"], \"hidden_size\": 4096, \"intermediate_size\": 14336,"
      "\"num_attention_heads\": 32, \"num_hidden_layers\": 32, \"num_key_value_heads\": 8, \"head_dim\": "
      "null,"
      "\"num_local_experts\": 8, \"num_experts_per_tok\": 2, \"vocab_size\": 32000}");
  assert_int_equal(serving_run(&options, &built_in, error, sizeof error), 0);
  options.model = path;
  assert_int_equal(serving_run(&options, &read, error, sizeof error), 0);
  assert_memory_equal(&built_in, &read, sizeof read);
  options.model = "/nowhere/model.json";
  assert_int_equal(serving_run(&options, &read, error, sizeof error), DUPLEX_ERROR_IO);
  assert_non_null(strstr(error, "mixtral"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_mutations),
                                     cmocka_unit_test(test_hugging_face)};
  const int file = mkstemp(path);
  if (file < 0) return 1;
  close(file);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  remove(path);
  return failed;
}
