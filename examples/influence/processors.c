// SPDX-License-Identifier: Apache-2.0
// Products on Logic-PIM or on the xPU: the same bits, so that time alone decides.
#include "processors.h"

#include <stdlib.h>
#include <unistd.h>

#define JOB_TOKENS (8 * JOB_GROUPS)
#define TOKENS_MOST 65536u  // beyond which no crossover is looked for

static enum status fail_stack(const struct processors *processors) {
  return report(FAILED, "%s", duplex_stack_last_error(processors->stack));
}

enum status processors_open(struct processors *processors, const char *backend, unsigned channels,
                            enum processor choice) {
  const struct duplex_stack_options options = {.backend.channels = channels};
  char text[256];
  *processors = (struct processors){.choice = choice};
  if (duplex_stack_open(backend, &options, &processors->stack, text, sizeof text))
    return report(BAD_INPUT, "%s", text);
  const long threads = sysconf(_SC_NPROCESSORS_ONLN);
  const struct duplex_xpu_options xpu = {.channels = duplex_stack_channels(processors->stack),
                                         .threads = threads > 0 ? (unsigned)threads : 1};
  if (duplex_xpu_open(&xpu, &processors->xpu, text, sizeof text)) return report(FAILED, "the xPU: %s", text);
  return GOOD;
}

void processors_close(struct processors *processors) {
  if (processors->xpu) processors->xpu->ops->close(processors->xpu);
  duplex_stack_close(processors->stack);
  *processors = (struct processors){0};
}

// Of the last job: its clocks, rounded up to whole ps.
static uint64_t last_job_time(const struct processors *processors) {
  struct duplex_stack_stats stats;
  duplex_stack_last_stats(processors->stack, &stats);
  return (stats.cycles * 1000000000u + DUPLEX_CLOCK_KHZ - 1) / DUPLEX_CLOCK_KHZ;
}

// Rows of the matrix in the memory of the host, where they lie.
static const duplex_f16 *rows_in_place(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  const struct stream *stream = context;
  (void)count;
  (void)room;
  return stream->w + (size_t)first * stream->columns;
}

// The product of a stream with `tokens` rows of x as work of the xPU; y is binary32.
static struct duplex_xpu_work xpu_work(const struct stream *stream, const duplex_f16 *x, unsigned tokens,
                                       duplex_f32 *y) {
  return (struct duplex_xpu_work){
      .kind = DUPLEX_XPU_GEMM,
      .gemm = {.x = x,
               .x_stride = stream->columns,
               .tokens = tokens,
               .columns = stream->columns,
               .rows = stream->rows,
               .weights = {rows_in_place, (void *)stream, stream->columns},
               .exponents = stream->exponents,
               .format = DUPLEX_RESULT_FORMAT_F32,
               .out = y,
               .out_stride = stream->rows},
  };
}

// With a launch; UINT64_MAX: no time can be told.
static uint64_t xpu_time(struct processors *processors, const struct duplex_xpu_work *work) {
  uint64_t time;
  struct duplex_xpu *xpu = processors->xpu;
  return xpu->ops->estimate(xpu, work, &time) ? UINT64_MAX : time + xpu->ops->launch(xpu);
}

uint64_t elements_time(struct processors *processors, uint64_t bytes) {
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_ELEMENTS, .elements.bytes = bytes};
  return xpu_time(processors, &work);
}

double stream_op_per_byte(const struct stream *stream, unsigned tokens) {
  const double weights = (double)stream->rows * stream->columns;
  return 2 * weights * tokens / (2 * weights + tokens * (2.0 * stream->columns + 4.0 * stream->rows));
}

// A job of Logic-PIM brings its own activations and results from and to DRAM, as the xPU's bytes do.
static uint64_t stack_time(const struct stream *stream, unsigned tokens) {
  const unsigned rest = tokens % JOB_TOKENS;
  const uint64_t whole = tokens / JOB_TOKENS * stream->job_time[JOB_GROUPS - 1];
  return rest ? whole + stream->job_time[(rest - 1) / 8] : whole;
}

