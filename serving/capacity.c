// SPDX-License-Identifier: Apache-2.0
// What the memory of a system has room for (docs/serving.md, "Where things are", "Two copies of each
// expert").
#include "serving/capacity.h"

#include <math.h>
#include <stdio.h>

#include "duplex/error.h"
#include "serving/byte_text.h"
#include "serving/config_file.h"
#include "serving/needs.h"
#include "serving/origin.h"
#include "serving/scheduler.h"

// The longest prompt, or with its output the longest request, that there can be; of a trace the one that it
// is.
struct longest {
  double tokens;
  const struct serving_trace_request *request;
};

static struct longest longest_of(const struct serving_options *options, bool output) {
  const double longest = options->deviation > 0 ? 2 : 1;
  struct longest most = {0};
  if (!options->trace)
    return (struct longest){longest * ((double)options->input + (output ? options->output : 0)), NULL};
  for (size_t i = 0; i < options->trace->count; i++) {
    const struct serving_trace_request *r = &options->trace->list[i];
    const double tokens = (double)r->input + (output ? r->output : 0);
    if (tokens > most.tokens) most = (struct longest){tokens, r};
  }
  return most;
}

// What the room for K and V is beside.
static const char *beside(const struct machine *m) {
  return m->copies > 1 ? "the weights of a node with two copies of each expert" : "the weights of a node";
}

// Positions in the cache of a request, in whole blocks where there are blocks.
static double places_of(const struct serving_options *options, double tokens) {
  const double block = options->scheduler == SERVING_VLLM ? options->block_size : 1;
  return block * ceil(tokens / block);
}

// That a node has room for so many bytes, which are not enough for the longest request: of a trace by its
// line, unless nothing at all has room.
static void refuse(const struct machine *m, const struct serving_options *options,
                   const struct longest *longest, double room, double token, char *error, size_t size) {
  const double needed = places_of(options, longest->tokens) * token;
  const unsigned digits = byte_text_digits(room, needed);
  const struct byte_text left = byte_text(room, digits);
  const struct byte_text taken = byte_text(needed, digits);
  char system[1024], model[512];
  config_where("models", options->model, MODEL_LAYERS, model, sizeof model);
  origin_tell_memory(options, system, sizeof system);
  if (longest->request && room > 0)
    snprintf(
        error, size,
        "%s:%zu: a request of %.0f tokens takes %s for K and V, expected at most the %s that are left of "
        "%s on %s beside %s",
        options->trace->path, longest->request->line, longest->tokens, taken.text, left.text, model, system,
        beside(m));
  else
    snprintf(error, size,
             "%s on %s: %s are left for K and V beside %s, expected %s for a request of %.0f tokens", model,
             system, left.text, beside(m), taken.text, longest->tokens);
}

// HETERO: the xPUs hold all weights but those of experts.
static int check_xpus(const struct machine *m, const struct serving_model *model,
                      const struct serving_options *options, char *error, size_t size) {
  const double room = machine_xpu_room(m, model);
  char system[1024], name[512];
  if (m->layout != LAYOUT_HETERO || room >= 0) return DUPLEX_OK;
  config_where("models", options->model, MODEL_LAYERS, name, sizeof name);
  origin_tell_memory(options, system, sizeof system);
  snprintf(error, size,
           "%s on %s: %s are left on the xPUs of a node beside the weights that are not experts, expected 0 "
           "or more",
           name, system, byte_text(room / m->nodes, 1).text);
  return DUPLEX_ERROR_OUT_OF_SPACE;
}

int capacity_check(const struct machine *m, const struct serving_model *model,
                   const struct serving_options *options, bool prompts_only, char *error, size_t size) {
  const struct longest longest = longest_of(options, !prompts_only);
  const struct scheduler_nodes nodes = {m->nodes, machine_kv_capacity(m, model), model_kv_bytes(model),
                                        prompts_only};
  const int status = check_xpus(m, model, options, error, size);
  if (status || scheduler_longest(options, &nodes) >= longest.tokens) return status;
  refuse(m, options, &longest, nodes.kv_capacity / nodes.nodes, nodes.kv_token, error, size);
  return DUPLEX_ERROR_OUT_OF_SPACE;
}

unsigned capacity_places(const struct machine *m, const struct serving_options *options) {
  const unsigned of_batch = (options->batch + m->nodes - 1) / m->nodes;
  if (options->scheduler == SERVING_STAGES) return of_batch;
  return serving_is_open(options) || of_batch > options->most_sequences ? options->most_sequences : of_batch;
}

// Whether two copies leave room for all requests that may be in flight.
static bool holds_copies(const struct machine *machine, const struct serving_model *model,
                         const struct serving_options *options) {
  struct machine twice = *machine;
  twice.copies = 2;
  const double room = machine_kv_capacity(&twice, model) / twice.nodes / model_kv_bytes(model);
  const double positions = places_of(options, longest_of(options, true).tokens);
  return !options->prefix_cache && capacity_places(machine, options) * positions <= room;
}

int capacity_set_copies(struct machine *m, const struct serving_model *model,
                        const struct serving_options *options, char *error, size_t size) {
  char why[700] = "a measured engine has one, expected no more";
  const bool divided = !options->profile && !needs_lacking(options, model, m, NEEDS_COPIES, why, sizeof why);
  if (options->copies > 1 && !divided) {
    snprintf(error, size, "two copies of each expert: %s", why);
    return DUPLEX_ERROR_ARGUMENT;
  }
  m->copies = options->copies;
  if (!m->copies) m->copies = divided && holds_copies(m, model, options) ? 2 : 1;
  return DUPLEX_OK;
}
