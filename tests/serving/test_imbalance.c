// SPDX-License-Identifier: Apache-2.0
// Popular experts: shares and deviations against their definitions, recorded routing, wrong files.
#include <math.h>
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
#include "serving/imbalance.h"
#include "serving/imbalance_file.h"
#include "serving/serving.h"
#include "tests/serving/files.h"

#define MOST 64u
#define DRAWS 4000u

static char path[] = P_tmpdir "/duplex_routing_XXXXXX";

static struct imbalance *open_imbalance(const char *what, unsigned layers, unsigned experts, unsigned top_k) {
  const struct imbalance_model model = {layers, experts, top_k, 5};
  struct imbalance *b;
  char error[600] = "";
  if (imbalance_open(&b, what, &model, error, sizeof error)) fail_msg("%s", error);
  return b;
}

static void test_power(void **state) {
  static const double xs[] = {1, 1.5, 2, 7, 100, 4096};
  static const double as[] = {-10, -1.5, -1, -0.1, 0, 0.3, 0.5, 1, 2.25, 9.99};
  (void)state;
  for (unsigned i = 0; i < sizeof xs / sizeof *xs; i++)
    for (unsigned k = 0; k < sizeof as / sizeof *as; k++) {
      const double expected = pow(xs[i], as[k]);
      assert_true(fabs(imbalance_power(xs[i], as[k]) - expected) <= 1e-9 * expected);
    }
}

// Share of the tokens of each expert, and deviation of its count, over many draws of a layer.
struct observed {
  double share[MOST], variance[MOST];
};

static void observe(const struct imbalance *b, unsigned layer, unsigned tokens, unsigned experts,
                    unsigned top_k, struct observed *o) {
  struct duplex_random random;
  unsigned counts[MOST];
  double squares[MOST] = {0};
  *o = (struct observed){0};
  duplex_random_seed(&random, tokens, layer);
  for (unsigned i = 0; i < DRAWS; i++) {
    unsigned sum = 0;
    imbalance_draw(b, &random, layer, tokens, counts);
    for (unsigned e = 0; e < experts; e++) {
      assert_true(counts[e] <= tokens);
      sum += counts[e];
      o->share[e] += counts[e];
      squares[e] += (double)counts[e] * counts[e];
    }
    assert_int_equal(sum, tokens * top_k);
  }
  for (unsigned e = 0; e < experts; e++) {
    const double mean = o->share[e] / DRAWS;
    o->variance[e] = squares[e] / DRAWS - mean * mean;
    o->share[e] = mean / tokens;
  }
}

// Two experts a token, chosen one after another: the share of the r-th is w_r + sum over others of
// w_o w_r / (1 - w_o).
static double share_of_two(const double *w, unsigned experts, unsigned r) {
  double share = w[r];
  for (unsigned o = 0; o < experts; o++) share += o == r ? 0 : w[o] * w[r] / (1 - w[o]);
  return share;
}

static void sort_falling(double *values, unsigned count) {
  for (unsigned i = 1; i < count; i++)
    for (unsigned k = i; k > 0 && values[k] > values[k - 1]; k--) {
      const double swap = values[k];
      values[k] = values[k - 1];
      values[k - 1] = swap;
    }
}

// With few tokens, which are drawn, and with many, whose counts are.
static void check_zipf(unsigned tokens, double a) {
  char what[32];
  struct observed o;
  double w[8], sum = 0;
  snprintf(what, sizeof what, "zipf:%g", a);
  struct imbalance *b = open_imbalance(what, 3, 8, 2);
  for (unsigned r = 0; r < 8; r++) sum += w[r] = pow(r + 1, -a);
  for (unsigned r = 0; r < 8; r++) w[r] /= sum;
  observe(b, 1, tokens, 8, 2, &o);
  for (unsigned e = 0; e < 8; e++) {
    const double variance = tokens * o.share[e] * (1 - o.share[e]);
    assert_true(fabs(o.variance[e] - variance) < 0.12 * variance);
  }
  sort_falling(o.share, 8);
  for (unsigned r = 0; r < 8; r++)
    assert_true(fabs(o.share[r] - share_of_two(w, 8, r)) < 0.02 * share_of_two(w, 8, r) + 0.001);
  imbalance_close(b);
}

