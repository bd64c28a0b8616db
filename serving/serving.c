// SPDX-License-Identifier: Apache-2.0
// A run of the simulator: system and model are read, stages run, results made.
#include "serving/serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/capacity.h"
#include "serving/config_file.h"
#include "serving/engine.h"

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

// What a run is of. Requests begin on the first machine and end on the last one.
struct run {
  const struct serving_options *options;
  struct serving_model model;
  struct machine machines[2];
  struct stage_model stages[2];
  unsigned count;
  struct kernels *kernels;
  struct tally tally;
};

static int run_authors(struct run *run, char *error, size_t size) {
  if (run->machines[0].layout == LAYOUT_SPLIT) {
    char place[512];
    config_where("systems", run->options->system, (const char *const[]){"layout", NULL}, place, sizeof place);
    snprintf(error, size, "%s: mode authors decodes on all devices, expected another layout than split",
             place);
    return DUPLEX_ERROR_ARGUMENT;
  }
  struct node_load *loads = calloc(run->machines[0].nodes, sizeof *loads);
  if (!loads) return DUPLEX_ERROR_NO_MEMORY;
  run_decoding(run->options, &run->stages[0], loads, &run->tally);
  free(loads);
  return DUPLEX_OK;
}

// Halves of a split layout are alike, and take turns with one stage.
static int run_engine(struct run *run, char *error, size_t size) {
  struct engine_plan plan = {.count = run->count, .wires = run->count > 1};
  for (unsigned i = 0; i < run->count; i++) {
    plan.nodes[i] =
        (struct engine_nodes){&run->stages[i], machine_kv_capacity(&run->machines[i], &run->model)};
  }
  if (run->machines[0].layout == LAYOUT_SPLIT) plan.nodes[plan.count++] = plan.nodes[0];
  return engine_run(run->options, &plan, &run->tally, error, size);
}

// Machines by the options, and what they are, into the result.
static int read_machines(struct run *run, char *error, size_t size) {
  const struct serving_options *options = run->options;
  struct machine *last = &run->machines[options->prefill_nodes ? 1 : 0];
  struct serving_result *result = run->tally.result;
  int status = machine_read(last, options, &run->model, error, size);
  if (!status) status = kernels_open(&run->kernels, options->kernels, error, size);
  if (status) return status;
  if (run->kernels) machine_use_kernels(last, run->kernels);
  result->nodes = last->nodes;
  result->has_pim = last->beside != BESIDE_NONE;
  result->devices = last->nodes * last->per_node * (last->layout == LAYOUT_SPLIT ? 2 : 1);
  run->count = options->prefill_nodes ? 2 : 1;
  if (run->count > 1)
    status = machine_split_nodes(last, &run->machines[0], options, &run->model, error, size);
  return status ? status : capacity_set_copies(last, &run->model, options, error, size);
}

// What experts keep, and what is left for K and V where requests decode.
static void note_memory(struct run *run) {
  struct serving_result *result = run->tally.result;
  const struct machine *last = &run->machines[run->count - 1];
  const struct measured *measured = run->stages[run->count - 1].measured;
  result->copies = last->copies;
  result->striped = measured && measured_is_striped(measured);
  result->kv_capacity = machine_kv_capacity(last, &run->model);
  for (unsigned i = 0; i < run->count; i++)
    result->expert_bytes += machine_expert_bytes(&run->machines[i], &run->model);
}

static int run_all(struct run *run, char *error, size_t size) {
  int status = serving_model_read(&run->model, run->options->model, error, size);
  if (!status) status = read_machines(run, error, size);
  for (unsigned i = 0; i < run->count && !status; i++)
    status = capacity_check(&run->machines[i], &run->model, run->options, i + 1 < run->count, error,
                            size);  // before tables are measured for it
  for (unsigned i = 0; i < run->count && !status; i++)
    status = stage_open(&run->stages[i], &run->machines[i], &run->model, run->options, error, size);
  if (status) return status;
  note_memory(run);
  return run->options->mode == SERVING_AUTHORS ? run_authors(run, error, size) : run_engine(run, error, size);
}

int serving_run(const struct serving_options *options, struct serving_result *result, char *error,
                size_t size) {
  struct run *run = calloc(1, sizeof *run);
  *result = (struct serving_result){0};
  snprintf(error, size, "too little memory");
  if (!run) return DUPLEX_ERROR_NO_MEMORY;
  run->options = options;
  run->tally = (struct tally){.options = options, .result = result};
  const int status = run_all(run, error, size);
  for (unsigned i = 0; i < run->count; i++) stage_close(&run->stages[i]);
  if (run->kernels) memcpy(result->kernels, run->kernels->asked, sizeof result->kernels);
  kernels_close(run->kernels);
  const int closed = tally_close(&run->tally);
  free(run);
  return status ? status : closed;
}
