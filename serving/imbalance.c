// SPDX-License-Identifier: Apache-2.0
// Popular experts (docs/serving.md, "Experts that are more popular").
#include "serving/imbalance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/imbalance_file.h"
#include "serving/routing.h"

#define EXPONENT_MOST 10.0
#define FRACTION_BITS 40u
#define ROOTS 24u              // square roots of a logarithm
#define SURE (1 - 1.0 / 4096)  // the most of all tokens that an expert is taken to have, when recorded
#define TRIED 262144u          // tokens by which shares are measured, of all kinds of layers together
#define TRIES 16u
#define STREAM 2u  // of the seed

// Experts of layers that are alike.
struct popularity {
  double *until;  // [experts]: sums of the popularities, up to 1
  double *share;  // [experts]: of the tokens, 0 to 1; they add up to top_k
};

struct imbalance {
  struct imbalance_model model;
  unsigned kinds;  // layer l is of the kind l modulo this
  struct popularity *kind;
  unsigned *order;  // [layers][experts]: which expert is the i-th of its kind; NULL: the i-th one
};

double imbalance_power(double x, double a) {
  double power = 1;
  double exponent = a < 0 ? -a : a;
  for (unsigned i = 0; i < (unsigned)exponent; i++) power *= x;
  exponent -= floor(exponent);
  for (unsigned bit = 0; bit < FRACTION_BITS; bit++) {
    x = sqrt(x);
    exponent *= 2;
    if (exponent < 1) continue;
    power *= x;
    exponent -= 1;
  }
  return a < 0 ? 1 / power : power;
}

// -ln(1 - share), from 0 to SURE: the popularity that gives an expert this share, when many are chosen.
static double popularity_of(double share) {
  double root = 1 / (1 - (share < SURE ? share : SURE));
  double steps = 1;
  for (unsigned i = 0; i < ROOTS; i++, steps *= 2) root = sqrt(root);
  return (root - 1) * steps;
}

static double own(const struct popularity *p, unsigned expert) {
  return p->until[expert] - (expert ? p->until[expert - 1] : 0);
}

// The first expert whose sum is beyond a number: without branches, as these would not be foreseen.
static unsigned find(const struct popularity *p, unsigned experts, double value) {
  unsigned first = 0;
  for (unsigned left = experts; left > 1; left -= left / 2)
    first += (p->until[first + left / 2 - 1] <= value) * (left / 2);
  return first;
}

// One that is not among the `count` that are chosen: drawn anew until it is none of them, and if that takes
// long, by what is left without them.
static unsigned draw_expert(const struct popularity *p, struct duplex_random *random, unsigned experts,
                            const unsigned *chosen, unsigned count) {
  const double all = p->until[experts - 1];
  for (unsigned i = 0; i < TRIES; i++) {
    const unsigned e = find(p, experts, duplex_random_unit(random) * all);
    if (!routing_is_among(chosen, count, e)) return e;
  }
  double left = all;
  for (unsigned i = 0; i < count; i++) left -= own(p, chosen[i]);
  left *= duplex_random_unit(random);
  unsigned last = 0;
  for (unsigned e = 0; e < experts && left >= 0; e++) {
    if (own(p, e) <= 0 || routing_is_among(chosen, count, e)) continue;
    last = e;
    left -= own(p, e);
  }
  return last;
}

static void draw_token(const struct imbalance *b, const struct popularity *p, struct duplex_random *random,
                       unsigned *counts) {
  unsigned chosen[ROUTING_TOP_K];
  for (unsigned i = 0; i < b->model.top_k; i++) {
    chosen[i] = draw_expert(p, random, b->model.experts, chosen, i);
    counts[chosen[i]]++;
  }
}

// From the normal distribution of the counts' means and variances, under the condition of their sum.
static void draw_many(const struct imbalance *b, const struct popularity *p, struct duplex_random *random,
                      unsigned tokens, unsigned *counts) {
  double value[ROUTING_EXPERTS], variance[ROUTING_EXPERTS];
  const unsigned experts = b->model.experts;
  double all = 0;
  double over = 0;
  long sum = 0;
  for (unsigned e = 0; e < experts; e++) all += tokens * p->share[e] * (1 - p->share[e]);
  for (unsigned e = 0; e < experts; e++) {
    const double own = tokens * p->share[e] * (1 - p->share[e]);
    variance[e] = own < all / 2 ? own / (1 - own / all) : 2 * own;
    value[e] = sqrt(variance[e]) * duplex_random_normal(random);
    over += value[e];
  }
  all = 0;
  for (unsigned e = 0; e < experts; e++) all += variance[e];
  for (unsigned e = 0; e < experts; e++) {
    const double drawn =
        floor(tokens * p->share[e] + value[e] - (all > 0 ? over * variance[e] / all : 0) + 0.5);
    counts[e] = drawn < 0 ? 0 : drawn > tokens ? tokens : (unsigned)drawn;
    sum += counts[e];
  }
  routing_settle(random, tokens, experts, p->share, sum - (long)tokens * b->model.top_k, counts);
}

