// SPDX-License-Identifier: Apache-2.0
// How the experts of a machine lie (docs/serving.md, "Where experts lie on a device").
#include "serving/placement.h"

#include "duplex/error.h"
#include "serving/usual.h"

#define COMPARED 32u        // layers of each kind of stages by which ways are compared,
#define COMPARED_STREAM 2u  // and their random numbers

enum { ONCE, TWICE, STRIPED, WAYS };

struct chooser {
  struct machine *machine;
  const struct serving_model *model;
  const struct serving_options *options;
  placement_draw *draw;
  void *context;
  struct measured *way[WAYS];  // NULL: not to be had
};

// Seconds of layers of the usual stages: of those that only decode and of the others by their shares.
static double seconds_of_layers(const struct chooser *c, struct measured *measured) {
  const struct usual usual = usual_of(c->machine, c->options);
  struct duplex_random random;
  double seconds = 0;
  duplex_random_seed(&random, c->options->seed, COMPARED_STREAM);
  for (unsigned i = 0; i < 2 * COMPARED; i++) {
    const bool mixed = i >= COMPARED;
    const double share = mixed ? usual.mixed : usual.decoding_only;
    if (share == 0) continue;
    const unsigned tokens = mixed ? usual_mixed_tokens(&usual, &random) : usual_decoding_tokens(&usual);
    const unsigned *counts = c->draw(c->context, &random, i % model_moe_layers(c->model), tokens);
    seconds += share * measured_seconds(measured, counts);
  }
  return seconds;
}

// The way in which layers take least time; the first of those that take as long.
static unsigned fastest(const struct chooser *c) {
  double least = 0;
  unsigned best = WAYS;
  for (unsigned i = 0; i < WAYS; i++) {
    const double seconds = c->way[i] ? seconds_of_layers(c, c->way[i]) : 0;
    const double wins = i == STRIPED ? least / SCHEDULE_STRIPED_GAIN : 0;
    if (!c->way[i] || (best < WAYS && seconds >= least - wins)) continue;
    best = i;
    least = seconds;
  }
  return best;
}

// Opens the ways that are to be had.
static int open_ways(struct chooser *c, char *error, size_t size) {
  int status = DUPLEX_OK;
  if (c->machine->copies > 1)
    status = measured_open(&c->way[TWICE], c->machine, c->model, c->options, error, size);
  if (status) return status;
  if (c->way[TWICE] && !measured_has_copies(c->way[TWICE])) {
    c->way[ONCE] = c->way[TWICE];
    c->way[TWICE] = NULL;
  }
  if (c->way[TWICE] && c->options->copies) return DUPLEX_OK;
  c->machine->copies = 1;
  if (!c->way[ONCE]) status = measured_open(&c->way[ONCE], c->machine, c->model, c->options, error, size);
  return status ? status : measured_stripe(c->way[ONCE], &c->way[STRIPED], c->options, error, size);
}

int placement_open(struct measured **measured, struct machine *machine, const struct serving_model *model,
                   const struct serving_options *options, placement_draw *draw, void *context, char *error,
                   size_t size) {
  struct chooser c = {machine, model, options, draw, context, {NULL}};
  const int status = open_ways(&c, error, size);
  const unsigned best = status ? WAYS : fastest(&c);
  for (unsigned i = 0; i < WAYS; i++)
    if (i != best) measured_close(c.way[i]);
  if (status) return status;
  *measured = c.way[best];
  machine->copies = best == TWICE ? 2 : 1;
  return DUPLEX_OK;
}