static void test_zipf(void **state) {
  (void)state;
  check_zipf(20, 0);
  check_zipf(20, 1);
  check_zipf(400, 0);
  check_zipf(400, 1);
  check_zipf(20, 2.5);
}

// The most popular one is another one in another layer, and with another seed; the same by seed.
static void test_layers(void **state) {
  struct imbalance *b = open_imbalance("zipf:2", 16, 16, 2);
  struct imbalance *same = open_imbalance("zipf:2", 16, 16, 2);
  unsigned different = 0;
  unsigned first = 0;
  (void)state;
  for (unsigned layer = 0; layer < 16; layer++) {
    struct duplex_random random, again;
    unsigned counts[MOST], others[MOST], most = 0;
    duplex_random_seed(&random, 9, layer);
    again = random;
    imbalance_draw(b, &random, layer, 100, counts);
    imbalance_draw(same, &again, layer, 100, others);
    assert_memory_equal(counts, others, 16 * sizeof *counts);
    for (unsigned e = 1; e < 16; e++)
      if (counts[e] > counts[most]) most = e;
    if (layer == 0) first = most;
    different += most != first;
  }
  assert_true(different >= 10);
  imbalance_close(b);
  imbalance_close(same);
}

// Popularities between 1 and the number of experts: no expert has no tokens, none has all.
static void test_power_law(void **state) {
  (void)state;
  for (unsigned i = 0; i < 4; i++) {
    static const char *const what[] = {"power:0", "power:1", "power:1.2", "power:3"};
    struct imbalance *b = open_imbalance(what[i], 2, 32, 1);
    struct observed o;
    observe(b, 0, 60, 32, 1, &o);
    sort_falling(o.share, 32);
    assert_true(o.share[31] > 0 && o.share[0] < 33 * o.share[31] * 1.1);
    assert_true(o.share[0] > 1.5 * o.share[31]);
    imbalance_close(b);
  }
}

// Recorded shares come again, layer by layer; an expert without a token gets none.
static void test_recorded(void **state) {
  static const double shares[2][4] = {{0.2, 0.3, 0.5, 1.0}, {0.9, 0, 0.7, 0.4}};
  struct observed o;
  (void)state;
  write_text(path,
             "layer,step,expert,tokens\n3,0,0,10\n3,0,1,30\n3,0,2,50\n3,0,3,100\n3,1,0,10\n7,0,0,90\n"
             "7,1,2,70\n7,2,3,40\n");
  struct imbalance *b = open_imbalance(path, 4, 4, 2);
  for (unsigned layer = 0; layer < 4; layer++)
    for (unsigned tokens = 30; tokens < 1000; tokens *= 20) {
      observe(b, layer, tokens, 4, 2, &o);
      for (unsigned e = 0; e < 4; e++)
        assert_true(fabs(o.share[e] - shares[layer % 2][e]) < 0.09 &&
                    (o.share[e] > 0) == (shares[layer % 2][e] > 0));
    }
  imbalance_close(b);
  b = open_imbalance(path, 4, 4, 1);
  observe(b, 0, 30, 4, 1, &o);
  for (unsigned e = 0; e < 4; e++) assert_true(fabs(o.share[e] - shares[0][e] / 2) < 0.01);
  imbalance_close(b);
}

