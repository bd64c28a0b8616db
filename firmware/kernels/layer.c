// SPDX-License-Identifier: Apache-2.0
// The kernel of an MoE layer: expert after expert, pass after pass a load of x, gate and up of the parts that
// are Logic-PIM's, and their columns of down.
#include "duplex/arithmetic.h"
#include "firmware/kernels/ring.h"

// x lies in shared buffer 0, h in shared buffer 1.
#define H_WORD DUPLEX_SHARED_WORDS
#define H_UNIT (4u * H_WORD)  // in units of 16 bytes

// A job under way.
struct layer_run {
  struct ring ring;
  const struct layer_job *job;
  struct layer_work *work;
  layer_next *next;
  void *context;
  struct layer_expert expert;
  enum layer_next_result more;  // of the expert that is pushed next, or is being pushed
  bool odd;                     // of products: x of the next pass goes to the other shared buffer
};

void layer_sizes(struct layer_job *job, uint32_t product_row_sets) {
  const uint32_t hidden_tiles = duplex_divide_up(job->hidden, DUPLEX_WIDTH);
  const uint32_t inner_tiles = job->products ? 0 : job->down_layout->k_tiles;
  job->groups_of_pass = groups_of_pass(hidden_tiles > inner_tiles ? hidden_tiles : inner_tiles);
  job->x_of_pass[0] = job->results_of_pass[0] = 0;
  for (uint32_t groups = 1; groups <= job->groups_of_pass; groups++) {
    job->x_of_pass[groups] = activation_row_sets(groups * hidden_tiles, job->channels);
    job->results_of_pass[groups] =
        job->products ? product_row_sets : result_row_sets(job->down_layout, job->format, groups);
  }
  if (job->groups_of_pass == 2) return;
  job->x_of_pass[2] = 2 * job->x_of_pass[1];
  job->results_of_pass[2] = 2 * job->results_of_pass[1];
}

uint32_t layer_product_row_sets(const struct weight_layout *part, uint32_t hidden) {
  const uint32_t groups = groups_of_pass(duplex_divide_up(hidden, DUPLEX_WIDTH));
  return result_row_sets(part, DUPLEX_RESULT_FORMAT_F32, groups);
}

// Lays out the next part; a registered layer's have been laid out before.
static void lay_out(struct layer_work *work, const struct layer_job *job) {
  const uint32_t i = work->parts++;
  struct weight_layout *layout = &work->layout[i];
  layout->rows = job->inner[i] * (job->gated ? 2 : 1);
  layout->gated = job->gated;
  layout->exponents = job->exponents;
  layout->two_streams = false;
  weight_layout(layout, job->hidden, job->channels);
  work->row_set[i] = i ? work->row_set[i - 1] + work->layout[i - 1].row_sets : 0;
  if (!job->products) return;
  work->results[i] = i ? work->results[i - 1] + layer_product_row_sets(&work->layout[i - 1], job->hidden) : 0;
}

// Rows of h of the parts before `part`.
static uint32_t inner_before(const struct layer_job *job, uint32_t part) {
  uint32_t inner = 0;
  for (uint32_t i = 0; i < part; i++) inner += job->inner[i];
  return inner;
}

// h of the next part of a pass, through the activation unit to its place behind those before it.
static void describe_part(struct layer_work *work, const struct layer_job *job, struct layer_pass *pass,
                          uint32_t groups) {
  const uint32_t part = pass->parts++;
  uint32_t *d = pass->part[part];
  const uint32_t before = inner_before(job, part) / DUPLEX_WIDTH;
  const uint32_t tiles = duplex_divide_up(inner_before(job, pass->cut), DUPLEX_WIDTH);
  if (work->parts == part) lay_out(work, job);
  describe_gemm(d, &work->layout[part], (struct region){work->row_set[part], job->stripe}, groups);
  describe_loaded_activations(d, 0, groups);
  if (job->products) {
    const struct region results = {work->results[part], job->results_stripe};
    describe_results(d, &work->layout[part], results, job->format, groups);
    return;
  }
  DUPLEX_DESCRIPTOR_SET(d, DESTINATION, DUPLEX_DESTINATION_SHARED);
  DUPLEX_DESCRIPTOR_SET(d, GATED, job->gated);
  DUPLEX_DESCRIPTOR_SET(d, DST_ADDRESS, H_UNIT + before * DUPLEX_WIDTH);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, DST_GROUP, tiles * DUPLEX_WIDTH);
}

// Results of a pass: the sums over the columns of the cut, which come first in each block of rows.
static void describe_down(const struct layer_job *job, struct layer_pass *pass, uint32_t groups) {
  uint32_t *d = pass->down;
  const uint32_t inner = inner_before(job, pass->cut);
  struct weight_layout prefix = *job->down_layout;
  prefix.k_tiles = duplex_divide_up(inner, DUPLEX_WIDTH);
  describe_gemm(d, &prefix, (struct region){0, job->stripe}, groups);
  DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, H_WORD);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, X_STRIDE, prefix.k_tiles * DUPLEX_TILE_WORDS);
  DUPLEX_DESCRIPTOR_SET(d, K_LAST, inner % DUPLEX_WIDTH);
  describe_results(d, job->down_layout, (struct region){0, job->results_stripe}, job->format, groups);
  pass->down_described = true;
}

