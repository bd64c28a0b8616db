// Jobs: activations in, the firmware's kernel, results out, statistics.
#include <stdlib.h>
#include <string.h>

#include "driver/counters.h"
#include "duplex/error.h"

#define TILE_BYTES (DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES)
#define TOKENS_MOST 4096u

// One job's own regions, and what is needed for its statistics.
struct work {
  struct region x, results;
  uint32_t x_row_sets, result_row_sets;     // of one pass
  uint32_t groups, groups_of_pass, passes;  // groups of 8 tokens
  size_t m;                                 // tokens, of each matrix of a pair
  bool pair;                                // a pass has one group for each matrix
};

struct duplex_job {
  struct duplex_stack *stack;
  struct work work;
  uint32_t kind, number, bytes;  // of the message
  bool begun;                    // somebody waited for it
  struct measurement measurement;
  union {
    struct gemm_message gemm;
    struct expert_message expert;
  } message;
  const struct duplex_weights *matrices[2];  // that its passes stream; the last one's rows are the results'
  unsigned count;
  enum result_format format;
};

static void give_back(struct duplex_stack *stack, const struct work *work) {
  if (work->x.stripe) space_give(stack->space, work->x, work->x_row_sets * work->passes);
  if (work->results.stripe) space_give(stack->space, work->results, work->result_row_sets * work->passes);
}

static int take_space(struct duplex_stack *stack, struct work *work) {
  const bool taken =
      space_take_mailbox(stack->space, stack->bundles, work->x_row_sets * work->passes, &work->x) &&
      space_take_mailbox(stack->space, stack->bundles, work->result_row_sets * work->passes, &work->results);
  if (taken) return DUPLEX_OK;
  give_back(stack, work);
  return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE,
                    "no room in the stack's DRAM for activations and results");
}

// The row of x and y that a lane of a pass stands for; false if there is none.
static bool token_of(const struct work *work, uint32_t pass, uint32_t group, uint32_t lane, size_t *token) {
  const size_t first = (size_t)pass * (work->pair ? 1 : work->groups_of_pass) * DUPLEX_LANES,
               of_matrix = first + (work->pair ? 0 : group) * DUPLEX_LANES + lane;
  *token = of_matrix + (work->pair ? group * work->m : 0);
  return of_matrix < work->m;
}

// Tile `index` of a group: 64 columns of 8 tokens, zero where there is no token or no column.
static void arrange_tile(const struct work *work, const duplex_f16 *x, size_t k, uint32_t pass,
                         uint32_t group, size_t index, duplex_f16 *tile) {
  memset(tile, 0, TILE_BYTES);
  for (uint32_t lane = 0; lane < DUPLEX_LANES; lane++) {
    size_t token;
    if (!token_of(work, pass, group, lane, &token)) continue;
    for (size_t i = 0; i < DUPLEX_WIDTH && index * DUPLEX_WIDTH + i < k; i++)
      tile[i * DUPLEX_LANES + lane] = x[token * k + index * DUPLEX_WIDTH + i];
  }
}

// Groups of tokens that a pass serves.
static uint32_t groups_in(const struct work *work, uint32_t pass) {
  const uint32_t left = work->groups - pass * work->groups_of_pass;
  return left < work->groups_of_pass ? left : work->groups_of_pass;
}

