// SPDX-License-Identifier: Apache-2.0
// What a folder says of a measured run of a serving engine.
#include "cli/validate_read.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"
#include "duplex/text_file.h"
#include "serving/config_file.h"

#define GIGA 1e9
#define NANO 1e-9

int waits_add(struct waits *w, double arrival, double first, double end, unsigned output) {
  if (!samples_add(&w->first, first - arrival, 1) && !samples_add(&w->all, end - arrival, 1) &&
      (output < 2 || !samples_add(&w->token, (end - first) / (output - 1), 1)))
    return EXIT_GOOD;
  return fail(EXIT_ERROR, "too little memory for the waits of requests");
}

void waits_free(struct waits *w) {
  samples_free(&w->first);
  samples_free(&w->token);
  samples_free(&w->all);
}

// The times of a line: when the request was queued, and had its first and last token.
static int read_line(struct waits *waits, const char *path, size_t number, const char *line) {
  static const char *const names[] = {"queued_ts", "first_token_ts", "last_token_ts", "output_toks"};
  double values[4] = {0};
  json_t *object = json_loads(line, 0, NULL);
  const char *missing = NULL;
  for (unsigned i = 0; i < 4; i++) {
    const json_t *value = json_object_get(object, names[i]);
    if (!json_is_number(value) && !missing) missing = names[i];
    values[i] = json_number_value(value);
  }
  json_decref(object);
  if (missing) return fail(EXIT_BAD_INPUT, "%s:%zu: %s is no number, expected one", path, number, missing);
  if (values[0] <= values[1] && values[1] <= values[2])
    return waits_add(waits, values[0], values[1], values[2], (unsigned)values[3]);
  return fail(EXIT_BAD_INPUT, "%s:%zu: expected queued_ts, first_token_ts and last_token_ts in this order",
              path, number);
}

static int read_waits(struct waits *waits, const char *path) {
  FILE *file = fopen(path, "re");
  char *line = NULL;
  size_t room = 0;
  int status = EXIT_GOOD;
  if (!file) return fail(EXIT_BAD_INPUT, "%s: %s, expected a file of requests", path, strerror(errno));
  for (size_t number = 1; !status && duplex_text_line(file, &line, &room) > 0; number++)
    status = read_line(waits, path, number, line);
  free(line);
  fclose(file);
  return status;
}

static int read_requests(struct measured_run *run, const char *folder) {
  char path[4200], error[600];
  unsigned format = 0;
  while (strcmp(serving_trace_formats[format], "vllm") != 0) format++;
  snprintf(path, sizeof path, "%s/requests.jsonl", folder);
  if (serving_trace_read(&run->trace, path, format, 0, error, sizeof error))
    return fail(EXIT_BAD_INPUT, "%s", error);
  run->options.trace = &run->trace;
  run->options.measured = (unsigned)run->trace.count;
  return read_waits(&run->waits, path);
}

// A JSON file of the folder, and what is wrong with it.
struct object_file {
  struct config_file file;
  char path[4200], error[1024];
};

// Reads the fields of the object `key`, which may have others of the engine's own, and leaves the file open;
// NULL: of the whole file, which has no others. Returns 0 or a code.
static int open_object(struct object_file *f, const char *folder, const char *name, const char *key,
                       const struct config_field *fields) {
  snprintf(f->path, sizeof f->path, "%s/%s", folder, name);
  const int status = config_open(&f->file, NULL, f->path, f->error, sizeof f->error);
  if (status) return status;
  json_t *object = key ? json_object_get(f->file.root, key) : f->file.root;
  return json_is_object(object) ? config_fields(&f->file, key ? key : "", object, fields, key != NULL)
                                : config_refuse(&f->file, key ? key : "", "is missing, expected an object");
}

// An exit status for the code.
static int close_object(struct object_file *f, int status) {
  config_close(&f->file);
  return status ? fail(EXIT_BAD_INPUT, "%s", f->error) : EXIT_GOOD;
}

