// SPDX-License-Identifier: Apache-2.0
// Runs an MoE layer: router, decision, two phases, reduction, combination.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "device/charges.h"
#include "device/decide.h"
#include "device/gathered.h"
#include "device/kv.h"
#include "device/model.h"
#include "device/phase.h"
#include "driver/stack.h"
#include "duplex/arithmetic.h"
#include "xpu/combine.h"
#include "xpu/partials.h"
#include "xpu/router.h"

static struct xpu_choice choice_of(const struct duplex_moe_choice *choice) {
  return (struct xpu_choice){choice->bias, choice->groups, choice->groups_taken, choice->scale};
}

// Which experts each token has, and the tokens of each expert.
static int route(struct moe_run *run, const struct duplex_moe_routing *routing) {
  const struct duplex_moe *moe = run->moe;
  struct xpu_dense router_rows = {moe->router, moe->shape.hidden};
  uint32_t *chosen = malloc(run->tokens * routing->top_k * sizeof *chosen);
  duplex_f32 *weights = malloc(run->tokens * routing->top_k * sizeof *weights);
  const struct duplex_moe_choice *given = routing->choice;
  const struct xpu_choice choice = given ? choice_of(given) : (struct xpu_choice){0};
  const struct xpu_router router = {.x = run->x,
                                    .x_stride = moe->shape.hidden,
                                    .tokens = (unsigned)run->tokens,
                                    .columns = (unsigned)moe->shape.hidden,
                                    .experts = (unsigned)moe->shape.experts,
                                    .weights = xpu_dense_weights(&router_rows),
                                    .exponents = moe->router_exponents,
                                    .top_k = routing->top_k,
                                    .score = (enum xpu_score)routing->score,
                                    .renormalise = routing->renormalise,
                                    .choice = given ? &choice : NULL,
                                    .threads = run->device->threads};
  int error = chosen && weights ? xpu_route(&router, chosen, weights) : DUPLEX_ERROR_NO_MEMORY;
  if (!error)
    error = dispatch_make(&run->dispatch, run->tokens, routing->top_k, moe->shape.experts, chosen, weights);
  free(chosen);
  free(weights);
  for (size_t e = 0; e < moe->shape.experts && !error; e++) run->counts[e] = run->dispatch.count[e];
  return error;
}

// Every stack's firmware gets the table of times, if it decides too.
static int set_times(void *context, unsigned stack) {
  struct moe_run *run = context;
  return run->stage->slice[stack] ? duplex_stack_set_times(run->device->stack[stack], &run->moe->charged)
                                  : DUPLEX_OK;
}

// The firmware decides in its first job. So the host does where there is nothing to decide, where the xPU has
// a phase to itself before that, and where an expert that is divided by its tokens may have another number of
// groups in each stage.
static int prepare_firmware(struct moe_run *run) {
  const struct schedule_decision *d = &run->decision;
  const bool by_stages = run->moe->stages > 1 && d->groups;
  const bool in_first_job = (d->pim[0] || !d->xpu[1]) && !by_stages;
  run->firmware_decides = run->moe->turns == 1 && run->device->options.policy != DUPLEX_POLICY_PAPER &&
                          schedule_is_decided((enum schedule_policy)d->policy) && in_first_job;
  return run->firmware_decides ? device_each_stack(run->device, set_times, run) : DUPLEX_OK;
}

// Room for the sums, and for rounded ones where Logic-PIM has work; or for h and y_e.
static int take_sums(struct moe_run *run) {
  const size_t count = run->dispatch.pairs * run->moe->shape.hidden;
  if (run->moe->way.partials == DUPLEX_PARTIALS_GATHERED) return gathered_take(run);
  run->sums = calloc(count, 16);
  bool all = run->sums;
  if (run->moe->way.partials == DUPLEX_PARTIALS_F32)
    for (unsigned stack = 0; stack < run->device->stacks; stack++)
      for (unsigned piece = 0; piece < run->moe->pieces && run->stage->slice[stack]; piece++) {
        run->rounded[stack][piece] = calloc(count, sizeof(duplex_f32));
        all = all && run->rounded[stack][piece];
      }
  return all ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}

static void free_run(struct moe_run *run) {
  phase_drop(run);
  dispatch_free(&run->dispatch);
  free(run->sums);
  free(run->h);
  free(run->y);
  for (unsigned stack = 0; stack < DUPLEX_STACKS_MOST; stack++)
    for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++) free(run->rounded[stack][piece]);
  pthread_mutex_destroy(&run->lock);
}