static int upload_tokens(struct duplex_stack *stack, const struct work *work, const duplex_f16 *x, size_t k) {
  duplex_f16 tile[DUPLEX_WIDTH * DUPLEX_LANES];
  const size_t k_tiles = (k + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH;
  for (uint32_t pass = 0; pass < work->passes; pass++) {
    const struct region region = {work->x.base + pass * work->x_row_sets, work->x.stripe};
    const uint32_t groups = groups_in(work, pass);
    for (size_t t = 0; t < k_tiles * groups; t++) {
      arrange_tile(work, x, k, pass, (uint32_t)(t % groups), t / groups, tile);
      const int error = region_write(stack, (unsigned)(t % stack->channels), region,
                                     t / stack->channels * TILE_BYTES, tile, sizeof tile);
      if (error) return error;
    }
  }
  return DUPLEX_OK;
}

static int read_block(struct duplex_stack *stack, const struct weight_layout *layout, struct region region,
                      unsigned channel, uint32_t block, enum result_format format, uint32_t groups,
                      uint8_t *bytes) {
  const uint32_t columns = result_block_columns(layout, format, groups);
  return region_read(stack, channel, region, (uint64_t)block * columns * DUPLEX_COLUMN_BYTES, bytes,
                     columns * DUPLEX_COLUMN_BYTES);
}

// What one channel wrote in one pass: blocks of rows of 8 lanes, those of the second group behind those of
// the first.
static int read_channel(struct duplex_stack *stack, const struct work *work,
                        const struct weight_layout *layout, enum result_format format, unsigned channel,
                        uint32_t pass, uint8_t *y) {
  uint8_t bytes[DUPLEX_ROWS * DUPLEX_LANES * 16];
  const size_t row_bytes = result_row_bytes(format), size = row_bytes / DUPLEX_LANES;
  const struct region region = {work->results.base + pass * work->result_row_sets, work->results.stripe};
  const uint32_t groups = groups_in(work, pass);
  uint32_t first;
  const uint32_t rows = layout_channel_rows(layout, channel, &first);
  for (uint32_t row = 0; row < rows; row++) {
    const uint32_t in_block = row % layout->block_rows, left = rows - (row - in_block),
                   of_block = left < layout->block_rows ? left : layout->block_rows;
    const int error = in_block ? DUPLEX_OK
                               : read_block(stack, layout, region, channel, row / layout->block_rows, format,
                                            groups, bytes);
    if (error) return error;
    for (uint32_t lane = 0; lane < groups * DUPLEX_LANES; lane++) {
      size_t token;
      const uint32_t row_of_group = lane / DUPLEX_LANES * of_block + in_block;
      if (token_of(work, pass, lane / DUPLEX_LANES, lane % DUPLEX_LANES, &token))
        memcpy(y + (token * layout->rows + first + row) * size,
               bytes + row_of_group * row_bytes + lane % DUPLEX_LANES * size, size);
    }
  }
  return DUPLEX_OK;
}

static int read_results(struct duplex_stack *stack, const struct work *work,
                        const struct weight_layout *layout, enum result_format format, uint8_t *y) {
  for (uint32_t pass = 0; pass < work->passes; pass++)
    for (unsigned channel = 0; channel < stack->channels; channel++) {
      const int error = read_channel(stack, work, layout, format, channel, pass, y);
      if (error) return error;
    }
  return DUPLEX_OK;
}

// Space of a job whose passes serve that many groups at once.
static struct work plan(const struct duplex_stack *stack, size_t m, uint32_t groups_of_pass, uint32_t k_tiles,
                        const struct weight_layout *results, enum result_format format) {
  const uint32_t groups = (uint32_t)((m + DUPLEX_LANES - 1) / DUPLEX_LANES),
                 matrices = results->two_streams ? 2 : 1;
  struct work work = {
      .groups = groups * matrices, .groups_of_pass = groups_of_pass, .m = m, .pair = results->two_streams};
  work.passes = (work.groups + groups_of_pass - 1) / groups_of_pass;
  work.x_row_sets = activation_row_sets(groups_of_pass * k_tiles, stack->channels);
  work.result_row_sets = result_row_sets(results, format, groups_of_pass);
  return work;
}

// Statistics of a job; matrices are those that its passes streamed.
static int note_stats(struct duplex_job *job, uint32_t descriptors) {
  struct duplex_stack *stack = job->stack;
  struct duplex_stack_stats *stats = &stack->stats;
  const struct work *work = &job->work;
  const int error = note_traffic(stack, &job->measurement, descriptors);
  if (error) return error;
  const unsigned of_pair = work->pair ? 2 : 1;
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    struct duplex_channel_stats *own = &stats->channel[channel];
    own->rows = own->rows * of_pair / work->groups;
    for (unsigned i = 0; i < job->count; i++) {
      const struct duplex_weights *matrix = job->matrices[i];
      uint32_t first;
      own->macs +=
          (uint64_t)layout_channel_rows(&matrix->layout, channel, &first) * matrix->k * work->m * of_pair;
    }
    stats->macs += own->macs;
  }
  for (unsigned i = 0; i < job->count; i++)
    stats->useful_bytes +=
        (uint64_t)job->matrices[i]->layout.rows * job->matrices[i]->k * sizeof(duplex_f16) * of_pair;
  return DUPLEX_OK;
}

static int check_tokens(struct duplex_stack *stack, size_t m) {
  if (m >= 1 && m <= TOKENS_MOST) return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%zu tokens: expected 1 to %u", m, TOKENS_MOST);
}

static struct matrix_words matrix_of(const struct duplex_weights *w) {
  const uint32_t flags = (w->layout.gated ? MATRIX_GATED : 0u) |
                         (w->layout.exponents ? MATRIX_EXPONENTS : 0u) |
                         (w->layout.two_streams ? MATRIX_PAIR : 0u);
  return (struct matrix_words){w->layout.rows, (uint32_t)w->k, flags, w->region.base, w->region.stripe};
}

