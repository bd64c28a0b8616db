// SPDX-License-Identifier: Apache-2.0
// Hardware of the user's in mode full: each rate has an effect or is refused, layers of any size cost their
// time, and no policy is slower than the xPU alone.
#include <dirent.h>
#include <fcntl.h>
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
#include "serving/builtin_configs.h"
#include "serving/serving.h"
#include "tests/serving/files.h"

static const char many_experts[] =
    "{\"layers\": 2, \"hidden\": 256, \"inner\": 128, \"heads\": 8, \"kv_heads\": 8, \"head_size\": 128,\n"
    "\"vocabulary\": 1000, \"experts\": 256, \"top_k\": 8, \"devices\": 1}";

struct files {
  char system[64], model[64], constants[64], error[1024];
  char tables[64];  // a folder
};

static int setup(void **state) {
  struct files *files = calloc(1, sizeof *files);
  if (!files) return -1;
  strcpy(files->system, P_tmpdir "/duplex_system_XXXXXX");
  strcpy(files->model, P_tmpdir "/duplex_model_XXXXXX");
  strcpy(files->constants, P_tmpdir "/duplex_constants_XXXXXX");
  if (!make_file(files->system) || !make_file(files->model) || !make_file(files->constants)) return -1;
  strcpy(files->tables, P_tmpdir "/duplex_tables_XXXXXX");
  if (!mkdtemp(files->tables)) return -1;
  *state = files;
  return 0;
}

static int teardown(void **state) {
  struct files *files = *state;
  remove(files->system);
  remove(files->model);
  remove(files->constants);
  for (DIR *folder = opendir(files->tables); folder;) {
    const struct dirent *entry = readdir(folder);
    if (entry && entry->d_name[0] != '.') unlinkat(dirfd(folder), entry->d_name, 0);
    if (entry) continue;
    closedir(folder);
    folder = NULL;
  }
  rmdir(files->tables);
  free(files);
  return 0;
}

// With firmware that takes no time: one table is measured for each, not two.
static struct serving_options options_of(const char *system, const char *model) {
  return (struct serving_options){.system = system,
                                  .model = model,
                                  .batch = 32,
                                  .input = 256,
                                  .output = 256,
                                  .warm_up = 10,
                                  .measured = 100,
                                  .native = true,
                                  .seed = 1};
}

static double throughput(const struct serving_options *options) {
  struct serving_result result;
  char error[1024] = "";
  if (serving_run(options, &result, error, sizeof error)) fail_msg("%s", error);
  return result.throughput;
}

// Runs a system of the file and returns its throughput, which is 0 if it is refused as it should be.
static double of_system(struct files *files, const char *text, const char *refused) {
  struct serving_result result;
  const struct serving_options options = options_of(files->system, "mixtral");
  write_text(files->system, text);
  const int status = serving_run(&options, &result, files->error, sizeof files->error);
  if (!refused) {
    if (status) fail_msg("%s", files->error);
    return result.throughput;
  }
  char begin[256];
  snprintf(begin, sizeof begin, "%s:%s", files->system, refused);
  assert_int_equal(status, DUPLEX_ERROR_FORMAT);
  if (strncmp(files->error, begin, strlen(begin)) != 0)
    fail_msg("'%s', expected '%s...'", files->error, begin);
  return 0;
}

// What clocks of the cycle model stand for is refused if it is not theirs.
static void test_covered(void **state) {
  struct files *f = *state;
  const struct serving_options options = options_of("duplex", "mixtral");
  const double builtin = throughput(&options);
  of_system(f, "{\"beside\": \"logic_pim\",\n\"logic_pim\": {\n\"peak_tflops\": 10.7}}",
            "3: logic_pim.peak_tflops is 10.7, expected 107.264");
  of_system(f, "{\"beside\": \"logic_pim\",\n\"logic_pim\": {\"bandwidth_gb_s\": 1340}}",
            "2: logic_pim.bandwidth_gb_s is 1340, expected 13408");
  of_system(f, "{\"beside\": \"logic_pim\",\n\"xpu\": {\"bandwidth_gb_s\": 33520}}",
            "2: xpu.bandwidth_gb_s is 33520, expected 3352");
  of_system(f, "{\"beside\": \"none\",\n\"logic_pim\": {}}", "2: logic_pim is no part of the system");
  of_system(f, "{\"beside\": \"logic_pim\",\n\"bank_pim\": {}}", "2: bank_pim is no part of the system");
  const double same = of_system(
      f, "{\"beside\": \"logic_pim\", \"logic_pim\": {\"peak_tflops\": 107.264, \"mac_pj\": 0.5}}", NULL);
  assert_true(same == builtin);
}

// All other rates of processors have an effect.
static void test_rates(void **state) {
  static const char *const slow[][2] = {
      {"gpu", "{\"beside\": \"none\", \"xpu\": {\"bandwidth_gb_s\": 1000}}"},
      {"gpu", "{\"beside\": \"none\", \"xpu\": {\"peak_tflops\": 100}}"},
      {"hetero", "{\"beside\": \"logic_pim\", \"layout\": \"hetero\", \"xpu\": {\"bandwidth_gb_s\": 1000}}"},
      {"bank-pim",
       "{\"beside\": \"bank_pim\", \"expert_tensor\": true, \"bank_pim\": {\"bandwidth_gb_s\": 9999}}"},
      {"bankgroup-pim",
       "{\"beside\": \"bankgroup_pim\", \"co_processing\": true, \"expert_tensor\": true,"
       "\"bankgroup_pim\": {\"peak_tflops\": 20}}"}};
  for (unsigned i = 0; i < sizeof slow / sizeof *slow; i++) {
    const struct serving_options options = options_of(slow[i][0], "mixtral");
    assert_true(of_system(*state, slow[i][1], NULL) < 0.99 * throughput(&options));
  }
}

