// SPDX-License-Identifier: Apache-2.0
// Statistics and routing of `duplex run`.
#include "cli/run_statistics.h"

#include <jansson.h>
#include <stdlib.h>

#include "cli/json_values.h"

#define CLOCK_HERTZ 650e6

static json_t *what_json(const struct option *options) {
  return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "schema_version", 1, "command", "run", "model",
                   option_value(options, "--model"), "backend", value_or(options, "--backend", "cmodel"),
                   "firmware", value_or(options, "--firmware", "native"), "policy",
                   value_or(options, "--policy", "best"));
}

static json_t *counts_json(const struct run_requests *requests, const struct generation_statistics *s) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I}", "requests", (json_int_t)requests->count, "steps",
                   (json_int_t)s->steps, "prompt_tokens", (json_int_t)s->prompt_tokens, "new_tokens",
                   (json_int_t)s->new_tokens, "binary16_overflows", (json_int_t)s->sum.overflows);
}

// Times of the modelled device, and of the host that modelled it.
static json_t *times_json(const struct generation_statistics *s, double seconds) {
  const struct network_times *times = &s->sum.times;
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "device_seconds", s->seconds,
                   "device_tokens_per_second", s->seconds > 0 ? (double)s->new_tokens / s->seconds : 0,
                   "xpu_seconds", (double)times->xpu_ps * 1e-12, "attention_seconds",
                   (double)times->attention_clocks / CLOCK_HERTZ, "moe_seconds",
                   (double)times->moe_clocks / CLOCK_HERTZ, "moe_bound_seconds",
                   (double)s->sum.moe_bound_clocks / CLOCK_HERTZ, "host_seconds", seconds,
                   "host_tokens_per_second", seconds > 0 ? (double)s->new_tokens / seconds : 0);
}

static json_t *experts_json(const struct generation_statistics *s) {
  return json_pack("{s:I, s:{s:I, s:I, s:I}}", "moe_layers", (json_int_t)s->sum.moe_layers, "experts",
                   "logic_pim", (json_int_t)s->sum.logic_pim_experts, "xpu", (json_int_t)s->sum.xpu_experts,
                   "shared", (json_int_t)s->sum.shared_experts);
}

int write_run_stats(const struct option *options, struct outputs *outputs,
                    const struct run_requests *requests, const struct generation_statistics *statistics,
                    double seconds) {
  return write_json(option_value(options, "--stats"), outputs,
                    (json_t *[]){what_json(options), counts_json(requests, statistics),
                                 times_json(statistics, seconds), experts_json(statistics)},
                    4);
}

void routing_note(void *context, size_t step, unsigned layer, const uint16_t *tokens) {
  struct routing *routing = context;
  if (!routing->stream) {
    routing->stream = open_memstream(&routing->text, &routing->size);
    if (!routing->stream) return;
    fputs("layer,step,expert,tokens\n", routing->stream);
  }
  for (unsigned expert = 0; expert < routing->experts; expert++)
    if (tokens[expert]) fprintf(routing->stream, "%u,%zu,%u,%u\n", layer, step, expert, tokens[expert]);
}

int routing_write(struct routing *routing, const struct option *options, struct outputs *outputs) {
  const char *path = option_value(options, "--record-routing");
  if (!path) return EXIT_GOOD;
  if (routing->stream && fflush(routing->stream) != 0)
    return fail(EXIT_ERROR, "too little memory for the routing");
  return output_write(outputs, path, routing->text ? routing->text : "", routing->size);
}

void routing_free(struct routing *routing) {
  if (routing->stream) fclose(routing->stream);
  free(routing->text);
}
