// SPDX-License-Identifier: Apache-2.0
// What layers of known models are predicted to take with exact partial sums and with h gathered, with one
// copy of each expert and with two, by measured tables of time: a figure for docs/device.md. usage: ways
// [MODEL] (mixtral, qwen3, deepseek or all) [STACKS] (5) [CHANNELS] (32)
//
// Tokens choose their experts at random. Every model has all its experts on the device.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/layer.h"
#include "duplex/random.h"

struct model {
  const char *name;
  struct duplex_moe_shape shape;
  unsigned top_k;
};

static const struct model models[] = {
    {"mixtral", {8, 4096, 14336}, 2}, {"qwen3", {128, 2048, 768}, 8}, {"deepseek", {256, 7168, 2048}, 8}};

// Tokens of each expert, of which every token has top_k.
static void draw(const struct model *model, unsigned tokens, struct duplex_random *random, uint16_t *counts) {
  memset(counts, 0, DUPLEX_EXPERTS_MOST * sizeof *counts);
  for (unsigned token = 0; token < tokens; token++) {
    bool chosen[DUPLEX_EXPERTS_MOST] = {false};
    for (unsigned i = 0; i < model->top_k;) {
      const size_t expert = duplex_random_below(random, model->shape.experts);
      if (chosen[expert]) continue;
      chosen[expert] = true;
      counts[expert]++;
      i++;
    }
  }
}

// Predicted clocks of the layer in one way, and those by formulas; 0: it failed.
static uint64_t predict(struct duplex_device *device, const struct model *model, struct moe_way way,
                        uint16_t *counts, uint64_t *formulas) {
  const struct duplex_moe_form form = {.shape = model->shape, .gated = true};
  struct duplex_moe *moe = moe_new(device, &form);
  uint64_t clocks = 0;
  *formulas = 0;
  if (!moe) return 0;
  if (!moe_lay_out(moe, &form, way) && !moe_use_formulas(moe)) *formulas = moe_predict(moe, counts);
  if (moe_place(moe, &form, way)) {
    fprintf(stderr, "ways: %s\n", duplex_device_last_error(device));
  } else {
    clocks = moe_predict(moe, counts);
  }
  moe_free(moe);
  return clocks;
}

static bool compare(struct duplex_device *device, const struct model *model) {
  static const unsigned tokens[] = {1, 8, 32, 64, 128, 256, 512};
  static const enum duplex_partials partials[] = {DUPLEX_PARTIALS_ACC, DUPLEX_PARTIALS_GATHERED};
  static const char *const names[] = {"exact sums", "h gathered"};
  struct duplex_random random;
  uint16_t counts[DUPLEX_EXPERTS_MOST];
  duplex_random_seed(&random, 14, 0);
  for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    draw(model, tokens[i], &random, counts);
    for (unsigned way = 0; way < 4; way++) {
      uint64_t formulas;
      const uint64_t clocks =
          predict(device, model, (struct moe_way){partials[way % 2], 1 + way / 2, false}, counts, &formulas);
      if (!clocks) return false;
      printf("%-8s %3u tokens, %u cop%s, %s: %7llu clocks, by formulas %+.1f%%\n", model->name, tokens[i],
             1 + way / 2, way / 2 ? "ies" : "y", names[way % 2], (unsigned long long)clocks,
             100 * ((double)formulas / (double)clocks - 1));
      fflush(stdout);
    }
  }
  return true;
}

int main(int argc, char **argv) {
  const char *wanted = argc > 1 ? argv[1] : "all";
  const struct duplex_device_options options = {
      .stacks = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5,
      .stack = {.backend = {.channels = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 32}},
      .always_decide = 1};
  char text[256] = "";
  bool good = true;
  for (unsigned i = 0; i < sizeof models / sizeof *models && good; i++) {
    struct duplex_device *device;
    if (strcmp(wanted, "all") != 0 && strcmp(wanted, models[i].name) != 0) continue;
    good = !duplex_device_open("cmodel", &options, &device, text, sizeof text);
    if (!good) fprintf(stderr, "ways: %s\n", text);
    good = good && compare(device, &models[i]);
    duplex_device_close(device);
  }
  return good ? 0 : 1;
}