static uint64_t product_time(struct processors *processors, const struct stream *stream, unsigned tokens) {
  const struct duplex_xpu_work work = xpu_work(stream, NULL, tokens, NULL);
  return xpu_time(processors, &work);
}

static enum processor choose(const struct processors *processors, const struct stream *stream,
                             unsigned tokens) {
  if (processors->choice != BEST) return processors->choice;
  return tokens <= stream->crossover ? LOGIC_PIM : XPU;
}

struct product_times stream_times(struct processors *processors, const struct stream *stream,
                                  unsigned tokens) {
  return (struct product_times){.ran = choose(processors, stream, tokens),
                                .logic_pim = stack_time(stream, tokens),
                                .xpu = product_time(processors, stream, tokens)};
}

// In steps of a group of tokens, up to the first at which the xPU is sooner: Logic-PIM's time grows by that
// of a whole stream with each group, the xPU's hardly does before it is bound by its operations.
static unsigned find_crossover(struct processors *processors, const struct stream *stream) {
  unsigned tokens = 8;
  while (tokens <= TOKENS_MOST && stack_time(stream, tokens) <= product_time(processors, stream, tokens))
    tokens += 8;
  return tokens - 8;
}

// The clocks of a job depend on its shape and not on values, so that jobs of zeros tell them.
static enum status measure_jobs(struct processors *processors, struct stream *stream) {
  duplex_f16 *x = allocate((size_t)JOB_TOKENS * stream->columns, sizeof *x);
  duplex_f32 *y = allocate((size_t)JOB_TOKENS * stream->rows, sizeof *y);
  enum status status = x && y ? GOOD : FAILED;
  for (unsigned groups = 1; !status && groups <= JOB_GROUPS; groups++) {
    if (duplex_stack_gemm(processors->stack, stream->resident, x, 8 * groups, DUPLEX_F32, y))
      status = fail_stack(processors);
    stream->job_time[groups - 1] = last_job_time(processors);
  }
  free(x);
  free(y);
  return status;
}

enum status stream_open(struct processors *processors, struct stream *stream) {
  if (duplex_stack_upload(processors->stack, stream->w, stream->rows, stream->columns, stream->exponents,
                          &stream->resident))
    return fail_stack(processors);
  const enum status status = measure_jobs(processors, stream);
  if (!status) stream->crossover = find_crossover(processors, stream);
  return status;
}

// In jobs of JOB_TOKENS; *time is the sum of theirs.
static enum status stack_multiply(struct processors *processors, const struct stream *stream,
                                  const duplex_f16 *x, unsigned tokens, duplex_f32 *y, uint64_t *time) {
  *time = 0;
  for (unsigned first = 0; first < tokens; first += JOB_TOKENS) {
    const unsigned count = tokens - first < JOB_TOKENS ? tokens - first : JOB_TOKENS;
    if (duplex_stack_gemm(processors->stack, stream->resident, x + (size_t)first * stream->columns, count,
                          DUPLEX_F32, y + (size_t)first * stream->rows))
      return fail_stack(processors);
    *time += last_job_time(processors);
  }
  return GOOD;
}

enum status xpu_multiply(struct processors *processors, const struct stream *stream, const duplex_f16 *x,
                         unsigned tokens, duplex_f32 *y) {
  const struct duplex_xpu_work work = xpu_work(stream, x, tokens, y);
  struct duplex_xpu *xpu = processors->xpu;
  uint64_t ticket;
  int error = xpu->ops->submit(xpu, &work, &ticket);
  if (!error) error = xpu->ops->wait(xpu, ticket);
  return error ? report(FAILED, "the xPU, %s: %s", stream->name, duplex_error_text(error)) : GOOD;
}

enum status stream_multiply(struct processors *processors, const struct stream *stream, const duplex_f16 *x,
                            unsigned tokens, duplex_f32 *y, struct product_times *times) {
  *times = stream_times(processors, stream, tokens);
  if (times->ran == LOGIC_PIM) return stack_multiply(processors, stream, x, tokens, y, &times->logic_pim);
  return xpu_multiply(processors, stream, x, tokens, y);
}
