// SPDX-License-Identifier: Apache-2.0
// A job of Logic-PIM on one piece of all experts of a layer.
#include <stdlib.h>
#include <string.h>

#include "driver/activation_table.h"
#include "driver/arguments.h"
#include "driver/bundle_owner.h"
#include "driver/job.h"
#include "driver/layer.h"
#include "driver/messages.h"
#include "driver/queue.h"
#include "driver/stack_error.h"
#include "driver/transfer.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "duplex/geometry.h"

#define TOKENS_MOST 4096u

_Static_assert((int)DUPLEX_LAYER_CUTS == LAYER_CUTS && (int)DUPLEX_LAYER_DECIDED == LAYER_DECIDED,
               "the firmware's policies");

static uint32_t groups_of(uint32_t count) { return duplex_divide_up(count, DUPLEX_LANES); }

// The job as the firmware has it: for the sizes of x and results.
static struct layer_job layer_job(const struct duplex_layer *layer, unsigned piece,
                                  enum duplex_result_format format) {
  struct layer_job job = {.hidden = layer->hidden,
                          .products = layer->products,
                          .joined = layer->piece[piece].joined,
                          .up_layout = *layer->piece[piece].up,
                          .down_layout = &layer->piece[piece].down,
                          .format = format,
                          .channels = layer->stack->channels};
  layer_sizes(&job, layer->piece[piece].product_row_sets);
  return job;
}

uint64_t layer_job_row_sets(const struct duplex_layer *layer, unsigned piece,
                            enum duplex_result_format format, size_t pairs) {
  const struct layer_job job = layer_job(layer, piece, format);
  const uint32_t stripe = layer->piece[piece].stripe;
  const uint64_t active = duplex_smaller(layer->experts, pairs);
  const uint64_t groups = (pairs + (DUPLEX_LANES - 1) * active) / DUPLEX_LANES;
  return groups * (job.x_of_pass[1] + job.results_of_pass[1]) + 2 * duplex_bundles_of(stripe);
}

// The tokens of one expert, whose x and results begin at these row sets of the job's.
static struct token_work expert_work(const struct layer_job *job, const struct layer_share *share,
                                     uint32_t count, uint32_t x, uint32_t results) {
  const uint32_t groups = groups_of(count);
  return (struct token_work){.x = {share->x.base + x, share->x.stripe},
                             .results = {share->results.base + results, share->results.stripe},
                             .x_row_sets = layer_x_row_sets(job, job->groups_of_pass),
                             .result_row_sets = layer_result_row_sets(job, job->groups_of_pass),
                             .groups = groups,
                             .groups_of_pass = job->groups_of_pass,
                             .passes = duplex_divide_up(groups, job->groups_of_pass),
                             .m = count};
}

// The numbers of a job, against its layer.
static int check_work(const struct duplex_layer *layer, const struct duplex_layer_work *work) {
  struct duplex_stack *stack = layer->stack;
  int error = need(stack, "work", work);
  if (!error) error = need(stack, "cuts", work->cuts);
  if (!error) error = need(stack, "counts", work->counts);
  if (!error) error = need_f16(stack, "x", work->x);
  if (!error) error = need_piece(layer, work->piece);
  if (error) return error;
  const unsigned own = layer->piece[work->piece].stripe;
  if (work->bundles && (own & ~work->bundles || work->bundles & ~stack->bundles))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "bundles 0x%x: expected some of 0x%x, and those of the piece, 0x%x", work->bundles,
                      stack->bundles, own);
  if (layer->piece[work->piece].read_only)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "piece %u of a layer: expected one that is not read only",
                      work->piece);
  if ((unsigned)work->policy > DUPLEX_LAYER_DECIDED)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "policy %d: expected 0 to %d", (int)work->policy,
                      DUPLEX_LAYER_DECIDED);
  if ((unsigned)work->format > DUPLEX_ACC)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "format %d: expected f16, f32 or acc", (int)work->format);
  if (layer->products && work->format != DUPLEX_F32)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "format %d of products: expected f32", (int)work->format);
  return DUPLEX_OK;
}

// A decision counts the parts of the widest slice, of experts that may have no such piece.
static uint32_t cut_of(const struct duplex_layer *layer, const struct duplex_layer_work *work,
                       unsigned expert) {
  const uint32_t cut = work->cuts[expert];
  const uint32_t parts = layer_place(layer, expert, work->piece)->there ? layer->piece[work->piece].parts : 0;
  return work->policy == DUPLEX_LAYER_CUTS || cut < parts ? cut : parts;
}

// Tokens that the cut is of.
static uint32_t cut_count_of(const struct duplex_layer_work *work, unsigned expert) {
  return work->cut_counts ? work->cut_counts[expert] : work->counts[expert];
}

