// SPDX-License-Identifier: Apache-2.0
// Reads what `duplex run --record-routing` writes.
#include "serving/imbalance_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/table_text.h"

#define LAYERS_MOST 4096u
#define DIGITS_MOST 10u

// What is read of an expert of a layer: the tokens of all steps, and the step behind the last one.
struct recorded_expert {
  double tokens;
  uint64_t next_step;
};

struct reader {
  struct table_text table;
  unsigned experts;
  struct recorded_expert *of_layer[LAYERS_MOST];  // [experts] of a layer that has rows,
  size_t lines[LAYERS_MOST];                      // and the line of the first one
};

static int no_memory(const struct reader *r) {
  table_text_refuse(&r->table, "too little memory");
  return DUPLEX_ERROR_NO_MEMORY;
}

// A whole number and the character behind it.
static bool read_number(const char **at, char behind, unsigned long *value) {
  const size_t digits = strspn(*at, "0123456789");
  if (digits == 0 || digits > DIGITS_MOST || (*at)[digits] != behind) return false;
  *value = strtoul(*at, NULL, 10);
  *at += digits + 1;
  return true;
}

// Adds a row; the steps of an expert of a layer rise from row to row, so that none is counted twice.
static int add(struct reader *r, unsigned long layer, unsigned long step, unsigned long expert,
               unsigned long tokens) {
  if (layer >= LAYERS_MOST)
    return table_text_refuse(&r->table, "layer is %lu, expected a number from 0 to %u", layer,
                             LAYERS_MOST - 1);
  if (expert >= r->experts)
    return table_text_refuse(&r->table, "expert is %lu, expected one of the model's, 0 to %u", expert,
                             r->experts - 1);
  if (tokens == 0) return table_text_refuse(&r->table, "tokens is 0, expected 1 or more");
  if (!r->of_layer[layer]) {
    r->of_layer[layer] = calloc(r->experts, sizeof **r->of_layer);
    r->lines[layer] = r->table.line;
  }
  if (!r->of_layer[layer]) return no_memory(r);
  struct recorded_expert *sum = &r->of_layer[layer][expert];
  if (step < sum->next_step)
    return table_text_refuse(
        &r->table,
        "step %lu of layer %lu, expert %lu is not behind the one before it: expected rising steps, each once",
        step, layer, expert);
  sum->tokens += (double)tokens;
  sum->next_step = (uint64_t)step + 1;
  return DUPLEX_OK;
}

static int read_row(struct reader *r) {
  unsigned long layer, step, expert, tokens;
  const char *at = r->table.text;
  if (!read_number(&at, ',', &layer) || !read_number(&at, ',', &step) || !read_number(&at, ',', &expert) ||
      !read_number(&at, 0, &tokens))
    return table_text_refuse(&r->table, "expected four whole numbers: layer,step,expert,tokens");
  return add(r, layer, step, expert, tokens);
}

static int read_lines(struct reader *r) {
  static const char heads[] = "layer,step,expert,tokens";
  bool found;
  int error = table_text_next(&r->table, &found);
  if (!error && (!found || strcmp(r->table.text, heads) != 0))
    return table_text_refuse(&r->table, "expected the columns %s", heads);
  while (!error && found) {
    error = table_text_next(&r->table, &found);
    if (!error && found) error = read_row(r);
  }
  if (!error && r->table.line < 2) error = table_text_refuse(&r->table, "expected rows");
  return error;
}

// Layers that have rows, in the order of their numbers.
static int collect(const struct reader *r, struct recorded *recorded) {
  for (unsigned i = 0; i < LAYERS_MOST; i++) recorded->layers += r->of_layer[i] != NULL;
  recorded->tokens = malloc((size_t)recorded->layers * r->experts * sizeof *recorded->tokens);
  recorded->names = malloc(recorded->layers * sizeof *recorded->names);
  recorded->lines = malloc(recorded->layers * sizeof *recorded->lines);
  if (!recorded->tokens || !recorded->names || !recorded->lines) return no_memory(r);
  double *to = recorded->tokens;
  unsigned layer = 0;
  for (unsigned i = 0; i < LAYERS_MOST; i++) {
    if (!r->of_layer[i]) continue;
    for (unsigned e = 0; e < r->experts; e++) *to++ = r->of_layer[i][e].tokens;
    recorded->names[layer] = i;
    recorded->lines[layer++] = r->lines[i];
  }
  return DUPLEX_OK;
}

int recorded_read(struct recorded *recorded, const char *path, unsigned experts, char *error, size_t size) {
  struct reader *r = calloc(1, sizeof *r);
  *recorded = (struct recorded){0};
  snprintf(error, size, "%s: too little memory", path);
  if (!r) return DUPLEX_ERROR_NO_MEMORY;
  r->experts = experts;
  int status = table_text_open_again(&r->table, path,
                                     "uniform, zipf:A, power:A or a file of recorded routing", error, size);
  if (!status) status = read_lines(r);
  if (!status) status = collect(r, recorded);
  for (unsigned i = 0; i < LAYERS_MOST; i++) free(r->of_layer[i]);
  table_text_close(&r->table);
  free(r);
  return status;
}

void recorded_free(struct recorded *recorded) {
  free(recorded->tokens);
  free(recorded->names);
  free(recorded->lines);
  *recorded = (struct recorded){0};
}
