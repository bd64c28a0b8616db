// SPDX-License-Identifier: Apache-2.0
// Measured times of an engine's layers (docs/serving.md, "Against a measured run").
#include "serving/profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/table_text.h"

#define NAME_MOST 40u
#define CELLS 5u
#define MICRO 1e-6

struct row {
  char name[NAME_MOST];  // "": of a table without layers
  double a, b, seconds;
  size_t line;
};

// By name, a, b.
struct table {
  struct row *rows;
  size_t count, room;
};

struct profile {
  struct table dense, sequences, prefill, decode, moe;
};

// What a line of a file has: its name or "", and its numbers.
struct cells {
  const char *name;
  double number[CELLS];
  size_t line;
};

// What a file has: columns, of which the first one is a name if `named`; where a row goes, NULL: nowhere.
struct layout {
  const char *file, *heads;
  unsigned cells;
  bool named;
  int (*add)(struct profile *profile, const struct cells *cells);
  int (*settle)(struct profile *profile, struct table_text *text);  // behind the last row
};

static int add_row(struct table *t, const struct cells *c, double a, double b, double time) {
  if (t->count == t->room) {
    const size_t room = t->room ? 2 * t->room : 256;
    struct row *rows = realloc(t->rows, room * sizeof *rows);
    if (!rows) return DUPLEX_ERROR_NO_MEMORY;
    t->rows = rows;
    t->room = room;
  }
  struct row *row = &t->rows[t->count++];
  *row = (struct row){.a = a, .b = b, .seconds = time * MICRO, .line = c->line};
  snprintf(row->name, sizeof row->name, "%s", c->name);
  return DUPLEX_OK;
}

static int add_dense(struct profile *p, const struct cells *c) {
  return add_row(&p->dense, c, 0, c->number[0], c->number[1]);
}
static int add_sequences(struct profile *p, const struct cells *c) {
  return add_row(&p->sequences, c, 0, c->number[0], c->number[1]);
}
static int add_attention(struct profile *p, const struct cells *c) {
  const double *n = c->number;
  if (n[2] == 0 && n[0] > 0) return add_row(&p->prefill, c, n[0], n[1], n[4]);
  if (n[0] == 0 && n[2] > 0) return add_row(&p->decode, c, n[2], n[3], n[4]);
  return DUPLEX_OK;
}
static int add_moe(struct profile *p, const struct cells *c) {
  if (c->number[0] == 0) return DUPLEX_OK;
  return add_row(&p->moe, c, c->number[0], c->number[1], c->number[2]);
}

static int by_key(const void *a, const void *b) {
  const struct row *left = a;
  const struct row *right = b;
  const int name = strcmp(left->name, right->name);
  if (name) return name;
  if (left->a != right->a) return left->a < right->a ? -1 : 1;
  return (left->b > right->b) - (left->b < right->b);
}

// A table that a file fills: `what` has to be in it, and nothing twice.
static int settle(struct table *t, const char *what, struct table_text *text) {
  if (t->count == 0) return table_text_refuse(text, "expected rows %s", what);
  qsort(t->rows, t->count, sizeof *t->rows, by_key);
  for (size_t i = 1; i < t->count; i++) {
    const size_t one = t->rows[i - 1].line;
    const size_t other = t->rows[i].line;
    if (by_key(&t->rows[i - 1], &t->rows[i]) != 0) continue;
    text->line = one > other ? one : other;
    return table_text_refuse(text, "expected a row of its own, found that of line %zu again",
                             one < other ? one : other);
  }
  return DUPLEX_OK;
}

static bool has_layer(const struct table *t, const char *name) {
  for (size_t i = 0; i < t->count; i++)
    if (strcmp(t->rows[i].name, name) == 0) return true;
  return false;
}

// Layers that do not run once a layer of the model: a name that is misspelt would be one that does.
static int settle_dense(struct profile *p, struct table_text *text) {
  static const char *const counted[] = {"embedding", "layernorm", "final_layernorm"};
  int status = settle(&p->dense, "of layers", text);
  for (unsigned i = 0; i < sizeof counted / sizeof *counted && !status; i++)
    if (!has_layer(&p->dense, counted[i]))
      status = table_text_refuse(text, "expected rows of %s", counted[i]);
  return status;
}
static int settle_sequences(struct profile *p, struct table_text *text) {
  return settle(&p->sequences, "of layers", text);
}
static int settle_attention(struct profile *p, struct table_text *text) {
  const int status = settle(&p->prefill, "of a prefill alone", text);
  return status ? status : settle(&p->decode, "of decoding alone", text);
}
static int settle_moe(struct profile *p, struct table_text *text) {
  return settle(&p->moe, "of experts", text);
}

static const struct layout layouts[] = {
    {"dense.csv", "layer,tokens,time_us", 3, true, add_dense, settle_dense},
    {"per_sequence.csv", "layer,sequences,time_us", 3, true, add_sequences, settle_sequences},
    {"attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us", 5, false, add_attention,
     settle_attention},
    {"moe.csv", "tokens,activated_experts,time_us", 3, false, add_moe, settle_moe}};
#define LAYOUTS (sizeof layouts / sizeof *layouts)

// Cuts a row into its name and its numbers.
static bool cut_row(char *line, const struct layout *layout, struct cells *cells) {
  char *at = line;
  cells->name = layout->named ? strsep(&at, ",") : "";
  if (layout->named && (!*cells->name || strlen(cells->name) >= NAME_MOST)) return false;
  for (unsigned i = 0; i < layout->cells - layout->named; i++) {
    const char *cell = strsep(&at, ",");
    double *number = &cells->number[i];
    if (!cell || !table_text_real(cell, number) || !(*number >= 0 && *number <= 1e12)) return false;
  }
  return !at;
}

