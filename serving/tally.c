// SPDX-License-Identifier: Apache-2.0
// What is measured of a run.
#include "serving/tally.h"

#include "serving/stage.h"

static void note(struct tally *t, struct samples *samples, double value, double weight) {
  const int error = weight > 0 ? samples_add(samples, value, weight) : 0;
  if (!t->error) t->error = error;
}

void tally_stage(struct tally *t, const struct serving_cost *cost, unsigned decoding, unsigned prefills,
                 double weight, double now) {
  t->result->stages++;
  stage_add_cost(&t->result->sum, cost);
  t->result->decoding_only += !prefills;
  stage_add_cost(prefills ? &t->result->mixed_cost : &t->result->decoding_cost, cost);
  note(t, &t->tbt, cost->seconds, weight);
  if (!t->options->on_stage) return;
  const struct serving_stage stage = {t->result->stages, now, cost->seconds, decoding, prefills,
                                      t->prefill_half,   cost};
  t->options->on_stage(t->options->context, &stage);
}

void tally_gap(struct tally *t, double seconds) { note(t, &t->tbt, seconds, 1); }

void tally_first(struct tally *t, const struct request *request) {
  note(t, &t->t2ft, request->first - request->arrival, 1);
}

// Within the limits of the options.
static bool is_good(const struct serving_options *o, const struct request *r, double now) {
  const double others = r->output > 1 ? (now - r->first) / (r->output - 1) : 0;
  return (o->limit_first == 0 || r->first - r->arrival <= o->limit_first) &&
         (o->limit_token == 0 || others <= o->limit_token);
}

void tally_end(struct tally *t, const struct request *request, bool whole, double now) {
  t->result->requests += 1;
  if (!whole) return;
  const struct serving_request told = {request->number,
                                       request->arrival,
                                       request->first,
                                       now,
                                       request->input,
                                       request->output,
                                       is_good(t->options, request, now)};
  t->result->good += told.good;
  note(t, &t->e2e, now - request->arrival, 1);
  if (t->options->on_request) t->options->on_request(t->options->context, &told);
}

int tally_close(struct tally *t) {
  struct serving_result *r = t->result;
  r->tbt = samples_percentiles(&t->tbt);
  r->t2ft = samples_percentiles(&t->t2ft);
  r->e2e = samples_percentiles(&t->e2e);
  r->throughput = r->seconds > 0 ? r->tokens / r->seconds : 0;
  samples_free(&t->tbt);
  samples_free(&t->t2ft);
  samples_free(&t->e2e);
  return t->error;
}