void imbalance_draw(const struct imbalance *b, struct duplex_random *random, unsigned layer, unsigned tokens,
                    unsigned *counts) {
  unsigned drawn[ROUTING_EXPERTS];
  const unsigned experts = b->model.experts;
  const struct popularity *p = &b->kind[layer % b->kinds];
  if (routing_is_many(tokens, experts, b->model.top_k)) {
    draw_many(b, p, random, tokens, drawn);
  } else {
    memset(drawn, 0, experts * sizeof *drawn);
    for (unsigned t = 0; t < tokens; t++) draw_token(b, p, random, drawn);
  }
  for (unsigned e = 0; e < experts; e++)
    counts[b->order ? b->order[(size_t)layer * experts + e] : e] = drawn[e];
}

// Sums of the popularities in `until`, and the shares that they give, measured.
static void settle_kind(const struct imbalance *b, struct popularity *p, struct duplex_random *random) {
  unsigned counts[ROUTING_EXPERTS] = {0};
  const unsigned experts = b->model.experts;
  const unsigned tokens = TRIED / b->kinds > 8192 ? TRIED / b->kinds : 8192;
  for (unsigned e = 1; e < experts; e++) p->until[e] += p->until[e - 1];
  for (unsigned t = 0; t < tokens; t++) draw_token(b, p, random, counts);
  for (unsigned e = 0; e < experts; e++) p->share[e] = (double)counts[e] / tokens;
}

static int allocate(struct imbalance *b, unsigned kinds) {
  b->kinds = kinds;
  b->kind = calloc(kinds, sizeof *b->kind);
  if (!b->kind) return DUPLEX_ERROR_NO_MEMORY;
  for (unsigned i = 0; i < kinds; i++) {
    b->kind[i].until = calloc(b->model.experts, sizeof(double));
    b->kind[i].share = calloc(b->model.experts, sizeof(double));
    if (!b->kind[i].until || !b->kind[i].share) return DUPLEX_ERROR_NO_MEMORY;
  }
  return DUPLEX_OK;
}

// Another order of the experts in each layer (Fisher and Yates).
static int shuffle(struct imbalance *b, struct duplex_random *random) {
  const unsigned experts = b->model.experts;
  b->order = calloc((size_t)b->model.layers * experts, sizeof *b->order);
  if (!b->order) return DUPLEX_ERROR_NO_MEMORY;
  for (unsigned layer = 0; layer < b->model.layers; layer++) {
    unsigned *order = b->order + (size_t)layer * experts;
    for (unsigned e = 0; e < experts; e++) {
      const unsigned other = (unsigned)duplex_random_below(random, e + 1);
      order[e] = order[other];
      order[other] = e;
    }
  }
  return DUPLEX_OK;
}

// x of a uniform number u, from 1 to `most`, of the density x^-a.
static double power_law(double u, double a, double most) {
  if (a == 1) return imbalance_power(most, u);
  const double end = imbalance_power(most, 1 - a);
  const double at = 1 + u * (end - 1);
  return at >= 1 ? imbalance_power(at, 1 / (1 - a)) : imbalance_power(1 / at, 1 / (a - 1));
}

static int open_formula(struct imbalance *b, bool zipf, double a, struct duplex_random *random) {
  const unsigned experts = b->model.experts;
  int status = allocate(b, 1);
  if (!status) status = shuffle(b, random);
  if (status) return status;
  for (unsigned e = 0; e < experts; e++)
    b->kind->until[e] =
        zipf ? imbalance_power(e + 1.0, -a) : power_law(duplex_random_unit(random), a, experts);
  settle_kind(b, b->kind, random);
  return DUPLEX_OK;
}

