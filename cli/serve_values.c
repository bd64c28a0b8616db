// SPDX-License-Identifier: Apache-2.0
// Values of options of duplex serve, each by itself.
#include "cli/serve_values.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/serve_scheduler.h"
#include "duplex/error.h"
#include "serving/imbalance.h"
#include "serving/machine.h"

const char *const serve_modes[] = {"full", "paper", "authors", NULL};
const char *const serve_policies[] = {"default", "best", "paper", "pim", "xpu", NULL};

static int real_option(const struct option *options, const char *name, double least, double most,
                       double *number) {
  const char *text = option_value(options, name);
  if (!text || (read_real(text, number) && *number >= least && *number <= most)) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "%s is '%s': expected a number from %g to %g", name, text, least, most);
}

static int whole_option(const struct option *options, const char *name, unsigned least, unsigned most,
                        unsigned *number) {
  uint64_t value;
  const int status = number_option(options, name, least, most, *number, &value);
  *number = (unsigned)value;
  return status;
}

// Reads what is chosen by a word.
static int read_choices(const struct option *options, struct serving_options *s, struct serve_values *v) {
  static const char *const rules[] = {"paper", "strict", NULL};
  static const char *const presets[] = {"hbm3_5200", "hbm3_6400", NULL};
  static const char *const partials[] = {"acc", "f32", NULL};
  static const char *const copies[] = {"auto", "1", "2", NULL};
  static const char *const firmwares[] = {"riscv", "native", NULL};
  unsigned mode, policy, rule, preset, partial, firmware;
  if (choice_option(options, "--mode", serve_modes, &mode) ||
      choice_option(options, "--policy", serve_policies, &policy) ||
      choice_option(options, "--activation-rule", rules, &rule) ||
      choice_option(options, "--dram-preset", presets, &preset) ||
      choice_option(options, "--partials", partials, &partial) ||
      choice_option(options, "--copies", copies, &s->copies) ||
      choice_option(options, "--firmware", firmwares, &firmware) ||
      choice_option(options, "--format", serving_trace_formats, &v->format))
    return EXIT_BAD_INPUT;
  s->mode = (enum serving_mode)mode;
  s->policy = (enum serving_policy)policy;
  s->strict = rule == 1;
  s->f32_partials = partial == 1;
  s->native = firmware == 1;
  s->dram_preset = preset ? presets[preset] : NULL;
  return EXIT_GOOD;
}

// Reads rates and limits; an open loop is shorter than a closed one.
static int read_rates(const struct option *options, struct serving_options *s, struct serve_values *v) {
  if (real_option(options, "--len-sd", 0, 1, &s->deviation) ||
      real_option(options, "--qps", 1e-6, 1e6, &s->rate) ||
      real_option(options, "--limit-first", 1e-6, 1e9, &s->limit_first) ||
      real_option(options, "--limit-token", 1e-6, 1e9, &s->limit_token) ||
      real_option(options, "--rate", 1e-6, 1e6, &v->rate) ||
      real_option(options, "--find-rate", 1e-3, 1, &v->share))
    return EXIT_BAD_INPUT;
  s->limit_first *= 1e-3;
  s->limit_token *= 1e-3;
  s->warm_up = s->rate > 0 ? 500 : 1000;
  s->measured = s->rate > 0 ? 4000 : 10000;
  return EXIT_GOOD;
}

int serve_values_read(const struct option *options, struct serving_options *s, struct serve_values *v) {
  *v = (struct serve_values){0};
  *s = (struct serving_options){.system = option_value(options, "--system"),
                                .model = option_value(options, "--model"),
                                .constants = option_value(options, "--constants"),
                                .imbalance = option_value(options, "--imbalance"),
                                .tables = option_value(options, "--times"),
                                .kernels = option_value(options, "--tables"),
                                .nodes_from = "--nodes",
                                .devices_from = "--devices",
                                .measure = option_value(options, "--measure") != NULL,
                                .batch = 64,
                                .input = 1024,
                                .output = 1024};
  if (read_choices(options, s, v) || read_rates(options, s, v)) return EXIT_BAD_INPUT;
  return whole_option(options, "--batch", 1, 65536, &s->batch) ||
                 whole_option(options, "--lin", 1, 1 << 20, &s->input) ||
                 whole_option(options, "--lout", 1, 1 << 20, &s->output) ||
                 whole_option(options, "--nodes", 1, 1024, &s->nodes) ||
                 whole_option(options, "--devices", 1, 1024, &s->devices) ||
                 whole_option(options, "--prefill-nodes", 1, 1024, &s->prefill_nodes) ||
                 whole_option(options, "--warm-up", 0, 1 << 30, &s->warm_up) ||
                 whole_option(options, "--measured", 1, 1 << 30, &s->measured) ||
                 number_option(options, "--seed", 0, UINT64_MAX, 1, &s->seed) ||
                 serve_scheduler_read(options, s)
             ? EXIT_BAD_INPUT
             : EXIT_GOOD;
}

int serve_values_check_times(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return fail(EXIT_BAD_INPUT, "--times %s: %s, expected a folder", path, strerror(errno));
  closedir(folder);
  return EXIT_GOOD;
}

static int check_system(const char *name, char *error, size_t size) {
  static const struct serving_model none = {0};  // of whose devices nothing is asked here
  const struct serving_options s = {.system = name};
  struct machine machine;
  return machine_read_parts(&machine, &s, &none, error, size);
}

static int check_model(const char *name, char *error, size_t size) {
  struct serving_model model;
  return serving_model_read(&model, name, error, size);
}

static int check_kernels(const char *folder, char *error, size_t size) {
  struct kernels *kernels = NULL;
  const int status = kernels_open(&kernels, folder, error, size);
  kernels_close(kernels);
  return status;
}

// In any of the formats. A pipe is left to a run, which alone can read it.
static int check_trace(const char *path, char *error, size_t size) {
  struct stat there;
  struct serving_trace trace;
  char other[600];
  if (stat(path, &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode)) return DUPLEX_OK;
  int status = serving_trace_read(&trace, path, 0, 0, error, size);
  for (unsigned format = 1; status == DUPLEX_ERROR_FORMAT && serving_trace_formats[format]; format++)
    if (!serving_trace_read(&trace, path, format, 0, other, sizeof other)) status = DUPLEX_OK;
  if (!status) serving_trace_free(&trace);
  return status;
}

// Refuses a file or folder that no run takes.
static int check_files(const struct option *options) {
  static const struct {
    const char *option;
    int (*check)(const char *value, char *error, size_t size);
  } files[] = {
      {"--system", check_system},       {"--model", check_model}, {"--constants", machine_check_constants},
      {"--imbalance", imbalance_check}, {"--trace", check_trace}, {"--tables", check_kernels}};
  char error[1024];
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    const char *value = option_value(options, files[i].option);
    const int code = value ? files[i].check(value, error, sizeof error) : DUPLEX_OK;
    if (!code) continue;
    name_file_option(options, error, sizeof error);
    return fail(code == DUPLEX_ERROR_NO_MEMORY ? EXIT_ERROR : EXIT_BAD_INPUT, "%s", error);
  }
  const char *times = option_value(options, "--times");
  return times ? serve_values_check_times(times) : EXIT_GOOD;
}

int serve_values_check(const struct option *options) {
  struct serving_options serving;
  struct serve_values values;
  const int status = serve_values_read(options, &serving, &values);
  return status ? status : check_files(options);
}