// A text without one of its keys, from its name up to what follows its value.
static void without(const char *key, char *text) {
  char *at = strstr(text, key);
  assert_non_null(at);
  char *end = at + strcspn(at, ",\n}");
  while (*end == ',' || *end == ' ' || *end == '\n') end++;
  if (*end == '}')  // the last one: the comma before it goes, too
    while (at[-1] == ' ' || at[-1] == ',' || at[-1] == '\n') at--;
  memmove(at, end, strlen(end) + 1);
}

// Constants that a mode uses are there.
static void test_constants(void **state) {
  static const struct {
    const char *key;
    enum serving_mode mode;
  } required[] = {{"\"xpu_attention_share\"", SERVING_FULL},
                  {"\"launch_us\"", SERVING_FULL},
                  {"\"context_share\"", SERVING_AUTHORS}};
  struct files *f = *state;
  const struct builtin_config *builtin = builtin_configs;
  while (strcmp(builtin->path, "constants") != 0) builtin++;
  for (unsigned i = 0; i < sizeof required / sizeof *required; i++) {
    struct serving_options options = options_of("gpu", "mixtral");
    struct serving_result result;
    char *text = strdup(builtin->text);
    assert_non_null(text);
    without(required[i].key, text);
    write_text(f->constants, text);
    free(text);
    options.mode = required[i].mode;
    options.constants = f->constants;
    assert_int_equal(serving_run(&options, &result, f->error, sizeof f->error), DUPLEX_ERROR_FORMAT);
    assert_non_null(strstr(f->error, "is missing"));
    options.mode = SERVING_PAPER;
    throughput(&options);
  }
}

// Seconds of the experts for a prompt of so many tokens.
static double experts_of(const char *system, enum serving_policy policy, unsigned tokens) {
  struct serving_options options = options_of(system, "mixtral");
  struct serving_result result;
  char error[1024] = "";
  options.batch = options.output = options.warm_up = options.measured = 1;
  options.input = tokens;
  options.policy = policy;
  if (serving_run(&options, &result, error, sizeof error)) fail_msg("%s", error);
  return result.sum.part[SERVING_MOE];
}

// Twice the tokens take twice the time, with more of an expert than 16 bits count, too.
static void check_tokens(const char *system, enum serving_policy policy) {
  double once = experts_of(system, policy, 1 << 17);
  for (unsigned tokens = 1 << 18; tokens <= 1 << 20; tokens *= 2) {
    const double twice = experts_of(system, policy, tokens);
    if (!(twice > 1.98 * once && twice < 2.02 * once))
      fail_msg("%s, policy %u, %u tokens: %g and %g s", system, policy, tokens, once, twice);
    once = twice;
  }
}

static void test_many_tokens(void **state) {
  static const char *const systems[] = {"gpu", "duplex", "duplex-pe", "duplex-pe-et"};
  (void)state;
  for (unsigned s = 0; s < sizeof systems / sizeof *systems; s++)
    for (unsigned policy = SERVING_POLICY_DEFAULT; policy <= SERVING_POLICY_XPU; policy++)
      if (s > 0 || policy != SERVING_POLICY_PIM)  // which a gpu has not
        check_tokens(systems[s], (enum serving_policy)policy);
}

// The default is not slower than the xPU alone, nor than either number of copies, where experts are many and
// small, and the xPU's peak is part of the measured tables.
static void test_small_experts(void **state) {
  struct files *f = *state;
  struct serving_options options = options_of("duplex-pe-et", f->model);
  write_text(f->model, many_experts);
  options.measured = 20;
  options.tables = f->tables;
  const double chosen = throughput(&options);
  for (options.copies = 1; options.copies <= 2; options.copies++)
    assert_true(chosen >= 0.999 * throughput(&options));
  options.copies = 1;
  options.policy = SERVING_POLICY_XPU;
  assert_true(chosen >= 0.999 * throughput(&options));
  write_text(f->system,
             "{\"beside\": \"logic_pim\", \"co_processing\": true, \"expert_tensor\": true,"
             "\"xpu\": {\"peak_tflops\": 2}}");
  options.system = f->system;
  assert_true(throughput(&options) < 0.9 * chosen);
}

// What the schedule does not divide better with two copies of each expert lies there once, whatever is asked
// for.
static void test_no_use_of_copies(void **state) {
  struct files *f = *state;
  struct serving_options options = options_of("duplex-pe-et", f->model);
  struct serving_result r;
  write_text(
      f->model,
      "{\"layers\": 2, \"hidden\": 128, \"inner\": 19, \"heads\": 8, \"kv_heads\": 8, \"head_size\": 64,"
      "\"vocabulary\": 1000, \"experts\": 16, \"top_k\": 2, \"matrices\": 2, \"devices\": 1}");
  options.copies = 2;
  if (serving_run(&options, &r, f->error, sizeof f->error)) fail_msg("%s", f->error);
  assert_int_equal(r.copies, 1);
  assert_true(r.expert_bytes == 2 * 16 * 2.0 * 128 * 19 * 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_covered),       cmocka_unit_test(test_rates),
      cmocka_unit_test(test_constants),     cmocka_unit_test(test_many_tokens),
      cmocka_unit_test(test_small_experts), cmocka_unit_test(test_no_use_of_copies)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