// y_e of one expert from partial sums: what all stacks, pieces and sides have, rounded once, or the rounded
// ones in order of stacks and pieces behind the xPU's.
static int join_expert(const struct moe_run *run, unsigned expert, duplex_f32 *y) {
  const size_t hidden = run->moe->shape.hidden;
  const size_t at = run->dispatch.first[expert] * hidden;
  const int8_t *exponents = run->moe->down_exponents;
  const void *exact = run->sums + at * 16;
  const void *sources[1 + DUPLEX_STACKS_MOST * DUPLEX_LAYER_PIECES];
  struct xpu_partials partials = {.sources = &exact,
                                  .count = 1,
                                  .stride = hidden,
                                  .tokens = run->counts[expert],
                                  .columns = (unsigned)hidden,
                                  .format = DUPLEX_RESULT_FORMAT_ACC,
                                  .exponents = exponents ? exponents + expert * hidden : NULL,
                                  .y = y,
                                  .y_stride = hidden,
                                  .threads = run->device->threads};
  const int error = xpu_join_partials(&partials);
  if (error || run->moe->way.partials == DUPLEX_PARTIALS_ACC) return error;
  duplex_f32 *of_xpu = malloc(run->counts[expert] * hidden * sizeof *y);
  if (!of_xpu) return DUPLEX_ERROR_NO_MEMORY;
  memcpy(of_xpu, y, run->counts[expert] * hidden * sizeof *y);
  partials.count = 0;
  sources[partials.count++] = of_xpu;
  for (unsigned stack = 0; stack < run->device->stacks; stack++)
    for (unsigned piece = 0; piece < run->moe->pieces; piece++)
      if (run->rounded[stack][piece]) sources[partials.count++] = run->rounded[stack][piece] + at;
  partials.sources = sources;
  partials.format = DUPLEX_RESULT_FORMAT_F32;
  partials.exponents = NULL;  // these had theirs
  const int joined = xpu_join_partials(&partials);
  free(of_xpu);
  return joined;
}

// The weighted sum over the experts, in their order.
static int combine(const struct moe_run *run, duplex_f16 *y) {
  const size_t hidden = run->moe->shape.hidden;
  uint32_t most = 0;
  for (size_t e = 0; e < run->moe->shape.experts; e++) most = run->counts[e] > most ? run->counts[e] : most;
  duplex_f32 *sums = malloc(run->tokens * hidden * sizeof *sums);
  duplex_f32 *of_expert = malloc(most * hidden * sizeof *of_expert);
  const struct xpu_combine all = {sums, hidden, (unsigned)run->tokens, (unsigned)hidden,
                                  run->device->threads};
  int error = sums && of_expert ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  if (!error) xpu_combine_begin(&all);
  for (unsigned e = 0; e < run->moe->shape.experts && !error; e++) {
    if (run->counts[e] == 0) continue;
    const uint32_t first = run->dispatch.first[e];
    if (!run->y) error = join_expert(run, e, of_expert);
    if (!error)
      xpu_combine_add(&all, run->dispatch.token + first, run->dispatch.weight + first, run->counts[e],
                      run->y ? run->y + first * hidden : of_expert, hidden);
  }
  if (!error) xpu_combine_finish(&all, y, hidden);
  free(sums);
  free(of_expert);
  return error;
}

// Experts with tokens, by who runs them.
static void count_experts(const struct moe_run *run) {
  struct duplex_moe_stats *stats = &run->device->stats;
  for (unsigned e = 0; e < run->moe->shape.experts; e++) {
    bool logic_pim = false;
    bool xpu = false;
    stats->tokens[e] = (uint16_t)run->counts[e];
    for (unsigned stack = 0; stack < run->device->stacks && run->counts[e]; stack++)
      for (unsigned piece = 0; piece < run->moe->pieces; piece++) {
        logic_pim = logic_pim || run_cut(run, stack, piece, e);
        xpu = xpu || run_is_shared(run, stack, piece, e);
      }
    stats->shared_experts += logic_pim && xpu;
    stats->logic_pim_experts += logic_pim && !xpu;
    stats->xpu_experts += xpu && !logic_pim;
  }
}

// Refuses groups that do not divide the experts or have too few of them, and a choice by anything but
// sigmoids.
static int check_choice(struct duplex_device *device, const struct duplex_moe *moe,
                        const struct duplex_moe_routing *routing) {
  if (!routing->choice) return DUPLEX_OK;
  const struct xpu_choice choice = choice_of(routing->choice);
  if (routing->score != DUPLEX_SCORE_SIGMOID)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "score %d with a choice: expected sigmoid",
                       (int)routing->score);
  if (!xpu_choice_is_legal(&choice, (unsigned)moe->shape.experts, routing->top_k))
    return device_fail(
        device, DUPLEX_ERROR_ARGUMENT,
        "%u of %u groups of %zu experts, top-k %u: expected groups of 2 or more that divide them, "
        "and no more chosen than there are in the groups taken",
        choice.groups_taken, choice.groups, moe->shape.experts, routing->top_k);
  return DUPLEX_OK;
}

