// SPDX-License-Identifier: Apache-2.0
// Statistics and routing of `duplex run`.
#include "cli/run_statistics.h"

#include <jansson.h>
#include <stdlib.h>

#include "cli/json_values.h"

static json_t *what_json(const struct option *options) {
  return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "schema_version", 1, "command", "run", "model",
                   option_value(options, "--model"), "backend", value_or(options, "--backend", "cmodel"),
                   "firmware", value_or(options, "--firmware", "native"), "policy",
                   value_or(options, "--policy", "best"), "partials", value_or(options, "--partials", "acc"));
}

static json_t *counts_json(const struct run_requests *requests, const struct generation_statistics *s) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "requests", (json_int_t)requests->count, "steps",
                   (json_int_t)s->steps, "prompt_tokens", (json_int_t)s->prompt_tokens, "new_tokens",
                   (json_int_t)s->new_tokens, "binary16_overflows", (json_int_t)s->sum.overflows,
                   "tokens_from_nan", (json_int_t)s->tokens_from_nan);
}

// Times of the modelled device, and of the host that modelled it.
static json_t *times_json(const struct generation_statistics *s, double seconds) {
  const struct network_times *times = &s->sum.times;
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "device_seconds", s->seconds,
                   "device_tokens_per_second", s->seconds > 0 ? (double)s->new_tokens / s->seconds : 0,
                   "xpu_seconds", (double)times->xpu_ps * 1e-12, "elements_seconds",
                   (double)times->elements_ps * 1e-12, "attention_seconds",
                   network_clock_seconds(times, times->attention_clocks), "moe_seconds",
                   network_clock_seconds(times, times->moe_clocks), "moe_bound_seconds",
                   network_clock_seconds(times, s->sum.moe_bound_clocks), "host_seconds", seconds,
                   "host_tokens_per_second", seconds > 0 ? (double)s->new_tokens / seconds : 0);
}

static json_t *experts_json(const struct generation_statistics *s) {
  return json_pack("{s:I, s:{s:I, s:I, s:I}}", "moe_layers", (json_int_t)s->sum.moe_layers, "experts",
                   "logic_pim", (json_int_t)s->sum.logic_pim_experts, "xpu", (json_int_t)s->sum.xpu_experts,
                   "shared", (json_int_t)s->sum.shared_experts);
}

struct sides_work run_work(const struct generation_statistics *s) {
  return (struct sides_work){s->sum.commands, s->sum.logic_pim_macs, s->sum.xpu_bytes, s->sum.xpu_macs};
}

// Work of both sides and its energy; without stacks there is no division between them, and no energy.
static json_t *energy_of_run_json(const struct option *options, const struct generation_statistics *s) {
  if (option_value(options, "--no-clocks")) return json_pack("{s:n}", "energy_j");
  const struct sides_work work = run_work(s);
  return json_pack("{s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:o, s:f}", "dram_commands", "act",
                   (json_int_t)work.commands.act, "rd", (json_int_t)work.commands.rd, "wr",
                   (json_int_t)work.commands.wr, "logic_pim_macs", (json_int_t)work.logic_pim_macs,
                   "xpu_macs", (json_int_t)work.xpu_macs, "xpu_bytes", (json_int_t)work.xpu_bytes, "energy_j",
                   sides_energy_json(&work), "energy_per_token_j",
                   s->new_tokens ? sides_energy(&work) / (double)s->new_tokens : 0);
}

// What sharing prefixes saves: tokens of prompts, bytes of K and V that decode attention reads, and their
// time.
static json_t *prefix_json(const struct generation_statistics *s) {
  return json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}}", "prefix", "count", (json_int_t)s->prefixes,
                   "tokens", (json_int_t)s->prefix_tokens, "prompt_tokens_saved", (json_int_t)s->saved_tokens,
                   "kv_bytes", (json_int_t)s->sum.kv_bytes, "kv_bytes_saved",
                   (json_int_t)(s->sum.unshared_kv_bytes - s->sum.kv_bytes), "prefill_seconds_saved_least",
                   s->saved_prefill_least, "prefill_seconds_saved_most", s->saved_prefill_most,
                   "stream_seconds_saved", s->saved_stream_seconds);
}

// Outputs of FFNs that were split, and how many the combination of MoE layers would have changed.
static json_t *split_json(const struct generation_statistics *s) {
  return json_pack("{s:{s:I, s:I, s:I}}", "split_ffn", "outputs", (json_int_t)s->sum.split_outputs,
                   "n7_changes_f32", (json_int_t)s->sum.split_changed_f32, "n7_changes_f16",
                   (json_int_t)s->sum.split_changed_f16);
}

int write_run_stats(const struct option *options, struct outputs *outputs,
                    const struct run_requests *requests, const struct generation_statistics *statistics,
                    double seconds) {
  json_t *parts[] = {what_json(options),
                     counts_json(requests, statistics),
                     times_json(statistics, seconds),
                     experts_json(statistics),
                     split_json(statistics),
                     prefix_json(statistics),
                     energy_of_run_json(options, statistics)};
  return write_json(option_value(options, "--stats"), outputs, parts, sizeof parts / sizeof *parts);
}

int routing_begin(struct routing *routing, unsigned experts) {
  routing->experts = experts;
  routing->stream = open_memstream(&routing->text, &routing->size);
  if (!routing->stream) return fail(EXIT_ERROR, "too little memory for the routing");
  fputs("layer,step,expert,tokens\n", routing->stream);
  return EXIT_GOOD;
}

void routing_note(struct routing *routing, size_t step, unsigned layer, const uint16_t *tokens) {
  for (unsigned expert = 0; expert < routing->experts; expert++)
    if (tokens[expert]) fprintf(routing->stream, "%u,%zu,%u,%u\n", layer, step, expert, tokens[expert]);
}

int routing_write(struct routing *routing, const struct option *options, struct outputs *outputs) {
  const char *path = option_value(options, "--record-routing");
  if (!path) return EXIT_GOOD;
  if (ferror(routing->stream) || fflush(routing->stream) != 0)
    return fail(EXIT_ERROR, "too little memory for the routing");
  return output_write(outputs, path, routing->text, routing->size);
}

void routing_free(struct routing *routing) {
  if (routing->stream) fclose(routing->stream);
  free(routing->text);
}
