// SPDX-License-Identifier: Apache-2.0
// Writes what driver and firmware do to a stack during one job, and what the C model answers: a script for
// tests/icarus/stack_tb.v.
// usage: record gemm|expert|attention CHANNELS ROWS COLUMNS TOKENS   (attention: KV heads, positions, q
// heads)
//
// One line each: W address value, R address value, A most-clocks until-interrupt interrupt, each with the
// clock after it; D channel address 32 bytes (written to DRAM), E channel address 32 bytes (expected there).
// Addresses and bytes in hexadecimal, bytes with the highest first.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/activation.h"
#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"

enum { PART = 32, HEAD_SIZE = 32, KIND = 1, CHANNELS, FIRST, SECOND, THIRD, ARGUMENTS };

// A back end that passes everything on to the C model and writes it down.
struct recorder {
  struct duplex_backend backend;
  struct duplex_backend *model;
};

static struct duplex_backend *model_of(struct duplex_backend *backend) {
  return ((struct recorder *)backend)->model;
}
static uint64_t clock_of(struct duplex_backend *backend) {
  return model_of(backend)->ops->clocks(model_of(backend));
}

static void record_close(struct duplex_backend *backend) {
  model_of(backend)->ops->close(model_of(backend));
  free(backend);
}

static int record_reg_read(struct duplex_backend *backend, uint32_t address, uint32_t *value) {
  const int error = model_of(backend)->ops->reg_read(model_of(backend), address, value);
  printf("R %" PRIx32 " %" PRIx32 " %" PRIu64 "\n", address, *value, clock_of(backend));
  return error;
}

static int record_reg_write(struct duplex_backend *backend, uint32_t address, uint32_t value) {
  const int error = model_of(backend)->ops->reg_write(model_of(backend), address, value);
  printf("W %" PRIx32 " %" PRIx32 " %" PRIu64 "\n", address, value, clock_of(backend));
  return error;
}

// The whole parts that hold [address, address + size), as they are now.
static int parts(struct duplex_backend *backend, char operation, unsigned channel, uint64_t address,
                 size_t size) {
  int error = DUPLEX_OK;
  for (uint64_t part = address / PART; part * PART < address + size && !error; part++) {
    uint8_t bytes[PART];
    error = model_of(backend)->ops->mem_read(model_of(backend), channel, part * PART, bytes, PART);
    printf("%c %x %" PRIx64 " ", operation, channel, part * PART);
    for (unsigned i = PART; i--;) printf("%02x", bytes[i]);
    printf("\n");
  }
  return error;
}

static int record_mem_read(struct duplex_backend *backend, unsigned channel, uint64_t address, void *bytes,
                           size_t size) {
  const int error = model_of(backend)->ops->mem_read(model_of(backend), channel, address, bytes, size);
  return error ? error : parts(backend, 'E', channel, address, size);
}

static int record_mem_write(struct duplex_backend *backend, unsigned channel, uint64_t address,
                            const void *bytes, size_t size) {
  const int error = model_of(backend)->ops->mem_write(model_of(backend), channel, address, bytes, size);
  return error ? error : parts(backend, 'D', channel, address, size);
}

// What the xPU does in time is not part of these jobs.
static int record_xpu_read(struct duplex_backend *backend, unsigned channel, uint64_t address, void *bytes,
                           size_t size) {
  (void)backend, (void)channel, (void)address, (void)bytes, (void)size;
  return DUPLEX_ERROR_NOT_AVAILABLE;
}
static int record_xpu_write(struct duplex_backend *backend, unsigned channel, uint64_t address,
                            const void *bytes, size_t size) {
  (void)backend, (void)channel, (void)address, (void)bytes, (void)size;
  return DUPLEX_ERROR_NOT_AVAILABLE;
}
static void record_xpu_state(struct duplex_backend *backend, struct duplex_xpu_state *state) {
  model_of(backend)->ops->xpu_state(model_of(backend), state);
}
static int record_xpu_advance(struct duplex_backend *backend, uint64_t clocks, int *interrupt) {
  (void)backend, (void)clocks, (void)interrupt;
  return DUPLEX_ERROR_NOT_AVAILABLE;
}
static int record_xpu_wait(struct duplex_backend *backend) {
  (void)backend;
  return DUPLEX_ERROR_NOT_AVAILABLE;
}

static int record_advance(struct duplex_backend *backend, uint64_t clocks, int *interrupt) {
  const int error = model_of(backend)->ops->advance(model_of(backend), clocks, interrupt);
  printf("A %" PRIx64 " %d %d %" PRIu64 "\n", clocks, interrupt != NULL, interrupt ? *interrupt : 0,
         clock_of(backend));
  return error;
}

static void record_commands(struct duplex_backend *backend, struct duplex_dram_commands *commands) {
  model_of(backend)->ops->commands(model_of(backend), commands);
}
static const char *record_failure(struct duplex_backend *backend) {
  return model_of(backend)->ops->failure(model_of(backend));
}

static const struct duplex_backend_ops record_ops = {
    .name = "record",
    .close = record_close,
    .reg_read = record_reg_read,
    .reg_write = record_reg_write,
    .mem_read = record_mem_read,
    .mem_write = record_mem_write,
    .xpu_read = record_xpu_read,
    .xpu_write = record_xpu_write,
    .xpu_state = record_xpu_state,
    .xpu_advance = record_xpu_advance,
    .xpu_wait = record_xpu_wait,
    .advance = record_advance,
    .clocks = clock_of,
    .commands = record_commands,
    .failure = record_failure,
};

