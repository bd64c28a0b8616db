// SPDX-License-Identifier: Apache-2.0
// Measured times of an engine's layers: between rows and beyond them, how often a layer counts, experts, and
// tables that are wrong or damaged.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "serving/profile.h"
#include "tests/serving/files.h"

static char folder[] = P_tmpdir "/duplex_profile_XXXXXX";
static const char *const names[] = {"dense.csv", "per_sequence.csv", "attention.csv", "moe.csv"};

static void write_table(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  write_text(path, text);
}

static const char dense[] =
    "layer,tokens,time_us\nqkv_proj,100,20\nlayernorm,1,1\nqkv_proj,10,11\nembedding,1,5\n"
    "final_layernorm,1,3\nlayernorm,100,2\n";
static const char sequences[] = "layer,sequences,time_us\nlm_head,1,10\nlm_head,3,12\nsampler,1,4\n";
static const char attention[] =
    "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n16,0,0,0,10\n16,100,0,0,20\n"
    "32,0,0,0,14\n32,50,0,0,19\n0,0,1,100,5\n0,0,1,200,7\n0,0,4,100,11\n0,0,4,200,19\n16,100,4,100,1000\n"
    "32,64,8,128,1001\n16,128,8,256,1002\n64,64,8,512,1003\n16,512,8,1024,1004\n32,256,16,2048,1005\n";
static const char moe[] =
    "tokens,activated_experts,time_us\n1,1,10\n1,2,18\n4,1,13\n4,2,21\n4,4,40\n"
    "16,1,131\n16,2,211\n16,4,401\n64,1,1311\n64,2,2111\n64,4,4011\n256,1,13111\n256,2,21111\n256,4,40111\n";
static const char *const texts[] = {dense, sequences, attention, moe};

// Rows in any order.
static int open_tables(void **state) {
  struct profile *p;
  char error[256];
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) write_table(names[i], texts[i]);
  if (profile_open(&p, folder, true, error, sizeof error)) fail_msg("%s", error);
  *state = p;
  return 0;
}

static int close_tables(void **state) {
  char path[256];
  profile_close(*state);
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    remove(path);
  }
  return 0;
}

static void assert_us(double seconds, double expected) {
  if (!(fabs(seconds * 1e6 - expected) < 1e-9 * expected))
    fail_msg("%.12g us, expected %.12g", seconds * 1e6, expected);
}

// Embedding and last norm grow with the tokens beyond their only row; the others count once or twice a layer.
static void test_dense(void **state) {
  const struct profile *p = *state;
  assert_us(profile_dense(p, 10, 1, 0), 5 + 3 + 10 * (11 + 2 * 1));
  assert_us(profile_dense(p, 10, 10, 0), 50 + 30 + 10 * (11 + 2 * (1 + 9 / 99.0)));
  assert_us(profile_dense(p, 10, 55, 0), 5 * 55 + 3 * 55 + 10 * (15.5 + 2 * (1 + 54 / 99.0)));
  assert_us(profile_dense(p, 1, 200, 0), 5 * 200 + 3 * 200 + 40 + 2 * 4);
  assert_us(profile_dense(p, 10, 1, 2) - profile_dense(p, 10, 1, 0), 11 + 8);
  assert_true(profile_dense(p, 10, 0, 0) == 0);
}

static void test_attention(void **state) {
  const struct profile *p = *state;
  assert_us(profile_prefill(p, 0, 16), 10);
  assert_us(profile_prefill(p, 50, 16), 15);
  assert_us(profile_prefill(p, 50, 24), (15 + 19) / 2.0);
  assert_us(profile_prefill(p, 0, 8), 10);
  assert_us(profile_prefill(p, 0, 64), 28);
  assert_us(profile_prefill(p, 100, 32), 38);
  assert_us(profile_decode(p, 1, 150), 6);
  assert_us(profile_decode(p, 2, 300), 6 + 9 / 3.0);
  assert_us(profile_decode(p, 8, 1600), 38);
  assert_us(profile_decode(p, 4, 1600), 38);
  assert_true(profile_decode(p, 0, 0) == 0);
}

