// SPDX-License-Identifier: Apache-2.0
// Samples with weights, and their exact percentiles.
#include "serving/samples.h"

#include <stdlib.h>

#include "duplex/error.h"

int samples_add(struct samples *s, double value, double weight) {
  if (s->count == s->room) {
    const size_t room = s->room ? 2 * s->room : 1024;
    struct sample *list = realloc(s->list, room * sizeof *list);
    if (!list) return DUPLEX_ERROR_NO_MEMORY;
    s->list = list;
    s->room = room;
  }
  s->list[s->count++] = (struct sample){value, weight};
  return DUPLEX_OK;
}

// Equal values by their weight: sums do not depend on the order that qsort leaves equal ones in.
static int by_value(const void *a, const void *b) {
  const struct sample *left = a;
  const struct sample *right = b;
  if (left->value != right->value) return left->value > right->value ? 1 : -1;
  return (left->weight > right->weight) - (left->weight < right->weight);
}

static double at(const struct samples *s, double weight) {
  double sum = 0;
  for (size_t i = 0; i < s->count; i++) {
    sum += s->list[i].weight;
    if (sum >= weight) return s->list[i].value;
  }
  return s->count ? s->list[s->count - 1].value : 0;
}

struct serving_percentiles samples_percentiles(struct samples *s) {
  double all = 0;
  double weighted = 0;
  if (s->count) qsort(s->list, s->count, sizeof *s->list, by_value);
  for (size_t i = 0; i < s->count; i++) {
    all += s->list[i].weight;
    weighted += s->list[i].weight * s->list[i].value;
  }
  return (struct serving_percentiles){at(s, 0.5 * all), at(s, 0.9 * all), at(s, 0.99 * all),
                                      all > 0 ? weighted / all : 0, (size_t)all};
}

void samples_free(struct samples *s) {
  free(s->list);
  *s = (struct samples){0};
}
