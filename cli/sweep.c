// SPDX-License-Identifier: Apache-2.0
// duplex sweep: a grid of simulations, several at once, as a table.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/sweep_jobs.h"
#include "cli/sweep_needs.h"
#include "cli/sweep_values.h"
#include "duplex/text_file.h"

// Values of a result that the table has, with a dot before a key of an object in it.
static const char *const columns[] = {"throughput_tok_s",
                                      "tbt_ms.p50",
                                      "tbt_ms.p99",
                                      "t2ft_ms.p50",
                                      "t2ft_ms.p99",
                                      "e2e_ms.p50",
                                      "e2e_ms.p99",
                                      "goodput_requests_s",
                                      "highest_rate_requests_s",
                                      "energy_j_per_token.total",
                                      "xpu_utilisation",
                                      "logic_pim_utilisation",
                                      "kv_most_bytes",
                                      "preemptions",
                                      "cached_tokens",
                                      NULL};

// A cell, in quotes if it needs them.
static void write_cell(FILE *table, const char *text) {
  if (!strpbrk(text, ",\"\r\n")) {
    fputs(text, table);
    return;
  }
  fputc('"', table);
  for (; *text; text++) {
    if (*text == '"') fputc('"', table);
    fputc(*text, table);
  }
  fputc('"', table);
}

static void write_heads(FILE *table, const struct sweep_plan *plan) {
  const char *name;
  json_t *values;
  json_object_foreach(plan->grid, name, values) fprintf(table, "%s,", name);
  for (unsigned i = 0; columns[i]; i++) {
    for (const char *c = columns[i]; *c; c++) fputc(*c == '.' ? '_' : *c, table);
    fputc(',', table);
  }
  fputs("error\n", table);
}

static void write_column(FILE *table, const json_t *result, const char *column) {
  char name[64];
  const char *dot = strchr(column, '.');
  snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - column) : (int)strlen(column), column);
  const json_t *value = json_object_get(result, name);
  if (dot) value = json_object_get(value, dot + 1);
  if (json_is_number(value)) fprintf(table, "%.9g", json_number_value(value));
  fputc(',', table);
}

// Writes a point's values, then figures of its result or the error; a result that is no JSON ends the sweep.
static int write_row(FILE *table, const struct sweep_jobs *jobs, size_t point) {
  const char *name;
  json_t *values;
  json_object_foreach(jobs->plan->grid, name, values) {
    char *text = sweep_text(sweep_plan_value(jobs->plan, point, name));
    if (text) write_cell(table, text);
    fputc(',', table);
    free(text);
  }
  char *path = sweep_result_path(jobs, point);
  json_error_t where = {0};
  json_t *result = path && !jobs->errors[point] ? json_load_file(path, 0, &where) : NULL;
  int status = EXIT_GOOD;
  if (!result && !jobs->errors[point])
    status = fail(EXIT_BAD_INPUT, "%s:%d: %s: expected a result, or --again", path ? path : "", where.line,
                  where.text);
  for (unsigned i = 0; columns[i]; i++) write_column(table, result, columns[i]);
  if (jobs->errors[point]) write_cell(table, jobs->errors[point]);
  fputc('\n', table);
  json_decref(result);
  free(path);
  return status;
}

static int write_table(const struct sweep_jobs *jobs, const char *out, struct outputs *outputs) {
  char *text = NULL;
  size_t size = 0;
  FILE *table = open_memstream(&text, &size);
  int status = table ? EXIT_GOOD : fail(EXIT_ERROR, "too little memory for the table");
  if (table) {
    write_heads(table, jobs->plan);
    for (size_t i = 0; i < jobs->plan->points && !status; i++) status = write_row(table, jobs, i);
    const bool bad = ferror(table) != 0;
    if ((fclose(table) != 0 || bad) && !status) status = fail(EXIT_ERROR, "too little memory for the table");
  }
  if (!status) status = output_write(outputs, out, text, size);
  free(text);
  return status;
}

// The folder of the results, unless it is there; one that takes no files is refused.
static int make_folder(const char *path) {
  char name[4096];
  if (mkdir(path, 0777) == 0) return EXIT_GOOD;
  snprintf(name, sizeof name, "%s/result", path);
  if (errno == EEXIST && duplex_text_may_replace(name) == 0) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--results '%s': %s, expected a folder that can be written", path,
              strerror(errno));
}