// Of two devices with two experts each the slower one counts: two tokens and both experts, or one.
static void test_experts(void **state) {
  const struct profile *p = *state;
  assert_us(profile_experts(p, (unsigned[]){1, 1, 2, 0}, 4, 2, 1), 18 + 1);
  assert_us(profile_experts(p, (unsigned[]){0, 0, 4, 0}, 4, 2, 1), 13);
  assert_us(profile_experts(p, (unsigned[]){2, 2, 2, 2}, 4, 1, 2), 40);
  assert_us(profile_experts(p, (unsigned[]){2, 2, 2, 2}, 4, 4, 2), 10);
}

// Tables that are wrong, each beside three that are right: file, line and what was expected.
static const struct {
  unsigned table;
  const char *text, *line, *word;
} wrong[] = {
    {0, "", ":1:", "expected the columns layer,tokens"},
    {0, "layer,tokens,time_us\n", ":1:", "expected rows of layers"},
    {0, "layer,tokens,time_us\nqkv,1,2\nqkv,4,", ":3:", "has no end"},
    {0, "layer,tokens,time_us\nqkv,1,2\nqkv,1,3\n", ":3:", "that of line 2"},
    {0, "layer,tokens,time_us\nqkv,1,2\nqkv,0x10,3\n", ":3:", "expected numbers"},
    {0, "layer,tokens,time_us\nqkv,1,nan\n", ":2:", "expected numbers"},
    {0, "layer,tokens,time_us\nqkv,1,1e13\n", ":2:", "expected numbers"},
    {0, "layer,tokens,time_us\nqkv,1\n", ":2:", "expected numbers"},
    {0, "layer,tokens,time_us\nqkv,1,2,3\n", ":2:", "expected numbers"},
    {0, "layer,tokens,time_us\n,1,2\n", ":2:", "expected numbers"},
    {1, "layer,sequences,time_us\nlm_head,1,-2\n", ":2:", "expected numbers"},
    {2, "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n1,0,0,0,3\n",
     ":2:", "expected rows of decoding"},
    {2, "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n0,0,1,0,3\n",
     ":2:", "expected rows of a prefill"},
    {3, "tokens,activated_experts,time_us\n0,1,10\n", ":2:", "expected rows of experts"},
};

static void test_wrong(void **state) {
  char path[256];
  (void)state;
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct profile *p;
    char error[512] = "";
    for (unsigned t = 0; t < sizeof names / sizeof *names; t++)
      write_table(names[t], t == wrong[i].table ? wrong[i].text : texts[t]);
    assert_int_equal(profile_open(&p, folder, true, error, sizeof error), DUPLEX_ERROR_FORMAT);
    assert_null(p);
    snprintf(path, sizeof path, "%s/%s", folder, names[wrong[i].table]);
    check_message(error, path, wrong[i].line, wrong[i].word);
  }
}

// What was read from a damaged table gives times that are numbers.
static int read_tables(uint64_t number, char *error, size_t size) {
  struct profile *p;
  (void)number;
  const int status = profile_open(&p, folder, true, error, size);
  if (status) return status;
  const double times[] = {profile_dense(p, 3, 7, 2), profile_prefill(p, 20, 24), profile_decode(p, 3, 500),
                          profile_experts(p, (unsigned[]){5, 0, 1, 900}, 4, 2, 2)};
  for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
    assert_true(isfinite(times[i]) && times[i] >= 0);
  profile_close(p);
  return 0;
}

static void test_mutations(void **state) {
  char path[256];
  for (unsigned t = 0; t < sizeof names / sizeof *names; t++) {
    profile_close(*state);
    open_tables(state);
    snprintf(path, sizeof path, "%s/%s", folder, names[t]);
    check_mutations(path, &texts[t], 1, 150, 1, read_tables);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_dense, open_tables, close_tables),
      cmocka_unit_test_setup_teardown(test_attention, open_tables, close_tables),
      cmocka_unit_test_setup_teardown(test_experts, open_tables, close_tables),
      cmocka_unit_test_setup_teardown(test_wrong, open_tables, close_tables),
      cmocka_unit_test_setup_teardown(test_mutations, open_tables, close_tables)};
  if (!mkdtemp(folder)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  rmdir(folder);
  return failed;
}
