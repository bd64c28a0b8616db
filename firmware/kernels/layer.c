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

// Tiles of h of one group, of whole experts. The channels of a joined piece make it for rows behind the end
// too.
static uint32_t h_tiles(const struct layer_job *job) {
  if (!job->joined) return job->down_layout->k_tiles;
  return duplex_divide_up(layout_columns(&job->up_layout), DUPLEX_WIDTH);
}

void layer_sizes(struct layer_job *job, uint32_t product_row_sets) {
  const uint32_t hidden_tiles = duplex_divide_up(job->hidden, DUPLEX_WIDTH);
  const uint32_t inner_tiles = job->products ? 0 : h_tiles(job);
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

uint32_t layer_product_row_sets(const struct weight_layout *up, uint32_t hidden) {
  const uint32_t groups = groups_of_pass(duplex_divide_up(hidden, DUPLEX_WIDTH));
  const uint32_t more = up->interleaved && up->blocks > 1;  // each of two runs begins in a row set of its own
  return result_row_sets(up, DUPLEX_RESULT_FORMAT_F32, groups) + more;
}

// Begins to keep passes of so many groups.
static void begin_pass(const struct layer_job *job, struct layer_pass *pass, uint32_t groups) {
  const uint32_t tiles = groups * duplex_divide_up(job->hidden, DUPLEX_WIDTH);
  pass->parts = 0;
  pass->before = (struct layer_before){0};
  for (uint32_t i = 0; i < job->parts; i++) pass->cut[i].streams = 0;
  describe_load(pass->load, (struct region){0, 0}, DUPLEX_DESTINATION_SHARED, 0, tiles);
}

void layer_work_begin(const struct layer_job *job, struct layer_work *work) {
  for (uint32_t groups = 1; groups <= job->groups_of_pass; groups++)
    begin_pass(job, &work->pass[groups - 1], groups);
}

// h of a matrix or run, through the activation unit to its place behind those before it.
static void describe_h(const struct layer_job *job, uint32_t inner_before, uint32_t d[PUSHED_WORDS]) {
  DUPLEX_DESCRIPTOR_SET(d, DESTINATION, DUPLEX_DESTINATION_SHARED);
  DUPLEX_DESCRIPTOR_SET(d, GATED, job->gated);
  DUPLEX_DESCRIPTOR_SET(d, INTERLEAVED, job->joined);
  DUPLEX_DESCRIPTOR_SET(d, DST_ADDRESS, H_UNIT + inner_before);
}

// A matrix or run of gate and up: its h, or of products its results.
__attribute__((cold, noinline)) static void describe_up(const struct layer_job *job,
                                                        const struct weight_layout *layout,
                                                        struct layer_before *before, uint32_t groups,
                                                        uint32_t d[PUSHED_WORDS]) {
  describe_gemm(d, layout, (struct region){before->row_sets, 0}, groups);
  describe_loaded_activations(d, 0, groups);
  if (job->products) {
    describe_results(d, layout, (struct region){before->results, 0}, job->format, groups);
    before->results += result_row_sets(layout, job->format, job->groups_of_pass);
  } else {
    describe_h(job, before->inner, d);
  }
  before->inner += layout_columns(layout);
  before->row_sets += layout->row_sets;
}

// The matrices of a cut, of which those of a smaller one are the first; how many.
static uint32_t describe_parts(const struct layer_job *job, struct layer_pass *pass, uint32_t groups,
                               uint32_t cut) {
  for (; pass->parts < cut; pass->parts++) {
    struct weight_layout layout = {.rows = job->inner[pass->parts] * (job->gated ? 2 : 1),
                                   .gated = job->gated,
                                   .exponents = job->exponents};
    weight_layout(&layout, job->hidden, job->channels);  // as when the layer was registered
    describe_up(job, &layout, &pass->before, groups, pass->up[pass->parts]);
  }
  return cut;
}

// The runs of a cut of a joined piece, whose parts have `inner` columns; how many.
static uint32_t describe_runs(const struct layer_job *job, uint32_t inner, uint32_t groups,
                              uint32_t up[LAYER_RUNS][PUSHED_WORDS]) {
  const uint32_t rows = layout_rows_of_columns(&job->up_layout, inner);
  const uint32_t runs = layout_runs(&job->up_layout, rows);
  struct layer_before before = {0};
  for (uint32_t i = 0; i < runs; i++) {
    struct weight_layout run;
    layout_run(&job->up_layout, rows, i, &run);
    describe_up(job, &run, &before, groups, up[i]);
  }
  return runs;
}

// What of down depends on the format of the job's results.
__attribute__((noinline)) static void describe_format(const struct layer_job *job, struct layer_cut *kept,
                                                      uint32_t groups) {
  uint32_t *d = kept->down;
  d[DUPLEX_DESC_FORMAT_WORD] &= ~(DUPLEX_DESC_MASK(FORMAT) << DUPLEX_DESC_FORMAT_LSB);
  d[DUPLEX_DESC_DST_STRIDE_WORD] &= ~(DUPLEX_DESC_MASK(DST_STRIDE) << DUPLEX_DESC_DST_STRIDE_LSB);
  describe_results(d, job->down_layout, (struct region){0, 0}, job->format, groups);
  kept->format = (uint16_t)job->format;
}

// Results of a pass: the sums over the columns of the cut, which come first in each block of rows.
static void describe_down(const struct layer_job *job, struct layer_cut *kept, uint32_t groups) {
  uint32_t *d = kept->down;
  struct weight_layout prefix = *job->down_layout;
  prefix.k_tiles = duplex_divide_up(kept->inner, DUPLEX_WIDTH);
  describe_gemm(d, &prefix, (struct region){0, 0}, groups);
  DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, H_WORD);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, X_STRIDE, kept->tiles * DUPLEX_TILE_WORDS);
  DUPLEX_DESCRIPTOR_SET(d, K_LAST, kept->inner % DUPLEX_WIDTH);
  describe_format(job, kept, groups);
}