// One expert's cut and tokens.
static int check_expert(const struct duplex_layer *layer, const struct duplex_layer_work *work,
                        unsigned expert, uint32_t cut) {
  if (work->counts[expert] > TOKENS_MOST)
    return stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT, "%u tokens for expert %u: expected at most %u",
                      work->counts[expert], expert, TOKENS_MOST);
  if (cut_count_of(work, expert) > work->counts[expert])
    return stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT,
                      "the cut of expert %u is of %u tokens: expected at most %u", expert,
                      cut_count_of(work, expert), work->counts[expert]);
  if (cut == 0 || (cut <= layer->piece[work->piece].parts && layer_place(layer, expert, work->piece)->there))
    return DUPLEX_OK;
  return stack_fail(layer->stack, DUPLEX_ERROR_ARGUMENT,
                    "cut %u of expert %u: expected at most %u, and 0 where the piece was not loaded", cut,
                    expert, layer->piece[work->piece].parts);
}

// What Logic-PIM does, and the list that tells the firmware. NULL with an error.
static int plan_share(const struct duplex_layer *layer, const struct duplex_layer_work *work,
                      struct layer_share **made) {
  const unsigned experts = layer->experts;
  const struct layer_job job = layer_job(layer, work->piece, (enum duplex_result_format)work->format);
  const size_t of_experts = sizeof **made + experts * sizeof *(*made)->expert;
  const unsigned words = (experts + 1) / 2;
  struct layer_share *share = calloc(1, of_experts + 2 * words * sizeof *share->list);
  *made = share;
  if (!share) return stack_no_memory(layer->stack);
  share->piece = work->piece;
  share->policy = work->policy;
  share->list = (uint32_t *)(share->expert + experts);
  share->counts = share->list + words;
  for (unsigned i = 0; i < experts; i++) {
    const uint32_t cut = cut_of(layer, work, i);
    const uint32_t count = cut_count_of(work, i);
    const uint32_t groups = groups_of(count);
    const int error = check_expert(layer, work, i, cut);
    if (error) return error;
    share->expert[i] = (struct layer_share_expert){cut, work->counts[i], count};
    share->tokens += work->counts[i];
    if (cut && groups) share->list[i / 2] |= LAYER_LIST(groups, cut) << i % 2 * 16;
    share->counts[i / 2] |= work->counts[i] << i % 2 * 16;
    if (count < work->counts[i]) share->divided_groups += groups;
    if (!cut || !groups) continue;
    share->sum += cut * (i + 1);
    share->x_row_sets += layer_x_row_sets(&job, groups);
    share->result_row_sets += layer_result_row_sets(&job, groups);
  }
  return DUPLEX_OK;
}

// Row sets in the bundles of the piece. Without work the regions are any that are the client's.
static int take_space(struct duplex_stack *stack, unsigned bundles, struct layer_share *share) {
  if (share->x_row_sets == 0) {
    share->x = share->results = stack->table;
    return DUPLEX_OK;
  }
  if (space_take_mailbox(stack->space, bundles, share->x_row_sets, &share->x) &&
      space_take_mailbox(stack->space, bundles, share->result_row_sets, &share->results))
    return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE,
                    "no room in the stack's DRAM for the activations and results of %zu tokens",
                    share->tokens);
}

static void give_back(struct duplex_job *job) {
  struct layer_share *share = job->layer.share;
  struct space *space = job->stack->space;
  if (share->x_row_sets && share->x.stripe) space_give(space, share->x, share->x_row_sets);
  if (share->x_row_sets && share->results.stripe) space_give(space, share->results, share->result_row_sets);
  free(share);
}

// Calls `visit` for each expert with work on Logic-PIM, with its tokens' first place among all.
static int for_each_expert(const struct duplex_job *job,
                           int (*visit)(const struct duplex_job *job, struct token_work *work,
                                        unsigned expert, size_t first, void *context),
                           void *context) {
  const struct duplex_layer *layer = job->layer.layer;
  const struct layer_share *share = job->layer.share;
  const struct layer_job sizes = layer_job(layer, share->piece, job->format);
  uint32_t x = 0;
  uint32_t results = 0;
  size_t first = 0;
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < layer->experts && !error; i++) {
    const struct layer_share_expert *expert = &share->expert[i];
    if (expert->cut && expert->cut_count) {
      struct token_work work = expert_work(&sizes, share, expert->cut_count, x, results);
      error = visit(job, &work, i, first, context);
      x += layer_x_row_sets(&sizes, work.groups);
      results += layer_result_row_sets(&sizes, work.groups);
    }
    first += expert->count;
  }
  return error;
}

