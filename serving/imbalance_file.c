// SPDX-License-Identifier: Apache-2.0
// Reads what `duplex run --record-routing` writes.
#include "serving/imbalance_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"

#define LAYERS_MOST 4096u
#define DIGITS_MOST 10u

struct reader {
  const char *path;
  unsigned experts;
  size_t line;
  double *sums[LAYERS_MOST];  // [experts] of a layer that has rows
  char *error;
  size_t size;
};

static int refuse(const struct reader *r, const char *what) {
  snprintf(r->error, r->size, "%s:%zu: expected %s", r->path, r->line, what);
  return DUPLEX_ERROR_FORMAT;
}

// A whole number and the character behind it.
static bool read_number(const char **at, char behind, unsigned long *value) {
  const size_t digits = strspn(*at, "0123456789");
  if (digits == 0 || digits > DIGITS_MOST || (*at)[digits] != behind) return false;
  *value = strtoul(*at, NULL, 10);
  *at += digits + 1;
  return true;
}

static int add(struct reader *r, unsigned long layer, unsigned long expert, unsigned long tokens) {
  if (layer >= LAYERS_MOST) return refuse(r, "a layer below 4096");
  if (expert >= r->experts) return refuse(r, "an expert that the served model has");
  if (tokens == 0) return refuse(r, "tokens of an expert, 1 or more");
  if (!r->sums[layer]) r->sums[layer] = calloc(r->experts, sizeof **r->sums);
  if (!r->sums[layer]) {
    snprintf(r->error, r->size, "%s: too little memory", r->path);
    return DUPLEX_ERROR_NO_MEMORY;
  }
  r->sums[layer][expert] += (double)tokens;
  return DUPLEX_OK;
}

static int read_row(struct reader *r, const char *line) {
  unsigned long layer, step, expert, tokens;
  const char *at = line;
  if (!read_number(&at, ',', &layer) || !read_number(&at, ',', &step) || !read_number(&at, ',', &expert) ||
      !read_number(&at, '\n', &tokens))
    return refuse(r, "four whole numbers: layer,step,expert,tokens");
  return add(r, layer, expert, tokens);
}

static int read_lines(struct reader *r, FILE *file) {
  char *line = NULL;
  size_t room = 0;
  int error = DUPLEX_OK;
  for (r->line = 1; !error && getline(&line, &room, file) >= 0; r->line++) {
    if (r->line > 1)
      error = read_row(r, line);
    else if (strcmp(line, "layer,step,expert,tokens\n") != 0)
      error = refuse(r, "the columns layer,step,expert,tokens");
  }
  free(line);
  if (!error && r->line < 3) error = refuse(r, "rows");
  return error;
}

static int collect(const struct reader *r, struct recorded *recorded) {
  for (unsigned i = 0; i < LAYERS_MOST; i++) recorded->layers += r->sums[i] != NULL;
  recorded->tokens = malloc((size_t)recorded->layers * r->experts * sizeof *recorded->tokens);
  if (!recorded->tokens) {
    snprintf(r->error, r->size, "%s: too little memory", r->path);
    return DUPLEX_ERROR_NO_MEMORY;
  }
  double *to = recorded->tokens;
  for (unsigned i = 0; i < LAYERS_MOST; i++) {
    if (!r->sums[i]) continue;
    memcpy(to, r->sums[i], r->experts * sizeof *to);
    to += r->experts;
  }
  return DUPLEX_OK;
}

int recorded_read(struct recorded *recorded, const char *path, unsigned experts, char *error, size_t size) {
  struct reader *r = calloc(1, sizeof *r);
  FILE *file = fopen(path, "re");
  int status = DUPLEX_OK;
  *recorded = (struct recorded){0};
  if (!r) {
    snprintf(error, size, "%s: too little memory", path);
    status = DUPLEX_ERROR_NO_MEMORY;
  } else if (!file) {
    snprintf(error, size, "%s: %s, expected uniform, zipf:A, power:A or a file of recorded routing", path,
             strerror(errno));
    status = DUPLEX_ERROR_IO;
  } else {
    r->path = path;
    r->experts = experts;
    r->error = error;
    r->size = size;
    status = read_lines(r, file);
    if (!status) status = collect(r, recorded);
    for (unsigned i = 0; i < LAYERS_MOST; i++) free(r->sums[i]);
  }
  if (file) fclose(file);
  free(r);
  return status;
}

void recorded_free(struct recorded *recorded) {
  free(recorded->tokens);
  *recorded = (struct recorded){0};
}