static struct region_words words_of(struct region region) {
  return (struct region_words){region.base, region.stripe};
}

int run_message(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes) {
  uint32_t number;
  struct completion completion;
  int error = stack_own(stack, stack->bundles);
  if (!error) error = queue_submit(stack, kind, payload, bytes, &number);
  return error ? error : queue_wait(stack, number, UINT64_MAX, &completion);
}

// A job with its place in DRAM and its activations there.
static int begin(struct duplex_stack *stack, const struct duplex_job *plan, const duplex_f16 *x,
                 struct duplex_job **made) {
  stack->error_text[0] = 0;
  *made = NULL;
  if (stack->machine->in_mid_job)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  struct duplex_job *job = malloc(sizeof *job);
  if (!job) return stack_fail(stack, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host");
  *job = *plan;
  int error = take_space(stack, &job->work);
  if (!error) {
    error = upload_tokens(stack, &job->work, x, job->matrices[0]->k);
    if (error) give_back(stack, &job->work);
  }
  if (error) {
    free(job);
    return error;
  }
  *made = job;
  return DUPLEX_OK;
}

static int submit(struct duplex_job **job) {
  struct duplex_stack *stack = (*job)->stack;
  const int error = queue_submit(stack, (*job)->kind, &(*job)->message, (*job)->bytes, &(*job)->number);
  if (error) {
    give_back(stack, &(*job)->work);
    free(*job);
    *job = NULL;
    return error;
  }
  stack->job[(*job)->number % PROTOCOL_ENTRIES] = *job;
  return DUPLEX_OK;
}

static int start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, struct duplex_job **job) {
  const enum result_format result_format = (enum result_format)format;
  const struct duplex_job planned = {
      .stack = stack,
      .work = plan(stack, m, groups_of_pass(w->layout.k_tiles), w->layout.k_tiles, &w->layout, result_format),
      .kind = MESSAGE_GEMM,
      .bytes = sizeof(struct gemm_message),
      .matrices = {w},
      .count = 1,
      .format = result_format};
  const int error = begin(stack, &planned, x, job);
  if (error) return error;
  const struct work *work = &(*job)->work;
  (*job)->message.gemm = (struct gemm_message){matrix_of(w), words_of(work->x), words_of(work->results),
                                               result_format, work->groups};
  return submit(job);
}

int duplex_stack_start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                            size_t m, enum duplex_format format, struct duplex_job **job) {
  *job = NULL;
  const int error = check_tokens(stack, m);
  return error ? error : start_gemm(stack, w, x, m, format, job);
}

static int check_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down) {
  if (down->layout.two_streams != up->layout.two_streams)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "one of up and down is a pair, the other is not: expected both or none");
  if (down->k != up->n || down->layout.gated || up->n > DUPLEX_K_TILES_MAX * DUPLEX_WIDTH)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "up has %zu rows and down %zu columns: expected the same number, up to %u", up->n,
                      down->k, DUPLEX_K_TILES_MAX * DUPLEX_WIDTH);
  return DUPLEX_OK;
}

// The part of a message that names the client's table, whose image has that many tiles.
static struct expert_message table_message(const struct duplex_stack *stack) {
  return (struct expert_message){.table = words_of(stack->table),
                                 .table_tiles = (DUPLEX_ACTIVATION_IMAGE_BYTES + TILE_BYTES - 1) / TILE_BYTES,
                                 .table_serial = stack->table_serial};
}

// The table's image goes to DRAM, tile by tile over the channels, and from there, as a job of its own, into
// the activation unit. Nothing to do if it is there already.
static int load_table(struct duplex_stack *stack, const struct duplex_activation_table *table) {
  uint8_t image[(DUPLEX_ACTIVATION_IMAGE_BYTES + TILE_BYTES - 1) / TILE_BYTES * TILE_BYTES] = {0};
  if (stack->loaded_table && memcmp(&stack->table_copy, table, sizeof *table) == 0) return DUPLEX_OK;
  if (stack->queue.produced != stack->queue.collected)
    return stack_fail(stack, DUPLEX_ERROR_BUSY,
                      "jobs with another activation table are in flight: wait for them first");
  stack->loaded_table = NULL;
  stack->table_serial++;
  duplex_activation_image(table, image);
  for (uint32_t tile = 0; tile < sizeof image / TILE_BYTES; tile++) {
    const int error =
        region_write(stack, tile % stack->channels, stack->table, tile / stack->channels * TILE_BYTES,
                     image + tile * TILE_BYTES, TILE_BYTES);
    if (error) return error;
  }
  const struct expert_message message = table_message(stack);
  const int error = run_message(stack, MESSAGE_EXPERT, &message, sizeof message);
  if (error) return error;
  stack->table_copy = *table;
  stack->loaded_table = &stack->table_copy;
  return DUPLEX_OK;
}