static const struct {
  const char *what, *text, *word;
} wrong[] = {
    {"zipf:", "", "from 0 to 10"},
    {"zipf:-1", "", "from 0 to 10"},
    {"power:nan", "", "from 0 to 10"},
    {"power:2x", "", "from 0 to 10"},
    {"/nowhere/routing.csv", "", "expected uniform"},
    {path, "", ":1: expected the columns"},
    {path, "layer,step,expert,tokens\n", ":1: expected rows"},
    {path, "layer,expert,tokens\n0,0,1\n", ":1: expected the columns"},
    {path, "layer,step,expert,tokens\n0,0,0,1\n0,0,8,1\n",
     ":3: expert is 8, expected one of the model's, 0 to 7"},
    {path, "layer,step,expert,tokens\n0,0,0,0\n", ":2: tokens is 0, expected 1 or more"},
    {path, "layer,step,expert,tokens\n4096,0,0,1\n", ":2: layer is 4096, expected a number from 0 to 4095"},
    {path, "layer,step,expert,tokens\n9,0,0,1\n8,0,0,1\n7,0,0,1\n1,0,0,1\n1,0,1,1\n4,0,0,1\n",
     ":2: layer 9 is one more than the 4 with experts that the model has, expected no more layers"},
    {path, "layer,step,expert,tokens\n0,0,0,-1\n", ":2: expected four"},
    {path, "layer,step,expert,tokens\n0,0,0,1", ":2: has no end"},
    {path, "layer,step,expert,tokens\n0,0,0,1\n0,0,1,1\n2,0,0,1\n", ":4: 1 experts of the layer"},
};

static void test_wrong(void **state) {
  const struct imbalance_model model = {4, 8, 2, 1};
  (void)state;
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct imbalance *b;
    char error[600] = "";
    write_text(path, wrong[i].text);
    assert_int_not_equal(imbalance_open(&b, wrong[i].what, &model, error, sizeof error), DUPLEX_OK);
    assert_null(b);
    check_message(error, "", "", wrong[i].word);
  }
}

static int read_routing(uint64_t number, char *error, size_t size) {
  struct recorded recorded;
  (void)number;
  const int status = recorded_read(&recorded, path, 8, error, size);
  for (unsigned l = 0; l < recorded.layers && !status; l++) assert_true(recorded.lines[l] > 1);
  recorded_free(&recorded);
  return status;
}

static void test_mutations(void **state) {
  static const char text[] =
      "layer,step,expert,tokens\n0,0,0,3\n0,0,5,4\n11,1,2,1\n11,1,7,20\n12,1,0,17\n12,1,1,25\n"
      "12,2,2,113\n12,2,3,1234\n13,20,4,33\n14,21,5,4321\n115,22,6,12\n115,123,7,456\n";
  (void)state;
  check_mutations(path, (const char *const[]){text}, 1, 400, 1, read_routing);
}

// Where experts are whole on devices the fullest one holds up all others, and Zipf's law with exponent 0 is
// the uniform choice.
static void test_throughput(void **state) {
  struct serving_options o = {.system = "gpu",
                              .model = "mixtral",
                              .mode = SERVING_PAPER,
                              .batch = 128,
                              .input = 200,
                              .output = 100,
                              .measured = 300};
  struct serving_result uniform, flat, steep;
  char error[600] = "";
  (void)state;
  assert_int_equal(serving_run(&o, &uniform, error, sizeof error), 0);
  o.imbalance = "zipf:0";
  assert_int_equal(serving_run(&o, &flat, error, sizeof error), 0);
  o.imbalance = "zipf:2";
  assert_int_equal(serving_run(&o, &steep, error, sizeof error), 0);
  assert_true(fabs(flat.throughput / uniform.throughput - 1) < 0.005);
  assert_true(steep.throughput < 0.99 * uniform.throughput);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_power),     cmocka_unit_test(test_zipf),
                                     cmocka_unit_test(test_layers),    cmocka_unit_test(test_power_law),
                                     cmocka_unit_test(test_recorded),  cmocka_unit_test(test_wrong),
                                     cmocka_unit_test(test_mutations), cmocka_unit_test(test_throughput)};
  if (!make_file(path)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  remove(path);
  return failed;
}