__attribute__((cold, noinline)) static void describe_cut(const struct layer_job *job, struct layer_pass *pass,
                                                         uint32_t groups, uint32_t cut) {
  struct layer_cut *kept = &pass->cut[cut - 1];
  uint32_t(*up)[PUSHED_WORDS] = &pass->up[job->joined ? LAYER_RUNS * (cut - 1) : 0];
  kept->inner = 0;
  for (uint32_t i = 0; i < cut; i++) kept->inner += job->inner[i];
  kept->tiles = cut < job->parts ? duplex_divide_up(kept->inner, DUPLEX_WIDTH) : h_tiles(job);
  kept->up = *up;
  kept->streams = (uint16_t)(job->joined ? describe_runs(job, kept->inner, groups, up)
                                         : describe_parts(job, pass, groups, cut));
  if (!job->products) describe_down(job, kept, groups);
}

void layer_prepare(const struct layer_job *job, struct layer_work *work) {
  for (uint32_t groups = 1; groups <= job->groups_of_pass; groups++)
    for (uint32_t cut = 1; cut <= job->parts; cut++)
      if (!work->pass[groups - 1].cut[cut - 1].streams)
        describe_cut(job, &work->pass[groups - 1], groups, cut);
}

// Is the last descriptor of a pass that of the job? With that of the expert's last pass the next expert is
// asked for, which is then the run's.
static bool is_end(struct layer_run *run, bool last_pass) {
  if (last_pass) run->more = run->next(run->context, &run->expert);
  return last_pass && run->more == LAYER_END;
}

// Gate and up of a pass of products: x comes from either buffer in turn, so that a load goes beside the
// products before it.
__attribute__((noinline)) static bool push_products(struct layer_run *run, const struct layer_cut *kept,
                                                    bool last) {
  uint32_t *d = kept->up;
  for (uint32_t left = kept->streams; left; left--, d += PUSHED_WORDS) {
    const uintptr_t form = (uintptr_t)d + run->odd;
    const uint32_t source = d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.up;
    const uint32_t results = d[DUPLEX_DESC_DST_BASE_WORD] + run->expert.results;
    d[DUPLEX_DESC_X_ADDRESS_WORD] &= ~(uint32_t)H_WORD;
    DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, run->odd ? H_WORD : 0);
    const bool end = left == 1 && is_end(run, last);
    if (!ring_push_kept(&run->ring, d, form, source, results, end)) return false;
  }
  return true;
}

