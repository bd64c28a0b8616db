// SPDX-License-Identifier: Apache-2.0
// The kernel of an MoE layer: expert after expert, pass after pass a load of x, gate and up of the parts that
// are Logic-PIM's, and their columns of down.
#include "duplex/arithmetic.h"
#include "firmware/kernels/ring.h"

// x lies in shared buffer 0, h in shared buffer 1.
#define H_WORD DUPLEX_SHARED_WORDS
#define H_UNIT (4u * H_WORD)  // in units of 16 bytes

// The parts of a piece, laid out as they are needed: the stack works on the first while the next is laid out.
struct parts {
  uint32_t count;  // that are laid out
  struct weight_layout layout[LAYER_PARTS];
  uint32_t row_set[LAYER_PARTS];  // where each begins, from the first one's on
};

// Row sets of so many groups in passes: what a whole pass takes for each of them, and what the last one does.
struct passes {
  uint32_t whole, rest;  // number of whole passes; groups of the last, 0: there is none
};

static struct passes passes_of(const struct layer_job *job, uint32_t groups) {
  return (struct passes){groups / job->groups_of_pass, groups % job->groups_of_pass};
}

// Of one pass.
static uint32_t pass_x(const struct layer_job *job, uint32_t groups) {
  return activation_row_sets(groups * duplex_divide_up(job->hidden, DUPLEX_WIDTH), job->channels);
}

uint32_t layer_x_row_sets(const struct layer_job *job, uint32_t groups) {
  const struct passes passes = passes_of(job, groups);
  const uint32_t whole = passes.whole ? passes.whole * pass_x(job, job->groups_of_pass) : 0;
  return passes.rest ? whole + pass_x(job, passes.rest) : whole;
}

uint32_t layer_result_row_sets(const struct layer_job *job, uint32_t groups) {
  const struct passes passes = passes_of(job, groups);
  const uint32_t whole =
      passes.whole ? passes.whole * result_row_sets(&job->down_layout, job->format, job->groups_of_pass) : 0;
  return passes.rest ? whole + result_row_sets(&job->down_layout, job->format, passes.rest) : whole;
}

// Lays out the parts up to `part`; a registered layer's have been laid out before.
static void lay_out(struct parts *parts, const struct layer_job *job, uint32_t part) {
  while (parts->count <= part) {
    const uint32_t i = parts->count++;
    struct weight_layout *layout = &parts->layout[i];
    layout->rows = job->inner[i] * (job->gated ? 2 : 1);
    layout->gated = job->gated;
    layout->exponents = job->exponents;
    layout->two_streams = false;
    weight_layout(layout, job->hidden, job->channels);
    parts->row_set[i] = i ? parts->row_set[i - 1] + parts->layout[i - 1].row_sets : 0;
  }
}

// Rows of h of the parts before `part`.
static uint32_t inner_before(const struct layer_job *job, uint32_t part) {
  uint32_t inner = 0;
  for (uint32_t i = 0; i < part; i++) inner += job->inner[i];
  return inner;
}

// h of one part and pass, through the activation unit to its place behind those before it. tiles: of all
// parts of the cut.
static void describe_part(uint32_t d[DUPLEX_DESCRIPTOR_WORDS], const struct layer_job *job,
                          const struct parts *parts, uint32_t part, uint32_t up, uint32_t tiles,
                          uint32_t groups) {
  const uint32_t before = inner_before(job, part) / DUPLEX_WIDTH;
  describe_gemm(d, &parts->layout[part], (struct region){up + parts->row_set[part], job->stripe}, groups);
  describe_loaded_activations(d, 0, groups);
  DUPLEX_DESCRIPTOR_SET(d, DESTINATION, DUPLEX_DESTINATION_SHARED);
  DUPLEX_DESCRIPTOR_SET(d, GATED, job->gated);
  DUPLEX_DESCRIPTOR_SET(d, DST_ADDRESS, H_UNIT + before * DUPLEX_WIDTH);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, DST_GROUP, tiles * DUPLEX_WIDTH);
}

// Results of one pass: the sums over the columns of the cut, which come first in each block of rows.
static void describe_down(uint32_t d[DUPLEX_DESCRIPTOR_WORDS], const struct layer_job *job, uint32_t down,
                          struct region results, uint32_t inner, uint32_t groups) {
  struct weight_layout prefix = job->down_layout;
  prefix.k_tiles = duplex_divide_up(inner, DUPLEX_WIDTH);
  describe_gemm(d, &prefix, (struct region){down, job->stripe}, groups);
  DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, H_WORD);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, X_STRIDE, prefix.k_tiles * DUPLEX_TILE_WORDS);
  DUPLEX_DESCRIPTOR_SET(d, K_LAST, inner % DUPLEX_WIDTH);
  describe_results(d, &job->down_layout, results, job->format, groups);
}

// One pass of an expert; `last` of the job. False: the job is over.
static bool push_pass(struct ring *ring, const struct layer_job *job, struct parts *parts,
                      const struct layer_expert *expert, uint32_t groups, bool last) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  const uint32_t inner = inner_before(job, expert->cut);
  const uint32_t tiles = duplex_divide_up(job->hidden, DUPLEX_WIDTH);
  describe_load(d, (struct region){expert->x, job->x_stripe}, DUPLEX_DESTINATION_SHARED, 0, groups * tiles);
  if (!ring_push(ring, d, false)) return false;
  for (uint32_t part = 0; part < expert->cut; part++) {
    lay_out(parts, job, part);
    describe_part(d, job, parts, part, expert->up, duplex_divide_up(inner, DUPLEX_WIDTH), groups);
    if (!ring_push(ring, d, false)) return false;
  }
  describe_down(d, job, expert->down, (struct region){expert->results, job->results_stripe}, inner, groups);
  return ring_push(ring, d, last);
}

// All passes of one expert.
static bool push_expert(struct ring *ring, const struct layer_job *job, struct parts *parts,
                        struct layer_expert expert, bool last) {
  for (uint32_t left = expert.groups, groups; left; left -= groups) {
    groups = (uint32_t)duplex_smaller(left, job->groups_of_pass);
    if (!push_pass(ring, job, parts, &expert, groups, last && left == groups)) return false;
    expert.x += layer_x_row_sets(job, groups);
    expert.results += layer_result_row_sets(job, groups);
  }
  return true;
}

void firmware_layer(const struct hal *hal, const struct layer_job *job, layer_next *next, void *context,
                    struct firmware_report *report) {
  struct ring ring;
  struct layer_expert expert;
  struct layer_expert behind;
  struct parts parts = {.count = 0};
  ring_start(&ring, hal, report);
  enum layer_next_result more = next(context, &expert);
  if (job->table_tiles) {
    uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
    describe_load(d, job->table, DUPLEX_DESTINATION_TABLE, 0, job->table_tiles);
    if (!ring_push(&ring, d, more == LAYER_END)) return;
  }
  // The one behind is asked for first: the last descriptor of the job is another.
  for (; more == LAYER_EXPERT; expert = behind) {
    more = next(context, &behind);
    if (!push_expert(&ring, job, &parts, expert, more == LAYER_END)) return;
  }
  if (more == LAYER_WRONG) {
    ring_abandon(&ring, FIRMWARE_REFUSED);
    return;
  }
  ring_finish(&ring);
}