// Refuses a layer of another device, pointers that are missing, and numbers out of range.
static int check(struct duplex_device *device, const struct duplex_moe *moe,
                 const struct duplex_moe_routing *routing, const duplex_f16 *x, size_t tokens,
                 const duplex_f16 *y) {
  if (!moe_is_of(device, moe))
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "the layer is not one of this device");
  if (!routing) return device_fail(device, DUPLEX_ERROR_ARGUMENT, "routing is NULL: expected a pointer");
  int error = need_device_f16(device, "x", x);
  if (!error) error = need_device_f16(device, "y", y);
  if (error) return error;
  if (routing->top_k < 1 || routing->top_k > moe->shape.experts)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "top-k %u: expected 1 to %zu, the number of experts",
                       routing->top_k, moe->shape.experts);
  if ((unsigned)routing->score > DUPLEX_SCORE_SIGMOID)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "score %d: expected softmax of top-k, softmax, sigmoid",
                       (int)routing->score);
  if (tokens < 1 || tokens > RUN_TOKENS_MOST)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%zu tokens: expected 1 to %u", tokens,
                       RUN_TOKENS_MOST);
  return check_choice(device, moe, routing);
}

// Router and combination: products of the logits and of the weighted sum; router, x and logits, and y.
static void count_others(struct moe_run *run) {
  const struct duplex_moe_shape *shape = &run->moe->shape;
  struct duplex_moe_stats *stats = &run->device->stats;
  stats->other_macs = run->tokens * shape->experts * shape->hidden + run->dispatch.pairs * shape->hidden;
  stats->other_bytes = (shape->experts + 2 * run->tokens) * shape->hidden * sizeof(duplex_f16) +
                       run->tokens * shape->experts * sizeof(duplex_f32);
}

// Every product of the experts was done on one side. A piece whose bundles no side had in any phase would be
// left out, without an access that its stack could refuse; copies with other parts would be cut in two
// places.
static int check_work(struct moe_run *run) {
  const struct duplex_moe_shape *shape = &run->moe->shape;
  const struct duplex_moe_stats *stats = &run->device->stats;
  const uint64_t done = stats->logic_pim_macs + stats->xpu_macs;
  const uint64_t due = run->dispatch.pairs * shape->hidden * shape->inner * (run->moe->gated ? 3 : 2);
  if (done == due) return DUPLEX_OK;
  return device_fail(run->device, DUPLEX_ERROR_OWNER,
                     "%" PRIu64 " of %" PRIu64
                     " products of experts were done: a piece lies in bundles of no side, or copies differ",
                     done, due);
}

// All steps of a run that is checked.
static int run_layer(struct moe_run *run, const struct duplex_moe_routing *routing, duplex_f16 *y) {
  struct duplex_moe_stats *stats = &run->device->stats;
  int error = route(run, routing);
  if (error) return error;
  run->stage = run->moe->stage;
  run_decide(run);
  uint64_t route_clocks;
  uint64_t combine_clocks;
  error = charges_route(run, &route_clocks);
  if (!error) error = charges_combine(run, &combine_clocks);
  if (!error) error = prepare_firmware(run);
  if (error) return error;
  uint64_t clock = charges_note(run, "route", &stats->route, 0, route_clocks + charges_launch(run));
  clock = charges_note(run, "decide", &stats->decide, clock, charges_decide(run));
  device_count_commands(run->device, &stats->commands, -1);
  error = take_sums(run);
  model_predict(run, stats);
  if (!error) error = phases_run(run, &clock);
  if (!error) error = check_work(run);
  if (!error) error = combine(run, y);
  stats->cycles = charges_note(run, "combine", &stats->combine, clock, combine_clocks);
  device_count_commands(run->device, &stats->commands, 1);
  stats->pairs = run->dispatch.pairs;
  stats->bound =
      (uint64_t)schedule_bound(&run->moe->times, run->dispatch.count) * run->moe->times.clocks_per_unit;
  stats->partials = run->moe->way.partials;
  stats->copies = run->moe->way.copies;
  stats->dram_bytes = moe_dram_bytes(run->moe);
  run->stage = run->moe->stage;
  count_experts(run);
  count_others(run);
  events_sort(&run->device->events);
  return error;
}

int duplex_device_moe(struct duplex_device *device, const struct duplex_moe *moe,
                      const struct duplex_moe_routing *routing, const duplex_f16 *x, size_t tokens,
                      duplex_f16 *y) {
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  device->error_text[0] = 0;
  int error = check(device, moe, routing, x, tokens, y);
  if (error) return error;
  struct moe_run run = {.device = device, .moe = moe, .x = x, .tokens = tokens};
  pthread_mutex_init(&run.lock, NULL);
  device->stats = (struct duplex_moe_stats){0};
  events_clear(&device->events);
  error = run_layer(&run, routing, y);
  free_run(&run);
  if (error && !device->error_text[0]) return device_fail(device, error, "%s", duplex_error_text(error));
  return error;
}