// Where h of the second group lies, behind all of the first one: of parts another place with each cut.
static inline void place_second_group(const struct layer_cut *kept, uint32_t d[PUSHED_WORDS]) {
  d[DUPLEX_DESC_DST_GROUP_WORD] &= ~(DUPLEX_DESC_MASK(DST_GROUP) << DUPLEX_DESC_DST_GROUP_LSB);
  DUPLEX_DESCRIPTOR_SET(d, DST_GROUP, kept->tiles * DUPLEX_WIDTH);
}

// h of a pass, and down from it.
static bool push_sums(struct layer_run *run, struct layer_cut *kept, uint32_t groups, bool last) {
  const uint32_t form_of_cut = groups == 2 ? run->expert.cut : 0;
  uint32_t *d = kept->up;
  for (uint32_t left = kept->streams; left; left--, d += PUSHED_WORDS) {
    const uint32_t source = d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.up;
    if (groups == 2) place_second_group(kept, d);
    if (!ring_push_kept(&run->ring, d, (uintptr_t)d + form_of_cut, source, 0, false)) return false;
  }
  d = kept->down;
  if (kept->format != run->job->format) describe_format(run->job, kept, groups);
  const uint32_t source = d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.down;
  const uint32_t results = d[DUPLEX_DESC_DST_BASE_WORD] + run->expert.results;
  return ring_push_kept(&run->ring, d, (uintptr_t)d, source, results, is_end(run, last));
}

// Pushes the load of x of a pass.
static bool push_load(struct layer_run *run, uint32_t d[PUSHED_WORDS]) {
  if (run->job->products) {
    run->odd = !run->odd;
    d[DUPLEX_DESC_DST_ADDRESS_WORD] = run->odd ? H_UNIT : 0;
  }
  return ring_push_kept(&run->ring, d, (uintptr_t)d + run->odd, d[DUPLEX_DESC_SRC_BASE_WORD] + run->expert.x,
                        0, false);
}

// One pass of the expert, the last one or another. False: the job is over.
static bool push_pass(struct layer_run *run, uint32_t groups, bool last) {
  struct layer_pass *pass = &run->work->pass[groups - 1];
  KEEP_PLACE(pass);
  if (!push_load(run, pass->load)) return false;
  struct layer_cut *kept = &pass->cut[run->expert.cut - 1];
  KEEP_PLACE(kept);
  if (!kept->streams) describe_cut(run->job, pass, groups, run->expert.cut);
  return run->job->products ? push_products(run, kept, last) : push_sums(run, kept, groups, last);
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

// The activation table of a job.
__attribute__((noinline)) static bool push_table(struct layer_run *run) {
  uint32_t d[PUSHED_WORDS];
  describe_load(d, run->job->table, DUPLEX_DESTINATION_TABLE, 0, run->job->table_tiles);
  return ring_push(&run->ring, d, run->more == LAYER_END);
}

void firmware_layer(const struct hal *hal, const struct layer_job *job, struct layer_work *work,
                    layer_next *next, void *context, struct firmware_report *report) {
  struct layer_run run;
  run.job = job, run.work = work, run.next = next, run.context = context, run.odd = true;
  ring_start(&run.ring, hal, report);
  run.more = next(context, &run.expert);
  if (job->table_tiles && !push_table(&run)) return;
  while (run.more == LAYER_EXPERT)
    if (!push_expert(&run)) return;
  if (run.more == LAYER_WRONG) {
    ring_abandon(&run.ring, FIRMWARE_REFUSED);
    return;
  }
  ring_finish(&run.ring);
}
