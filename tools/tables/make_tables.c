// SPDX-License-Identifier: Apache-2.0
// Tables of time of published models on a device of 5 stacks of 32 channels, for `duplex moe --tables`.
// usage: make_tables FOLDER [MODEL]    (all models; Ctrl-C leaves those that are done)
//
// A table that is there stays if the device takes it; else it is measured anew.
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "duplex/device_tables.h"
#include "duplex/geometry.h"

struct model {
  const char *name;
  struct duplex_moe_form form;
};

// Experts of a layer, from the models' cards.
static const struct model models[] = {
    {"mixtral_8x7b", {.shape = {8, 4096, 14336}, .gated = true}},
    {"glam", {.shape = {64, 4096, 16384}}},
    {"grok1", {.shape = {8, 6144, 32768}, .gated = true}},
    {"qwen3_30b_a3b", {.shape = {128, 2048, 768}, .gated = true}},
    {"deepseek_v3", {.shape = {256, 7168, 2048}, .gated = true}},
};

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// One model's table; returns an error of the device.
static int make(struct duplex_device *device, const char *folder, const struct model *model) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.tables", folder, model->name);
  if (access(path, F_OK) == 0 && duplex_device_load_table(device, &model->form, path) == 0) {
    printf("%s: is there\n", path);
    return 0;
  }
  const double begin = seconds();
  const int error = duplex_device_save_table(device, &model->form, path);
  if (!error)
    printf("%s: %zu experts of %zu x %zu, measured in %.0f s\n", path, model->form.shape.experts,
           model->form.shape.hidden, model->form.shape.inner, seconds() - begin);
  fflush(stdout);
  return error;
}

int main(int argc, char **argv) {
  const struct duplex_device_options options = {.stack = {.backend = {.channels = DUPLEX_CHANNELS}}, .always_decide = 1};
  struct duplex_device *device;
  char text[256];
  int error = 0;
  unsigned made = 0;
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: make_tables FOLDER [MODEL]\n");
    return 2;
  }
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text)) {
    fprintf(stderr, "make_tables: %s\n", text);
    return 1;
  }
  for (unsigned i = 0; i < sizeof models / sizeof *models && !error; i++) {
    if (argc == 3 && strcmp(argv[2], models[i].name) != 0) continue;
    error = make(device, argv[1], &models[i]);
    made++;
  }
  if (error) fprintf(stderr, "make_tables: %s\n", duplex_device_last_error(device));
  if (!made) fprintf(stderr, "make_tables: model '%s': expected one of the source's list\n", argv[2]);
  duplex_device_close(device);
  return error ? 1 : made ? 0 : 2;
}
