// SPDX-License-Identifier: Apache-2.0
// Rates that mode full cannot take from a file.
#include "serving/covered.h"

#include <stdio.h>

#include "duplex/error.h"
#include "serving/config_file.h"

struct rate {
  const char *object, *key;
  bool of_xpu;
};

static const struct rate rates[] = {
    {"logic_pim", "peak_tflops", false},  {"logic_pim", "bandwidth_gb_s", false},
    {"full", "pim_compute_share", false}, {"full", "pim_bandwidth_share", false},
    {"xpu", "bandwidth_gb_s", true},      {"full", "xpu_bandwidth_share", true}};
#define RATES (sizeof rates / sizeof *rates)

static const json_t *find(const struct config_file *file, const struct rate *rate) {
  return json_object_get(json_object_get(file->root, rate->object), rate->key);
}

// Refuses the rate of a file, if it has one, that is not the built-in one.
static int check_rate(const struct config_file *file, const struct config_file *builtin,
                      const struct rate *rate) {
  char path[64];
  const json_t *given = find(file, rate);
  const double wanted = json_number_value(find(builtin, rate));
  if (!given || json_number_value(given) == wanted) return DUPLEX_OK;
  snprintf(path, sizeof path, "%s.%s", rate->object, rate->key);
  return config_refuse(file, path,
                       "is %.10g, expected %.10g in mode full: clocks of the cycle model stand for it",
                       json_number_value(given), wanted);
}

int covered_check(const struct serving_options *options, bool apart, char *error, size_t size) {
  struct config_file builtin = {0};
  struct config_file constants = {0};
  struct config_file system = {0};
  const char *name = options->constants ? options->constants : "constants";
  int status = config_open(&builtin, "", "constants", error, size);
  if (!status) status = config_open(&constants, "", name, error, size);
  if (!status) status = config_open(&system, "systems", options->system, error, size);
  for (size_t i = 0; i < RATES && !status; i++)
    if (!rates[i].of_xpu || !apart)
      status = check_rate(find(&system, &rates[i]) ? &system : &constants, &builtin, &rates[i]);
  config_close(&builtin);
  config_close(&constants);
  config_close(&system);
  return status;
}