static int read_row(struct profile *p, const struct layout *layout, const struct table_text *text) {
  struct cells cells = {.line = text->line};
  if (!cut_row(text->text, layout, &cells))
    return table_text_refuse(text, "expected numbers from 0 to 1e12 as in %s", layout->heads);
  const int status = layout->add(p, &cells);
  if (status) table_text_refuse(text, "too little memory");
  return status;
}

// Reads a table: the heads that the layout has, then a row each.
static int read_lines(struct profile *p, const struct layout *layout, struct table_text *text) {
  bool found;
  int status = table_text_next(text, &found);
  if (!status && (!found || strcmp(text->text, layout->heads) != 0))
    return table_text_refuse(text, "expected the columns %s", layout->heads);
  while (!status && found) {
    status = table_text_next(text, &found);
    if (!status && found) status = read_row(p, layout, text);
  }
  return status ? status : layout->settle(p, text);
}

static int read_file(struct profile *p, const struct layout *layout, const char *folder, char *error,
                     size_t size) {
  char path[4096];
  struct table_text text;
  snprintf(path, sizeof path, "%s/%s", folder, layout->file);
  int status = table_text_open_again(&text, path, "a table of times", error, size);
  if (!status) status = read_lines(p, layout, &text);
  table_text_close(&text);
  return status;
}

int profile_open(struct profile **profile, const char *folder, bool experts, char *error, size_t size) {
  struct profile *p = calloc(1, sizeof *p);
  *profile = p;
  snprintf(error, size, "too little memory");
  int status = p ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  for (unsigned i = 0; i < LAYOUTS - !experts && !status; i++)
    status = read_file(p, &layouts[i], folder, error, size);
  if (!status) return DUPLEX_OK;
  profile_close(p);
  *profile = NULL;
  return status;
}

void profile_close(struct profile *p) {
  if (!p) return;
  free(p->dense.rows);
  free(p->sequences.rows);
  free(p->prefill.rows);
  free(p->decode.rows);
  free(p->moe.rows);
  free(p);
}

// The time at x, of two points: straight between them, proportional beyond.
static double between(double x0, double t0, double x1, double t1, double x) {
  if (x <= x0 || x0 == x1) return t0;
  return x < x1 ? t0 + (t1 - t0) * (x - x0) / (x1 - x0) : t1 * (x / x1);
}

// By b, of rows of one name and one a.
static double by_b(const struct row *rows, size_t count, double b) {
  size_t next = 0;
  while (next < count && rows[next].b < b) next++;
  if (next == 0) return rows[0].seconds;
  if (next == count)
    return rows[count - 1].b > 0 ? rows[count - 1].seconds * (b / rows[count - 1].b)
                                 : rows[count - 1].seconds;
  return between(rows[next - 1].b, rows[next - 1].seconds, rows[next].b, rows[next].seconds, b);
}

static size_t end_of(const struct table *t, size_t first) {
  size_t end = first + 1;
  while (end < t->count && strcmp(t->rows[end].name, t->rows[first].name) == 0 &&
         t->rows[end].a == t->rows[first].a)
    end++;
  return end;
}

// By both, of a table without names.
static double by_both(const struct table *t, double a, double b) {
  size_t below = 0;
  size_t end = end_of(t, 0);
  while (end < t->count && t->rows[end].a <= a) {
    below = end;
    end = end_of(t, end);
  }
  const double t0 = by_b(t->rows + below, end - below, b);
  if (t->rows[below].a >= a) return t0;
  if (end == t->count) return t0 * (a / t->rows[below].a);
  return between(t->rows[below].a, t0, t->rows[end].a, by_b(t->rows + end, end_of(t, end) - end, b), a);
}

// How often a dense layer is computed in a step.
static double times_of(const char *name, unsigned layers) {
  if (strcmp(name, "embedding") == 0 || strcmp(name, "final_layernorm") == 0) return 1;
  return strcmp(name, "layernorm") == 0 ? 2.0 * layers : layers;
}

double profile_dense(const struct profile *p, unsigned layers, double tokens, double sequences) {
  double sum = 0;
  if (tokens == 0) return 0;
  for (size_t at = 0, end; at < p->dense.count; at = end) {
    end = end_of(&p->dense, at);
    sum += times_of(p->dense.rows[at].name, layers) * by_b(p->dense.rows + at, end - at, tokens);
  }
  for (size_t at = 0, end; at < p->sequences.count && sequences > 0; at = end) {
    end = end_of(&p->sequences, at);
    sum += by_b(p->sequences.rows + at, end - at, sequences);
  }
  return sum;
}

double profile_prefill(const struct profile *p, unsigned before, unsigned tokens) {
  return by_both(&p->prefill, tokens, before);
}

double profile_decode(const struct profile *p, unsigned sequences, double positions) {
  return sequences ? by_both(&p->decode, sequences, positions / sequences) : 0;
}

double profile_experts(const struct profile *p, const unsigned *counts, unsigned experts, unsigned devices,
                       unsigned top_k) {
  double slowest = 0;
  const unsigned of_device = experts / devices;
  for (unsigned d = 0; d < devices; d++) {
    double tokens = 0;
    double activated = 0;
    for (unsigned e = d * of_device; e < (d + 1) * of_device; e++) {
      tokens += counts[e];
      activated += counts[e] > 0;
    }
    const double seconds = tokens > 0 ? by_both(&p->moe, tokens / top_k, activated) : 0;
    slowest = fmax(slowest, seconds);
  }
  return slowest;
}
