// SPDX-License-Identifier: Apache-2.0
// Time of the xPU's work on elements, kernel by kernel, and of products that were measured on hardware.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/network.h"
#include "tests/model/files.h"
#include "tests/model/toy.h"
#include "xpu/time.h"

enum { STACKS = 2, CHANNELS = 3, CHUNK = 5, PROMPT = 3, READS = 3 };

static const struct network_options usual = {
    .device = {.stacks = STACKS, .stack = {.backend = {.channels = CHANNELS}}, .threads = 1},
    .sequences = 2,
    .untimed = true};

static struct model *open_toy(const char *name) {
  struct folder folder;
  struct model *model;
  struct model_error error;
  folder_make(&folder);
  assert_int_equal(toy_write(folder.path, name, TOY_F16, 1), 0);
  if (model_open(folder.path, &model, &error)) fail_msg("%s: %s", name, error.text);
  folder_remove(&folder);
  return model;
}

static struct network *open_network(const struct model *model, const struct network_options *options) {
  struct network *network;
  struct model_error error;
  if (network_open(model, options, &network, &error)) fail_msg("%s", error.text);
  return network;
}

// A step with a part of a prompt, and a whole one whose next token is chosen.
static struct network_statistics step(struct network *network) {
  static const uint32_t tokens[CHUNK] = {3, 1, 4, 1, 5};
  struct network_sequence *sequence[2];
  struct model_error error;
  duplex_f32 *logits = malloc(network_config(network)->vocabulary * sizeof *logits);
  for (unsigned i = 0; i < 2; i++)
    if (network_begin(network, i, 16, &sequence[i], &error)) fail_msg("%s", error.text);
  const struct network_piece pieces[] = {
      {.sequence = sequence[0], .tokens = tokens, .count = CHUNK},
      {sequence[1], tokens, PROMPT, .prompt_ends = true, .logits = logits, .logit_reads = READS}};
  if (network_step(network, pieces, 2, &error)) fail_msg("%s", error.text);
  for (unsigned i = 0; i < 2; i++) network_end(sequence[i]);
  free(logits);
  return *network_last_statistics(network);
}

// Its launch too.
static uint64_t kernel(uint64_t bytes) {
  const struct xpu_time_model model = xpu_time_h100(STACKS * CHANNELS);
  return xpu_time_elements(&model, bytes) + model.launch;
}

static uint64_t elements_of(const struct model_config *config) {
  const uint64_t tokens = CHUNK + PROMPT;
  const uint64_t rows = tokens * config->hidden;
  const uint64_t heads = tokens * (config->heads + 2 * config->kv_heads) * config->head_size;
  // Binary16 comes from the embedding, binary32 goes.
  uint64_t sum = kernel(rows * 6);
  for (unsigned layer = 0; layer < config->layers; layer++) {
    // Behind an MoE layer 2 bytes are added to 4, otherwise 4; before the first layer nothing is.
    const unsigned added = layer == 0 ? 0 : config->layer[layer - 1].sparse ? 2 + 4 : 4 + 4;
    sum += kernel(rows * (4 + added + 2)) + kernel(heads * 6 + tokens * config->head_size * 4);
    sum += kernel(rows * (4 + 4 + 4 + 2));
  }
  // One row of all is normed for the head.
  const unsigned added = config->layer[config->layers - 1].sparse ? 2 : 4;
  sum += kernel(rows * (added + 4 + 4) + config->hidden * 2);
  return sum + kernel(READS * config->vocabulary * 4);
}

static void test_elements(void **state) {
  static const char *const names[] = {"llama", "mixtral", "qwen3"};
  (void)state;
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    struct model *model = open_toy(names[i]);
    struct network *network = open_network(model, &usual);
    const struct network_statistics statistics = step(network);
    assert_int_equal(statistics.times.elements_ps, elements_of(model_config_of(model)));
    assert_true(statistics.times.xpu_ps > statistics.times.elements_ps);
    network_close(network);
    model_close(model);
  }
}

// With every product a second: as many seconds as there are products.
static void test_measured_products(void **state) {
  char path[] = P_tmpdir "/duplex_times_XXXXXX";
  struct network_options options = usual;
  struct model_error error;
  struct network *refused;
  struct model *model = open_toy("llama");
  const struct model_config *config = model_config_of(model);
  (void)state;
  FILE *file = fdopen(mkstemp(path), "w");
  assert_non_null(file);
  fprintf(file, "m,n,k,latency_us\n%u,%u,%u,1000000\n", CHUNK + PROMPT, config->heads * config->head_size,
          config->hidden);
  assert_int_equal(fclose(file), 0);
  options.device.xpu_times = path;
  struct network *network = open_network(model, &options);
  const struct network_statistics measured = step(network);
  network_close(network);
  network = open_network(model, &usual);
  const struct network_statistics modelled = step(network);
  network_close(network);
  assert_int_equal(measured.times.elements_ps, modelled.times.elements_ps);
  // q of each layer takes a second less its launch, of a device of 160 channels; the others in proportion.
  const double second = 160.0 / (STACKS * CHANNELS) * 1e12;
  assert_true(measured.times.xpu_ps > config->layers * second);
  assert_true(modelled.times.xpu_ps < second);
  options.device.xpu_times = "/nowhere/times.csv";
  assert_true(network_open(model, &options, &refused, &error) != 0);
  assert_null(refused);
  assert_non_null(strstr(error.text, "/nowhere/times.csv"));
  assert_int_equal(unlink(path), 0);
  model_close(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_elements),
                                     cmocka_unit_test(test_measured_products)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
