// SPDX-License-Identifier: Apache-2.0
// duplex validate: a measured run of a serving engine against its simulation.
#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/json_values.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/validate_read.h"
#include "duplex/error.h"

struct simulated {
  struct waits waits;
  int status;
};

static void note(void *context, const struct serving_request *r) {
  struct simulated *s = context;
  if (!s->status) s->status = waits_add(&s->waits, r->arrival, r->first, r->end, r->output);
}

#define VALUES 4u
static const char *const value_names[VALUES] = {"mean", "p50", "p90", "p99"};

// Of no waits there is nothing to compare: a request of one token has none for another one.
struct comparison {
  const char *name;
  bool any;
  double measured[VALUES], simulated[VALUES];  // ms
};

static void fill(double values[VALUES], struct samples *samples) {
  const struct serving_percentiles p = samples_percentiles(samples);
  const double seconds[VALUES] = {p.mean, p.p50, p.p90, p.p99};
  for (unsigned i = 0; i < VALUES; i++) values[i] = seconds[i] * 1e3;
}

static double difference(const struct comparison *c, unsigned value) {
  return 100 * (c->simulated[value] / c->measured[value] - 1);
}

static json_t *comparison_json(const struct comparison *c) {
  json_t *object = json_object();
  for (unsigned i = 0; i < VALUES; i++) {
    json_t *value = json_pack("{s:f, s:f}", "measured", c->measured[i], "simulated", c->simulated[i]);
    if (c->measured[i] > 0) json_object_set_new(value, "difference_percent", json_real(difference(c, i)));
    json_object_set_new(object, value_names[i], value);
  }
  return object;
}

static void print(const struct comparison *c) {
  for (unsigned i = 0; i < VALUES && c->any; i++) {
    printf("  %-8s %-5s %12.3f %12.3f ms", c->name, value_names[i], c->measured[i], c->simulated[i]);
    if (c->measured[i] > 0)
      printf(" %+8.1f%%\n", difference(c, i));
    else
      printf(" %9s\n", "-");
  }
}

// Writes what was measured beside what is simulated: as JSON, then as lines.
static int report(struct measured_run *run, struct simulated *simulated, const struct serving_result *result,
                  const char *json, struct outputs *outputs) {
  struct comparison list[] = {{.name = "ttft_ms"}, {.name = "tpot_ms"}, {.name = "e2el_ms"}};
  struct samples *const measured[] = {&run->waits.first, &run->waits.token, &run->waits.all};
  struct samples *const own[] = {&simulated->waits.first, &simulated->waits.token, &simulated->waits.all};
  json_t *all = json_pack("{s:i, s:s, s:I, s:i, s:i, s:I}", "schema_version", 1, "command", "validate",
                          "requests", (json_int_t)run->trace.count, "engines", (int)result->nodes, "devices",
                          (int)result->devices, "preemptions", (json_int_t)result->preemptions);
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    fill(list[i].measured, measured[i]);
    fill(list[i].simulated, own[i]);
    list[i].any = measured[i]->count > 0;
    if (list[i].any) json_object_set_new(all, list[i].name, comparison_json(&list[i]));
  }
  const int status = write_json(json, outputs, (json_t *[]){all}, 1);
  if (status) return status;
  printf("%zu requests, %u engine%s on %u device%s: measured, simulated, difference\n", run->trace.count,
         result->nodes, result->nodes == 1 ? "" : "s", result->devices, result->devices == 1 ? "" : "s");
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) print(&list[i]);
  return flush_stdout();
}

// Simulates the trace of a measured run, and writes the comparison to the terminal and to `json`.
static int simulate(struct measured_run *run, const char *json, struct outputs *outputs) {
  struct simulated simulated = {0};
  struct serving_result result;
  char error[1024];
  run->options.on_request = note;
  run->options.context = &simulated;
  progress("simulating %s", run->folder);
  const int code = serving_run(&run->options, &result, error, sizeof error);
  progress_end();
  int status = simulated.status;
  if (code) status = fail(code == DUPLEX_ERROR_NO_MEMORY ? EXIT_ERROR : EXIT_BAD_INPUT, "%s", error);
  if (!status) status = report(run, &simulated, &result, json, outputs);
  if (!status) status = outputs_commit(outputs);
  waits_free(&simulated.waits);
  return status;
}

// The command validate, from its options to its exit status.
static int run_validate(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  struct outputs outputs = {0};
  struct measured_run run;
  if (argc < 1 || argv[0][0] == '-')
    return fail(EXIT_BAD_INPUT, "validate takes a folder: see duplex validate --help");
  if (command_read(&validate_command, argc - 1, argv + 1, options)) return EXIT_BAD_INPUT;
  const char *json = option_value(options, "--json");
  int status = measured_run_read(&run, argv[0]);
  if (!status && json) status = output_add(&outputs, "--json", json, OUTPUT_JSON);
  if (!status) status = outputs_open(&outputs);
  if (!status) status = simulate(&run, json, &outputs);
  outputs_discard(&outputs);
  measured_run_free(&run);
  return status;
}

static const struct option own_options[] = {{"--json", "FILE.json", "both, and their differences", 0, 0},
                                            {"--quiet", NULL, "no line of progress on a terminal", 0, 0},
                                            {0}};

const struct command validate_command = {"validate",
                                         "FOLDER",
                                         "a measured run of a serving engine against its simulation",
                                         "The folder has requests.jsonl, engine.json, system.json, the "
                                         "model's config.json, and tables of measured "
                                         "times: dense.csv, per_sequence.csv, attention.csv, moe.csv.\n"
                                         "Prints the waits for the first token, for each other one, and for "
                                         "the last one, measured and simulated.\n",
                                         own_options,
                                         false,
                                         run_validate};