static int upload_expert(const struct duplex_job *job, struct token_work *work, unsigned expert, size_t first,
                         void *context) {
  const struct duplex_layer_work *from = context;
  const size_t hidden = job->layer.layer->hidden;
  (void)expert;
  if (from->tokens) work->rows = from->tokens + first;
  return tokens_upload(job->stack, work, from->tokens ? from->x : from->x + first * hidden, hidden);
}

// Results of the products that Logic-PIM has, of each descriptor in row sets of its own.
static int read_products(const struct duplex_job *job, struct token_work *work, unsigned expert,
                         size_t stride, uint8_t *y) {
  const struct layer_piece *piece = &job->layer.layer->piece[job->layer.share->piece];
  const uint32_t cut = job->layer.share->expert[expert].cut;
  int error = DUPLEX_OK;
  for (uint32_t i = 0; i < layer_streams(piece, cut) && !error; i++) {
    const struct weight_layout layout = layer_stream(piece, cut, i);
    error = tokens_read_results(job->stack, work, &layout, job->format, stride, y);
    y += layout.rows * sizeof(duplex_f32);
    work->results.base += result_row_sets(&layout, job->format, work->groups_of_pass);
  }
  return error;
}

static int read_expert(const struct duplex_job *job, struct token_work *work, unsigned expert, size_t first,
                       void *context) {
  const struct duplex_layer *layer = job->layer.layer;
  const unsigned piece = job->layer.share->piece;
  const size_t columns = layer_result_columns(layer, piece);
  uint8_t *y = (uint8_t *)context + first * columns * (result_row_bytes(job->format) / DUPLEX_LANES);
  if (layer->products) return read_products(job, work, expert, columns, y);
  return tokens_read_results(job->stack, work, &layer->piece[piece].down, job->format, columns, y);
}

static int read_results(struct duplex_job *job, void *y) {
  const size_t columns = layer_result_columns(job->layer.layer, job->layer.share->piece);
  const size_t row_bytes = columns * (result_row_bytes(job->format) / DUPLEX_LANES);
  memset(y, 0, job->layer.share->tokens * row_bytes);
  return for_each_expert(job, read_expert, y);
}

// Rows of a matrix that a channel has.
static uint32_t rows_of(const struct weight_layout *layout, unsigned channel) {
  uint32_t rows = layout_channel_rows(layout, channel);
  while (rows && layout_row(layout, channel, rows - 1) >= layout->rows) rows--;
  return rows;
}

// Weights and products of one matrix, or of the first `columns` of its columns.
static void note_matrix(struct duplex_stack *stack, const struct weight_layout *layout, uint32_t columns,
                        size_t tokens) {
  struct duplex_stack_stats *stats = &stack->stats;
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    const uint64_t rows = rows_of(layout, channel);
    stats->channel[channel].rows += rows;
    stats->channel[channel].macs += rows * columns * tokens;
    stats->macs += rows * columns * tokens;
  }
  stats->useful_bytes += (uint64_t)layout->rows * columns * sizeof(duplex_f16);
}

static int note_expert(const struct duplex_job *job, struct token_work *work, unsigned expert, size_t first,
                       void *context) {
  const struct duplex_layer *layer = job->layer.layer;
  const struct layer_piece *piece = &layer->piece[job->layer.share->piece];
  const uint32_t cut = job->layer.share->expert[expert].cut;
  (void)first, (void)context;
  for (uint32_t i = 0; i < layer_streams(piece, cut); i++) {
    const struct weight_layout layout = layer_stream(piece, cut, i);
    note_matrix(job->stack, &layout, layer->hidden, work->m);
  }
  if (!layer->products) note_matrix(job->stack, &piece->down, layer_inner_before(piece, cut), work->m);
  return DUPLEX_OK;
}

static int note_work(struct duplex_job *job, const struct completion *completion) {
  const struct layer_share *share = job->layer.share;
  const uint32_t decided = job->message.layer.policy == LAYER_CUTS ? 0 : share->divided_groups;
  if (completion->share != share->sum + decided)
    return stack_fail(job->stack, DUPLEX_ERROR_FIRMWARE, "the firmware decided on other cuts than the host");
  for (unsigned channel = 0; channel < job->stack->channels; channel++)
    job->stack->stats.channel[channel].rows = 0;
  return for_each_expert(job, note_expert, NULL);
}

static void write_list(const struct duplex_job *job, const uint32_t *list) {
  memcpy(queue_list(job->stack), list, (job->layer.layer->experts + 1) / 2 * sizeof *list);
}

// The activation unit has the client's table: a job whose bundles are not all of the client's cannot load it.
static int bring_table(struct duplex_stack *stack) {
  const struct expert_message table = activation_table_message(stack);
  return message_run_beside(stack, MESSAGE_EXPERT, &table, sizeof table);
}