static int start_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down, const duplex_f16 *x, size_t m,
                        enum duplex_format format, struct duplex_job **job) {
  const enum result_format result_format = (enum result_format)format;
  const uint32_t groups_of_pass = expert_groups_of_pass(&up->layout, &down->layout);
  const struct duplex_job planned = {
      .stack = stack,
      .work = plan(stack, m, groups_of_pass, up->layout.k_tiles, &down->layout, result_format),
      .kind = MESSAGE_EXPERT,
      .bytes = sizeof(struct expert_message),
      .matrices = {up, down},
      .count = 2,
      .format = result_format};
  const int error = begin(stack, &planned, x, job);
  if (error) return error;
  const struct work *work = &(*job)->work;
  struct expert_message *message = &(*job)->message.expert;
  *message = table_message(stack);
  message->up = matrix_of(up), message->down = matrix_of(down);
  message->x = words_of(work->x), message->results = words_of(work->results);
  message->format = result_format, message->groups = work->groups;
  return submit(job);
}

int duplex_stack_start_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                              const struct duplex_weights *down, const struct duplex_activation_table *table,
                              const duplex_f16 *x, size_t m, enum duplex_format format,
                              struct duplex_job **job) {
  *job = NULL;
  int error = check_tokens(stack, m);
  if (!error) error = check_expert(stack, up, down);
  if (!error && stack->machine->in_mid_job)
    error = stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  if (!error) error = load_table(stack, table);
  return error ? error : start_expert(stack, up, down, x, m, format, job);
}

static int run_natively(struct duplex_stack *stack, void *context, uint64_t *cycles) {
  const struct duplex_job *job = context;
  struct duplex_backend *b = stack->backend;
  struct expert_message table = table_message(stack);
  int error = stack_own(stack, stack->bundles);
  if (!error && job->kind == MESSAGE_EXPERT) error = run_message(stack, MESSAGE_EXPERT, &table, sizeof table);
  const uint64_t clock = b->ops->clocks(b);
  if (!error) error = run_message(stack, job->kind, &job->message, job->bytes);
  *cycles = b->ops->clocks(b) - clock;
  return error;
}

static int finish(struct duplex_job *job, uint32_t descriptors, void *y) {
  struct duplex_stack *stack = job->stack;
  const struct weight_layout *layout = &job->matrices[job->count - 1]->layout;
  int error = note_stats(job, descriptors);
  if (!error && stack->measure_overhead) error = measure_native(stack, run_natively, job);
  return error ? error : read_results(stack, &job->work, layout, job->format, y);
}

// A job that could not start leaves the queue.
static void withdraw(struct duplex_job *job) {
  struct duplex_stack *stack = job->stack;
  struct completion completion;
  char text[sizeof stack->error_text];
  memcpy(text, stack->error_text, sizeof text);
  queue_cancel(stack, job->number);
  queue_wait(stack, job->number, UINT64_MAX, &completion);
  memcpy(stack->error_text, text, sizeof text);
}

int duplex_stack_wait(struct duplex_job *job, uint64_t clocks, void *y) {
  struct duplex_stack *stack = job->stack;
  struct completion completion;
  int error = job->begun ? DUPLEX_OK : start_measuring(stack, &job->measurement);
  job->begun = true;
  if (error) {
    withdraw(job);
  } else {
    error = queue_wait(stack, job->number, clocks, &completion);
  }
  stack->machine->in_mid_job = error == DUPLEX_ERROR_BUSY;
  if (error == DUPLEX_ERROR_BUSY) return error;
  if (!error) error = finish(job, completion.descriptors, y);
  give_back(stack, &job->work);
  stack->job[job->number % PROTOCOL_ENTRIES] = NULL;
  free(job);
  return error;
}

void duplex_stack_cancel(struct duplex_job *job) { queue_cancel(job->stack, job->number); }

int duplex_stack_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, void *y) {
  struct duplex_job *job;
  const int error = duplex_stack_start_gemm(stack, w, x, m, format, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, y);
}

int duplex_stack_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down, const struct duplex_activation_table *table,
                        const duplex_f16 *x, size_t m, enum duplex_format format, void *y) {
  struct duplex_job *job;
  const int error = duplex_stack_start_expert(stack, up, down, table, x, m, format, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, y);
}
