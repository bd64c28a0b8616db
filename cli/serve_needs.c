// SPDX-License-Identifier: Apache-2.0
// Options of duplex serve that are of some systems and models alone.
#include "cli/serve_needs.h"

#include <string.h>

#include "serving/needs.h"

#define NEEDS_TABLES (NEED_FULL | NEED_EXPERTS | NEED_LOGIC_PIM | NEED_16_BITS)

static const struct {
  const char *option;
  unsigned needs;
} all[] = {{"--tables", NEED_FULL | NEED_KERNELS},
           {"--dram-preset", NEED_FULL},
           {"--times", NEEDS_TABLES},
           {"--measure", NEEDS_TABLES},
           {"--activation-rule", NEED_FULL | NEED_LOGIC_PIM},
           {"--partials", NEED_FULL | NEED_EXPERTS | NEED_UNITS | NEED_SUMS},
           {"--copies", NEEDS_COPIES},
           {"--firmware", NEED_FULL | NEED_UNITS},
           {"--policy", NEED_EXPERTS | NEED_UNITS | NEED_TWO_SIDES},
           {"--imbalance", NEED_EXPERTS}};
#define ALL (sizeof all / sizeof *all)

const struct serve_company serve_company[] = {{"--rate", "--trace", NULL},
                                              {"--format", "--trace", NULL},
                                              {"--prefix-cache", "--trace", NULL},
                                              {"--hash-block", "--prefix-cache", NULL},
                                              {"--find-rate", "--limit-first", "--limit-token"},
                                              {NULL, NULL, NULL}};

// 0: nothing, or it is not known.
static enum need lacking(const char *option, const struct serving_options *s, char *why, size_t size) {
  struct serving_model model;
  struct machine machine;
  unsigned needs = 0;
  for (size_t i = 0; i < ALL; i++)
    if (strcmp(all[i].option, option) == 0) needs = all[i].needs;
  if (!needs || serving_model_read(&model, s->model, why, size) ||
      machine_read_parts(&machine, s, &model, why, size))
    return 0;
  return needs_lacking(s, &model, &machine, needs, why, size);
}

bool serve_needs_lacking(const char *option, const struct serving_options *s, char *why, size_t size) {
  return lacking(option, s, why, size) != 0;
}

bool serve_needs_idle(const char *option, const char *value, const struct serving_options *s) {
  char why[1024];
  const enum need need = lacking(option, s, why, sizeof why);
  const bool asks = (strcmp(option, "--copies") == 0 && strcmp(value, "2") == 0) ||
                    (strcmp(option, "--policy") == 0 && strcmp(value, "default") != 0);
  return need && (!asks || need == NEED_EXPERTS);
}

static int check_company(const struct option *options) {
  for (const struct serve_company *c = serve_company; c->option; c++) {
    if (!option_value(options, c->option) || option_value(options, c->with)) continue;
    if (!c->or_with) return fail(EXIT_BAD_INPUT, "%s: expected %s with it", c->option, c->with);
    if (!option_value(options, c->or_with))
      return fail(EXIT_BAD_INPUT, "%s: expected %s or %s with it", c->option, c->with, c->or_with);
  }
  return EXIT_GOOD;
}

int serve_needs_check(const struct option *options, const struct serving_options *s) {
  char why[1024];
  if (check_company(options)) return EXIT_BAD_INPUT;
  for (size_t i = 0; i < ALL; i++)
    if (option_value(options, all[i].option) && serve_needs_lacking(all[i].option, s, why, sizeof why))
      return fail(EXIT_BAD_INPUT, "%s: %s", all[i].option, why);
  return EXIT_GOOD;
}