static duplex_f16 *draw(struct duplex_random *random, size_t count) {
  duplex_f16 *values = malloc(count * sizeof *values);
  for (size_t i = 0; values && i < count; i++) {
    const uint64_t bits = duplex_random_u64(random);
    values[i] = (duplex_f16)((bits & 0x83ff) | (12 + (bits >> 20) % 4) << 10);
  }
  return values;
}

// rows x columns weights, and so many tokens.
static int run_gemm(struct duplex_stack *stack, struct duplex_random *random, size_t rows, size_t columns,
                    size_t tokens) {
  struct duplex_weights *weights = NULL;
  duplex_f16 *w = draw(random, rows * columns);
  duplex_f16 *x = draw(random, tokens * columns);
  float *y = malloc(tokens * rows * sizeof *y);
  int error = w && x && y ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = duplex_stack_upload(stack, w, rows, columns, NULL, &weights);
  if (!error) error = duplex_stack_gemm(stack, weights, x, tokens, DUPLEX_F32, y);
  free(w), free(x), free(y);
  return error;
}

static int run_expert(struct duplex_stack *stack, struct duplex_random *random, size_t rows, size_t columns,
                      size_t tokens) {
  struct duplex_weights *up = NULL;
  struct duplex_weights *down = NULL;
  duplex_f16 *w = draw(random, 3 * rows * columns);
  duplex_f16 *x = draw(random, tokens * columns);
  duplex_f16 *y = malloc(tokens * columns * sizeof *y);
  int error = w && x && y ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = duplex_stack_upload_gated(stack, w, w + rows * columns, rows, columns, NULL, NULL, &up);
  if (!error) error = duplex_stack_upload(stack, w + 2 * rows * columns, columns, rows, NULL, &down);
  if (!error)
    error = duplex_stack_expert(stack, up, down, duplex_activation_builtin("silu"), x, tokens, DUPLEX_F16, y);
  free(w), free(x), free(y);
  return error;
}

static int run_attention(struct duplex_stack *stack, struct duplex_random *random, size_t heads,
                         size_t positions, size_t q_heads) {
  const struct duplex_kv_options options = {
      .heads = (unsigned)heads, .head_size = HEAD_SIZE, .page_positions = DUPLEX_WIDTH, .pages = 16};
  struct duplex_kv_cache *cache = NULL;
  struct duplex_sequence *sequence = NULL;
  duplex_f16 *k = draw(random, heads * positions * HEAD_SIZE);
  duplex_f16 *v = draw(random, heads * positions * HEAD_SIZE);
  duplex_f16 *q = draw(random, q_heads * HEAD_SIZE);
  duplex_f16 *o = malloc(q_heads * HEAD_SIZE * sizeof *o);
  int error = k && v && q && o ? duplex_kv_open(stack, &options, &cache) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, positions, 1, &sequence);
  if (!error) error = duplex_kv_append(sequence, 0, k, v, positions, 0);
  if (!error) error = duplex_stack_attention(cache, 0, &sequence, 1, q, q_heads, 0, o);
  if (cache) duplex_kv_close(cache);
  free(k), free(v), free(q), free(o);
  return error;
}

static const struct {
  const char *name;
  int (*run)(struct duplex_stack *stack, struct duplex_random *random, size_t first, size_t second,
             size_t third);
} jobs[] = {{"gemm", run_gemm}, {"expert", run_expert}, {"attention", run_attention}};

static struct duplex_stack *open_recorded(unsigned channels) {
  const struct duplex_stack_options options = {.backend = {.channels = channels, .threads = 1}};
  struct duplex_stack *stack = NULL;
  struct recorder *recorder = calloc(1, sizeof *recorder);
  if (!recorder) return NULL;
  recorder->backend.ops = &record_ops;
  if (duplex_cmodel_open(&options.backend, &recorder->model)) {
    free(recorder);
    return NULL;
  }
  duplex_stack_open_backend(&recorder->backend, &options, &stack);
  return stack;
}

int main(int argc, char **argv) {
  unsigned job = 0;
  while (argc == ARGUMENTS && job < 3 && strcmp(argv[KIND], jobs[job].name) != 0) job++;
  if (argc != ARGUMENTS || job == 3) {
    fprintf(stderr, "usage: record gemm|expert|attention CHANNELS ROWS COLUMNS TOKENS\n");
    return 2;
  }
  struct duplex_random random;
  duplex_random_seed(&random, 1, job);
  struct duplex_stack *stack = open_recorded((unsigned)strtoul(argv[CHANNELS], NULL, 10));
  int error = stack ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  if (!error)
    error = jobs[job].run(stack, &random, strtoul(argv[FIRST], NULL, 10), strtoul(argv[SECOND], NULL, 10),
                          strtoul(argv[THIRD], NULL, 10));
  if (error)
    fprintf(stderr, "record: %s\n", stack ? duplex_stack_last_error(stack) : duplex_error_text(error));
  if (stack) duplex_stack_close(stack);
  return error ? 1 : 0;
}