// For a firmware that knows nothing of the layer, and whose decisions take no time: it is given the cuts. The
// one that does know still does afterwards.
static int prepare(struct duplex_job *job) {
  struct duplex_layer *layer = job->layer.layer;
  const uint32_t registered = layer->registered;
  int error = layer_register(layer);
  layer->registered = registered;
  if (!error) error = bring_table(job->stack);
  job->message.layer.policy = LAYER_CUTS;
  write_list(job, job->layer.share->list);
  return error;
}

// Before the job is submitted: layer and table are there, as messages of their own. With jobs in flight
// nothing but the layer that is registered already will do.
static int make_ready(struct duplex_layer *layer, const struct duplex_layer_work *work, unsigned bundles) {
  struct duplex_stack *stack = layer->stack;
  const struct duplex_activation_table *table = work->table ? work->table : duplex_activation_builtin("silu");
  if (stack->shared->in_mid_job)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  if (stack->queue.produced != stack->queue.collected)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "jobs are in flight: wait for them first");
  int error = jobs_agree(stack, stack->bundles);
  if (!error) error = activation_table_load(stack, table);
  if (!error && bundles != stack->bundles) error = bring_table(stack);
  if (!error && work->policy != DUPLEX_LAYER_CUTS) error = layer_times_register(stack);
  return error ? error : layer_register(layer);
}

// The message of a job that has its regions.
static void fill_message(struct duplex_job *job) {
  const struct layer_share *share = job->layer.share;
  const struct expert_message table = activation_table_message(job->stack);
  job->message.layer = (struct layer_run_message){.layer = job->layer.layer->slot,
                                                  .piece = share->piece,
                                                  .experts = job->layer.layer->experts,
                                                  .x = message_region(share->x),
                                                  .results = message_region(share->results),
                                                  .table = table.table,
                                                  .x_row_sets = share->x_row_sets,
                                                  .result_row_sets = share->result_row_sets,
                                                  .table_tiles = table.table_tiles,
                                                  .table_serial = table.table_serial,
                                                  .format = job->format,
                                                  .policy = share->policy};
}

// A job of the planned share.
static int make_job(struct duplex_layer *layer, const struct duplex_layer_work *work, unsigned bundles,
                    struct layer_share *share, struct duplex_job **job) {
  static const struct job_ops ops = {note_work, read_results, prepare, give_back};
  struct duplex_stack *stack = layer->stack;
  const struct duplex_job planned = {.ops = &ops,
                                     .bundles = bundles,
                                     .kind = MESSAGE_LAYER_RUN,
                                     .bytes = sizeof(struct layer_run_message),
                                     .format = (enum duplex_result_format)work->format,
                                     .layer = {layer, share}};
  int error = job_new(stack, &planned, job);
  if (error) {
    free(share);
    return error;
  }
  error = take_space(stack, layer->piece[work->piece].stripe, share);
  if (error) job_drop(job);
  return error;
}

int layer_job_plan(struct duplex_layer *layer, const struct duplex_layer_work *work,
                   struct duplex_job **job) {
  struct layer_share *share = NULL;
  if (job) *job = NULL;
  int error = need_layer(layer);
  if (error) return error;
  struct duplex_stack *stack = layer->stack;
  error = need(stack, "job", job);
  if (!error) error = check_work(layer, work);
  if (error) return error;
  const unsigned bundles = work->bundles ? work->bundles : stack->bundles;
  stack->error_text[0] = 0;
  error = plan_share(layer, work, &share);
  if (!error) error = make_ready(layer, work, bundles);
  if (!error) return make_job(layer, work, bundles, share, job);
  free(share);
  return error;
}

int layer_job_bring(const struct duplex_job *job, const struct duplex_layer_work *work) {
  return for_each_expert(job, upload_expert, (void *)(uintptr_t)work);
}

int layer_job_submit(struct duplex_job **job) {
  const struct layer_share *share = (*job)->layer.share;
  fill_message(*job);
  write_list(*job, share->policy == DUPLEX_LAYER_CUTS ? share->list : share->counts);
  return job_submit(job);
}

int layer_job_fetch(struct duplex_job *job, void *y) { return read_results(job, y); }

int duplex_layer_start(struct duplex_layer *layer, const struct duplex_layer_work *work,
                       struct duplex_job **job) {
  int error = layer_job_plan(layer, work, job);
  if (error) return error;
  error = layer_job_bring(*job, work);
  if (!error) return layer_job_submit(job);
  job_drop(job);
  return error;
}

int duplex_stack_hand_over(struct duplex_stack *stack, unsigned bundles) {
  const int error = need_process(stack);
  if (error) return error;
  if (bundles & ~stack->bundles)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "bundles 0x%x: expected some of 0x%x", bundles,
                      stack->bundles);
  if (stack->shared->in_mid_job)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  return bundle_owner_set(stack, bundles);
}
