// SPDX-License-Identifier: Apache-2.0
// A run of the simulator: system and model are read, stages run, results made.
#include "serving/serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/engine.h"
#include "serving/scheduler.h"

// AUTHORS: a full batch decodes for ever, at a fixed number of positions.
static void run_decoding(const struct serving_options *options, struct stage_model *stage,
                         struct node_load *loads, struct tally *tally) {
  const unsigned nodes = stage->machine->nodes;
  const double mean = (options->input + (double)options->output) / 2;
  struct serving_cost cost;
  for (unsigned n = 0; n < nodes; n++) {
    loads[n].decoding = options->batch / nodes + (n < options->batch % nodes);
    loads[n].positions = loads[n].decoding * mean * stage->machine->context_share;
  }
  for (unsigned i = 0; i < options->measured; i++) {
    stage_run(stage, loads, &cost);
    tally->result->tokens += options->batch;
    tally->result->seconds += cost.seconds;
    tally_stage(tally, &cost, options->batch, 0, options->batch, tally->result->seconds);
    tally->result->all_stages++;
  }
  tally->result->batch = options->batch;
}

// Tokens of the longest request that there can be.
static double longest_of(const struct serving_options *options) {
  const double longest = options->deviation > 0 ? 2 : 1;
  double tokens = longest * ((double)options->input + options->output);
  if (!options->trace) return tokens;
  tokens = 0;
  for (size_t i = 0; i < options->trace->count; i++) {
    const struct serving_trace_request *r = &options->trace->list[i];
    tokens = (double)r->input + r->output > tokens ? (double)r->input + r->output : tokens;
  }
  return tokens;
}

// The longest request has to fit an empty system.
static int check_capacity(const struct serving_options *options, const struct stage_model *stage,
                          double capacity, char *error, size_t size) {
  const double tokens = longest_of(options);
  const struct scheduler_nodes nodes = {stage->machine->nodes, capacity, model_kv_bytes(stage->model)};
  const double needed = tokens * nodes.kv_token;
  if (scheduler_longest(options, &nodes) >= tokens) return DUPLEX_OK;
  snprintf(error, size,
           "%s on %s: %.1f GB are left for K and V beside the weights, expected %.1f GB for a request of "
           "%.0f tokens",
           options->model, options->system, capacity / 1e9, needed / 1e9, tokens);
  return DUPLEX_ERROR_OUT_OF_SPACE;
}

static int run(const struct serving_options *options, struct stage_model *stage, struct tally *tally,
               char *error, size_t size) {
  const int status = check_capacity(options, stage, tally->result->kv_capacity, error, size);
  if (status) return status;
  if (options->mode != SERVING_AUTHORS) return engine_run(options, stage, tally, error, size);
  struct node_load *loads = calloc(stage->machine->nodes, sizeof *loads);
  if (!loads) return DUPLEX_ERROR_NO_MEMORY;
  run_decoding(options, stage, loads, tally);
  free(loads);
  return DUPLEX_OK;
}

int serving_run(const struct serving_options *options, struct serving_result *result, char *error,
                size_t size) {
  struct serving_model model;
  struct machine machine;
  struct kernels *kernels = NULL;
  struct stage_model *stage = calloc(1, sizeof *stage);
  struct tally tally = {.options = options, .result = result};
  *result = (struct serving_result){0};
  snprintf(error, size, "too little memory");
  int status = stage ? serving_model_read(&model, options->model, error, size) : DUPLEX_ERROR_NO_MEMORY;
  if (!status) status = machine_read(&machine, options, &model, error, size);
  if (!status) status = kernels_open(&kernels, options->kernels, error, size);
  if (!status) {
    if (kernels) machine_use_kernels(&machine, kernels);
    result->nodes = machine.nodes;
    result->devices = machine.nodes * machine.per_node * (machine.layout == LAYOUT_SPLIT ? 2 : 1);
    result->kv_capacity = machine_kv_capacity(&machine, &model);
    status = stage_open(stage, &machine, &model, options, error, size);
    if (!status) status = run(options, stage, &tally, error, size);
    stage_close(stage);
  }
  if (kernels) memcpy(result->kernels, kernels->asked, sizeof result->kernels);
  kernels_close(kernels);
  const int closed = tally_close(&tally);
  free(stage);
  return status ? status : closed;
}