// What is kept for so many groups; nothing but the load if it was for another cut.
static struct layer_pass *kept_pass(struct layer_run *run, uint32_t groups) {
  const struct layer_job *job = run->job;
  struct layer_pass *pass = &run->work->pass[groups - 1];
  if (pass->cut == run->expert.cut) return pass;
  const uint32_t tiles = groups * duplex_divide_up(job->hidden, DUPLEX_WIDTH);
  if (pass->cut) ring_forget(&run->ring);
  pass->cut = run->expert.cut;
  pass->parts = 0;
  pass->down_described = false;
  describe_load(pass->load, (struct region){0, job->x_stripe}, DUPLEX_DESTINATION_SHARED, 0, tiles);
  return pass;
}

// Is the last descriptor of a pass that of the job? With that of the expert's last pass the next expert is
// asked for, which is then the run's.
static bool is_end(struct layer_run *run, bool last_pass) {
  if (last_pass) run->more = run->next(run->context, &run->expert);
  return last_pass && run->more == LAYER_END;
}

// The parts of a pass of products: x comes from either buffer in turn, so that a load goes beside the
// products before it.
__attribute__((noinline)) static bool push_products(struct layer_run *run, struct layer_pass *pass,
                                                    uint32_t groups, bool last) {
  for (uint32_t part = 0; part < pass->cut; part++) {
    uint32_t *d = pass->part[part];
    if (pass->parts == part) describe_part(run->work, run->job, pass, groups);
    const uintptr_t form = (uintptr_t)d + run->odd;
    const uint32_t source = d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.up;
    const uint32_t results = d[DUPLEX_DESC_DST_BASE_WORD] + run->expert.results;
    d[DUPLEX_DESC_X_ADDRESS_WORD] &= ~(uint32_t)H_WORD;
    DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, run->odd ? H_WORD : 0);
    const bool end = part + 1 == pass->cut && is_end(run, last);
    if (!ring_push_kept(&run->ring, d, form, source, results, end)) return false;
  }
  return true;
}

// h of the parts of a pass, and down from it.
static bool push_parts(struct layer_run *run, struct layer_pass *pass, uint32_t groups, bool last) {
  for (uint32_t part = 0; part < pass->cut; part++) {
    const uint32_t *d = pass->part[part];
    if (pass->parts == part) describe_part(run->work, run->job, pass, groups);
    const uint32_t source = d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.up;
    if (!ring_push_kept(&run->ring, d, (uintptr_t)d, source, 0, false)) return false;
  }
  const uint32_t *d = pass->down;
  if (!pass->down_described) describe_down(run->job, pass, groups);
  const uint32_t source = d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.down;
  const uint32_t results = d[DUPLEX_DESC_DST_BASE_WORD] + run->expert.results;
  return ring_push_kept(&run->ring, d, (uintptr_t)d, source, results, is_end(run, last));
}

// Pushes the load of x of a pass.
static bool push_load(struct layer_run *run, uint32_t d[DUPLEX_DESCRIPTOR_WORDS]) {
  if (run->job->products) {
    run->odd = !run->odd;
    d[DUPLEX_DESC_DST_ADDRESS_WORD] = run->odd ? H_UNIT : 0;
  }
  return ring_push_kept(&run->ring, d, (uintptr_t)d + run->odd, d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.x,
                        0, false);
}

// One pass of the expert, the last one or another. False: the job is over.
static bool push_pass(struct layer_run *run, uint32_t groups, bool last) {
  struct layer_pass *pass = kept_pass(run, groups);
  if (!push_load(run, pass->load)) return false;
  return run->job->products ? push_products(run, pass, groups, last) : push_parts(run, pass, groups, last);
}

// All passes of the expert.
static bool push_expert(struct layer_run *run) {
  const struct layer_job *job = run->job;
  for (uint32_t left = run->expert.groups, groups; left; left -= groups) {
    groups = (uint32_t)duplex_smaller(left, job->groups_of_pass);
    const bool last = left == groups;
    if (!push_pass(run, groups, last)) return false;
    if (last) break;  // the run's expert is the next one
    run->expert.x += job->x_of_pass[groups];
    run->expert.results += job->results_of_pass[groups];
  }
  return true;
}

void firmware_layer(const struct hal *hal, const struct layer_job *job, struct layer_work *work,
                    layer_next *next, void *context, struct firmware_report *report) {
  struct layer_run run;
  run.job = job, run.work = work, run.next = next, run.context = context, run.odd = true;
  work->parts = work->pass[0].cut = work->pass[1].cut = 0;
  ring_start(&run.ring, hal, report);
  ring_forget(&run.ring);
  run.more = next(context, &run.expert);
  if (job->table_tiles) {
    describe_load(work->pass[0].load, job->table, DUPLEX_DESTINATION_TABLE, 0, job->table_tiles);
    if (!ring_push(&run.ring, work->pass[0].load, run.more == LAYER_END)) return;
  }
  while (run.more == LAYER_EXPERT)
    if (!push_expert(&run)) return;
  if (run.more == LAYER_WRONG) {
    ring_abandon(&run.ring, FIRMWARE_REFUSED);
    return;
  }
  ring_finish(&run.ring);
}