// Where a file has a key, for messages; NULL where it has not.
static const char *place_of(const struct object_file *f, const char *object, const char *key, char *place,
                            size_t size) {
  char path[64];
  snprintf(path, sizeof path, "%s.%s", object, key);
  if (!json_object_get(json_object_get(f->file.root, object), key)) return NULL;
  snprintf(place, size, "%s:%d: %s", f->path, config_line(&f->file, path), path);
  return place;
}

// What the engine was told: devices of an engine, engines, and the limits of a step.
static int read_engine(struct measured_run *run, const char *folder) {
  struct serving_options *o = &run->options;
  struct object_file f;
  const struct config_field fields[] = {
      {"tensor_parallel_size", CONFIG_WHOLE, false, &o->devices, 1, 64, NULL},
      {"data_parallel_size", CONFIG_WHOLE, false, &o->nodes, 1, 1024, NULL},
      {"max_num_seqs", CONFIG_WHOLE, true, &o->most_sequences, 1, 1 << 20, NULL},
      {"max_num_batched_tokens", CONFIG_WHOLE, true, &o->most_tokens, 1, 1 << 24, NULL},
      {"block_size", CONFIG_WHOLE, false, &o->block_size, 1, 1024, NULL},
      {0}};
  int status = open_object(&f, folder, "engine.json", "engine_kwargs", fields);
  if (!status && o->most_tokens < o->most_sequences)
    status = config_refuse(&f.file, "engine_kwargs.max_num_batched_tokens",
                           "is %u, expected at least max_num_seqs, %u", o->most_tokens, o->most_sequences);
  o->devices_from =
      place_of(&f, "engine_kwargs", "tensor_parallel_size", run->devices_from, sizeof run->devices_from);
  o->nodes_from =
      place_of(&f, "engine_kwargs", "data_parallel_size", run->nodes_from, sizeof run->nodes_from);
  return close_object(&f, status);
}

// Memory and links of the measured system, in the units of the file.
static int read_system(struct measured_run *run, const char *folder) {
  struct serving_options *o = &run->options;
  struct object_file f;
  double memory, utilisation = 0.9, link, latency;
  const struct config_field fields[] = {
      {"memory_gb", CONFIG_NUMBER, true, &memory, 1, 1e6, NULL},
      {"memory_utilisation", CONFIG_NUMBER, false, &utilisation, 1e-3, 1, NULL},
      {"link_gb_s", CONFIG_NUMBER, true, &link, 1e-3, 1e6, NULL},
      {"link_latency_ns", CONFIG_NUMBER, true, &latency, 0, 1e9, NULL},
      {0}};
  int status = open_object(&f, folder, "system.json", NULL, fields);
  if (!status)
    snprintf(run->memory_from, sizeof run->memory_from, "%s:%d", f.path, config_line(&f.file, "memory_gb"));
  status = close_object(&f, status);
  if (status) return status;
  o->memory_from = run->memory_from;
  o->memory = memory * utilisation * GIGA;
  o->link_rate = link * GIGA;
  o->link_latency = latency * NANO;
  return EXIT_GOOD;
}

int measured_run_read(struct measured_run *run, const char *folder) {
  *run = (struct measured_run){.options = {.system = "gpu",
                                           .mode = SERVING_FULL,
                                           .scheduler = SERVING_VLLM,
                                           .block_size = 16,
                                           .nodes = 1,
                                           .devices = 1,
                                           .batch = 1,
                                           .seed = 1}};
  const int length = snprintf(run->folder, sizeof run->folder, "%s", folder);
  if (length < 0 || (size_t)length >= sizeof run->folder - 16)
    return fail(EXIT_BAD_INPUT, "%s: expected a shorter name", folder);
  snprintf(run->model, sizeof run->model, "%.4000s/config.json", folder);
  run->options.model = run->model;
  run->options.profile = run->folder;
  int status = read_engine(run, folder);
  if (!status) status = read_system(run, folder);
  return status ? status : read_requests(run, folder);
}

void measured_run_free(struct measured_run *run) {
  serving_trace_free(&run->trace);
  waits_free(&run->waits);
}
