// SPDX-License-Identifier: Apache-2.0
// Measured times of an engine's layers (docs/serving.md, "Against a measured run").
#include "serving/profile.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"

#define NAME_MOST 40u
#define CELLS 5u
#define MICRO 1e-6

struct row {
  char name[NAME_MOST];  // "": of a table without layers
  double a, b, seconds;
};

// By name, a, b.
struct table {
  struct row *rows;
  size_t count, room;
};

struct profile {
  struct table dense, sequences, prefill, decode, moe;
};

// What a file has: columns, of which the first one is a name if `named`; where a row goes, NULL: nowhere.
struct layout {
  const char *file, *heads;
  unsigned cells;
  bool named;
  int (*add)(struct profile *profile, const char *name, const double *numbers);
};

static int add_row(struct table *t, const char *name, double a, double b, double time) {
  if (t->count == t->room) {
    const size_t room = t->room ? 2 * t->room : 256;
    struct row *rows = realloc(t->rows, room * sizeof *rows);
    if (!rows) return DUPLEX_ERROR_NO_MEMORY;
    t->rows = rows;
    t->room = room;
  }
  struct row *row = &t->rows[t->count++];
  *row = (struct row){.a = a, .b = b, .seconds = time * MICRO};
  snprintf(row->name, sizeof row->name, "%s", name);
  return DUPLEX_OK;
}

static int add_dense(struct profile *p, const char *name, const double *n) {
  return add_row(&p->dense, name, 0, n[0], n[1]);
}
static int add_sequences(struct profile *p, const char *name, const double *n) {
  return add_row(&p->sequences, name, 0, n[0], n[1]);
}
static int add_attention(struct profile *p, const char *name, const double *n) {
  if (n[2] == 0 && n[0] > 0) return add_row(&p->prefill, name, n[0], n[1], n[4]);
  if (n[0] == 0 && n[2] > 0) return add_row(&p->decode, name, n[2], n[3], n[4]);
  return DUPLEX_OK;
}
static int add_moe(struct profile *p, const char *name, const double *n) {
  return add_row(&p->moe, name, n[0], n[1], n[2]);
}

static const struct layout layouts[] = {
    {"dense.csv", "layer,tokens,time_us", 3, true, add_dense},
    {"per_sequence.csv", "layer,sequences,time_us", 3, true, add_sequences},
    {"attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us", 5, false, add_attention},
    {"moe.csv", "tokens,activated_experts,time_us", 3, false, add_moe}};
#define LAYOUTS (sizeof layouts / sizeof *layouts)

// Cuts a row into its name and its numbers.
static bool read_row(char *line, const struct layout *layout, const char **name, double numbers[CELLS]) {
  char *at = line;
  unsigned first = 0;
  *name = "";
  if (layout->named) {
    *name = strsep(&at, ",");
    first = 1;
    if (!**name || strlen(*name) >= NAME_MOST) return false;
  }
  for (unsigned i = first; i < layout->cells; i++) {
    const char *cell = strsep(&at, ",");
    char *end;
    if (!cell || !*cell) return false;
    numbers[i - first] = strtod(cell, &end);
    if (*end || !(numbers[i - first] >= 0 && numbers[i - first] <= 1e12)) return false;
  }
  return !at;
}

// Reads a table of kernels: the heads that the layout has, then a row each.
static int read_lines(struct profile *p, const struct layout *layout, FILE *file, const char *path,
                      char *error, size_t size) {
  char *line = NULL;
  size_t room = 0, number = 1;
  int status = DUPLEX_OK;
  for (; !status && getline(&line, &room, file) >= 0; number++) {
    double numbers[CELLS];
    const char *name;
    line[strcspn(line, "\r\n")] = 0;
    const bool good = number == 1 ? strcmp(line, layout->heads) == 0 : read_row(line, layout, &name, numbers);
    if (good && number > 1) status = layout->add(p, name, numbers);
    if (good && !status) continue;
    snprintf(error, size, "%s:%zu: %s%s", path, number,
             good          ? "too little memory"
             : number == 1 ? "expected the columns "
                           : "expected numbers as in ",
             good ? "" : layout->heads);
    if (!good) status = DUPLEX_ERROR_FORMAT;
  }
  free(line);
  return status;
}

static int read_file(struct profile *p, const struct layout *layout, const char *folder, char *error,
                     size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, layout->file);
  FILE *file = fopen(path, "re");
  if (!file) {
    snprintf(error, size, "%s: %s, expected a table of times", path, strerror(errno));
    return DUPLEX_ERROR_IO;
  }
  const int status = read_lines(p, layout, file, path, error, size);
  fclose(file);
  return status;
}

static int by_key(const void *a, const void *b) {
  const struct row *left = a, *right = b;
  const int name = strcmp(left->name, right->name);
  if (name) return name;
  if (left->a != right->a) return left->a < right->a ? -1 : 1;
  return (left->b > right->b) - (left->b < right->b);
}

static int settle(struct table *t, const char *what, const char *folder, char *error, size_t size) {
  if (t->count == 0) {
    snprintf(error, size, "%s: expected rows of %s", folder, what);
    return DUPLEX_ERROR_FORMAT;
  }
  qsort(t->rows, t->count, sizeof *t->rows, by_key);
  return DUPLEX_OK;
}

int profile_open(struct profile **profile, const char *folder, bool experts, char *error, size_t size) {
  struct profile *p = calloc(1, sizeof *p);
  *profile = p;
  snprintf(error, size, "too little memory");
  int status = p ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  for (unsigned i = 0; i < LAYOUTS - !experts && !status; i++)
    status = read_file(p, &layouts[i], folder, error, size);
  if (!status) status = settle(&p->dense, "dense.csv", folder, error, size);
  if (!status) status = settle(&p->sequences, "per_sequence.csv", folder, error, size);
  if (!status) status = settle(&p->prefill, "attention.csv with a prefill alone", folder, error, size);
  if (!status) status = settle(&p->decode, "attention.csv with decoding alone", folder, error, size);
  if (!status && experts) status = settle(&p->moe, "moe.csv", folder, error, size);
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
  size_t below = 0, end = end_of(t, 0);
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
    double tokens = 0, activated = 0;
    for (unsigned e = d * of_device; e < (d + 1) * of_device; e++) {
      tokens += counts[e];
      activated += counts[e] > 0;
    }
    const double seconds = tokens > 0 ? by_both(&p->moe, tokens / top_k, activated) : 0;
    slowest = fmax(slowest, seconds);
  }
  return slowest;
}