// Runs all points and writes the table, also if some have failed; the first one that has is told then.
static int run_points(struct sweep_jobs *jobs, const char *out) {
  struct outputs outputs = {0};
  int status = output_add(&outputs, "--out", out, OUTPUT_TABLE);
  if (!status) status = outputs_open(&outputs);
  if (!status) status = make_folder(jobs->folder);
  if (!status) status = sweep_jobs_run(jobs);
  if (!status) status = write_table(jobs, out, &outputs);
  if (!status) status = outputs_commit(&outputs);
  outputs_discard(&outputs);
  if (status) return status;
  printf("%zu points, %zu of them kept from before, %zu failed: %s\n", jobs->plan->points, jobs->kept,
         jobs->failed, out);
  status = flush_stdout();
  for (size_t i = 0; i < jobs->plan->points && jobs->failed && !status; i++)
    if (jobs->errors[i])
      status = fail(EXIT_ERROR, "%zu of %zu points failed, first number %zu: %s", jobs->failed,
                    jobs->plan->points, i + 1, jobs->errors[i]);
  return status;
}

// The name of the plan without ".json", and with another ending; free it. NULL: too little memory.
static char *name_beside(const char *plan, const char *ending) {
  const size_t length = strlen(plan);
  const bool json = length > 5 && strcmp(plan + length - 5, ".json") == 0;
  const size_t size = length + strlen(ending) + 1;
  char *name = malloc(size);
  if (name) snprintf(name, size, "%.*s%s", (int)(json ? length - 5 : length), plan, ending);
  return name;
}

// Reads the plan and runs it; table and results lie beside it unless the options say otherwise.
static int sweep(const char *path, const struct option *options, uint64_t most) {
  struct sweep_plan plan;
  const char *out = option_value(options, "--out");
  const char *results = option_value(options, "--results");
  char *beside = name_beside(path, ".csv");
  char *folder = name_beside(path, ".results");
  struct sweep_jobs jobs = {.plan = &plan,
                            .folder = results ? results : folder,
                            .most = (unsigned)most,
                            .again = option_value(options, "--again") != NULL};
  int status = beside && folder ? EXIT_GOOD : fail(EXIT_ERROR, "too little memory");
  if (!status) {
    status = sweep_plan_read(&plan, path);
    if (!status) status = sweep_values_check(&plan);
    if (!status) status = sweep_needs_check(&plan);
    if (!status) status = run_points(&jobs, out ? out : beside);
    sweep_jobs_free(&jobs);
    sweep_plan_free(&plan);
  }
  free(beside);
  free(folder);
  return status;
}

static int run_sweep(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  uint64_t most;
  if (argc < 1 || argv[0][0] == '-')
    return fail(EXIT_BAD_INPUT, "sweep takes a file: see duplex sweep --help");
  if (command_read(&sweep_command, argc - 1, argv + 1, options) ||
      number_option(options, "--jobs", 1, 1024, cores > 0 ? (uint64_t)cores : 1, &most))
    return EXIT_BAD_INPUT;
  return sweep(argv[0], options, most);
}

static const struct option own_options[] = {
    {"--jobs", "N", "simulations at once (default: one for each processor)", 0, 0},
    {"--out", "FILE.csv", "the table (default: the name of the plan with .csv)", 0, 0},
    {"--results", "FOLDER", "where results are kept (default: the name of the plan with .results)", 0, 0},
    {"--again", NULL, "runs also what has a result", 0, 0},
    {"--quiet", NULL, "no line of progress on a terminal", 0, 0},
    {0}};

const struct command sweep_command = {
    "sweep",
    "FILE.json",
    "a grid of simulations as a table",
    "FILE is {\"options\": {NAME: VALUE}, \"grid\": {NAME: [VALUES]}} with options of duplex serve, without "
    "their dashes; true or false for one that stands alone. Every combination of the grid is simulated, "
    "several at "
    "once.\n"
    "The result of each is kept in a folder, and not simulated again by the same version. One that fails has "
    "its error in the table, the others go on, and the exit status is 1.\n",
    own_options,
    false,
    run_sweep};