// No more layers than the model has with experts; in each as many experts are used as a token chooses.
static int check_recorded(const struct imbalance *b, const struct recorded *r, const char *path, char *error,
                          size_t size) {
  if (r->layers > b->model.layers) {
    const unsigned first = b->model.layers;
    snprintf(
        error, size,
        "%s:%zu: layer %u is one more than the %u with experts that the model has, expected no more layers",
        path, r->lines[first], r->names[first], first);
    return DUPLEX_ERROR_FORMAT;
  }
  for (unsigned layer = 0; layer < r->layers; layer++) {
    unsigned used = 0;
    for (unsigned e = 0; e < b->model.experts; e++)
      used += r->tokens[(size_t)layer * b->model.experts + e] > 0;
    if (used >= b->model.top_k) continue;
    snprintf(error, size, "%s:%zu: %u experts of the layer have tokens, expected at least the %u of a token",
             path, r->lines[layer], used, b->model.top_k);
    return DUPLEX_ERROR_FORMAT;
  }
  return DUPLEX_OK;
}

// Takes each layer's popularities from a recorded routing.
static int open_recorded(struct imbalance *b, const char *path, struct duplex_random *random, char *error,
                         size_t size) {
  struct recorded r;
  const unsigned experts = b->model.experts;
  int status = recorded_read(&r, path, experts, error, size);
  if (!status) status = check_recorded(b, &r, path, error, size);
  if (!status) status = allocate(b, r.layers);
  for (unsigned layer = 0; layer < r.layers && !status; layer++) {
    const double *tokens = r.tokens + (size_t)layer * experts;
    double sum = 0;
    for (unsigned e = 0; e < experts; e++) sum += tokens[e];
    for (unsigned e = 0; e < experts; e++)
      b->kind[layer].until[e] =
          b->model.top_k > 1 ? popularity_of(tokens[e] * b->model.top_k / sum) : tokens[e];
    settle_kind(b, &b->kind[layer], random);
  }
  recorded_free(&r);
  return status;
}

// "name:A" with A from 0 to EXPONENT_MOST.
static int read_exponent(const char *what, const char *number, double *a, char *error, size_t size) {
  char *end;
  *a = strtod(number, &end);
  if (end != number && !*end && *a >= 0 && *a <= EXPONENT_MOST) return DUPLEX_OK;
  snprintf(error, size, "--imbalance %.80s: expected a number from 0 to %g behind the colon", what,
           EXPONENT_MOST);
  return DUPLEX_ERROR_ARGUMENT;
}

static bool is_zipf(const char *what) { return strncmp(what, "zipf:", 5) == 0; }
static bool is_power(const char *what) { return strncmp(what, "power:", 6) == 0; }

int imbalance_check(const char *what, char *error, size_t size) {
  struct recorded recorded;
  double a;
  if (strcmp(what, "uniform") == 0) return DUPLEX_OK;
  if (is_zipf(what) || is_power(what)) return read_exponent(what, strchr(what, ':') + 1, &a, error, size);
  const int status = recorded_read(&recorded, what, ROUTING_EXPERTS, error, size);
  recorded_free(&recorded);
  return status;
}

int imbalance_open(struct imbalance **imbalance, const char *what, const struct imbalance_model *model,
                   char *error, size_t size) {
  struct duplex_random random;
  double a;
  *imbalance = NULL;
  if (!what || strcmp(what, "uniform") == 0) return DUPLEX_OK;
  const bool zipf = is_zipf(what);
  const bool power = is_power(what);
  if ((zipf || power) && read_exponent(what, strchr(what, ':') + 1, &a, error, size))
    return DUPLEX_ERROR_ARGUMENT;
  struct imbalance *b = calloc(1, sizeof *b);
  *imbalance = b;
  snprintf(error, size, "too little memory");
  if (!b) return DUPLEX_ERROR_NO_MEMORY;
  b->model = *model;
  duplex_random_seed(&random, model->seed, STREAM);
  const int status =
      zipf || power ? open_formula(b, zipf, a, &random) : open_recorded(b, what, &random, error, size);
  if (!status) return DUPLEX_OK;
  imbalance_close(b);
  *imbalance = NULL;
  return status;
}

void imbalance_close(struct imbalance *b) {
  if (!b) return;
  for (unsigned i = 0; i < b->kinds && b->kind; i++) {
    free(b->kind[i].until);
    free(b->kind[i].share);
  }
  free(b->kind);
  free(b->order);
  free(b);
}
