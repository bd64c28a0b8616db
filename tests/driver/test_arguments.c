// SPDX-License-Identifier: Apache-2.0
// Every function of duplex.h and kv_cache.h with every pointer NULL, odd or given back, and with numbers out
// of range: an error code and a text, and the stack computes on as if nothing had been.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// CMocka needs the first four before it.
#include <cmocka.h>
#include <math.h>

#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/gemm.h"
#include "duplex/hbm.h"
#include "duplex/kv_cache.h"
#include "duplex/timing_judge.h"

enum { M = 2, N = 6, K = 64, HEADS = 2, D = 16, POSITIONS = 3 };

static duplex_f16 x[M * K + 1], w[2 * N * K + 1], y[M * K];
static duplex_f16 k[HEADS * POSITIONS * D + 1], v[HEADS * POSITIONS * D + 1];
static duplex_f16 q[4 * HEADS * D + 1], o[4 * HEADS * D + 1];
static struct duplex_stack *stack, *other;
static struct duplex_weights *weights, *gated, *down, *foreign;
static struct duplex_kv_cache *cache, *second;
static struct duplex_sequence *sequence, *empty, *of_second;
static const struct duplex_activation_table *table;

static const duplex_f16 *odd(const void *pointer) { return (const void *)((const char *)pointer + 1); }

static struct duplex_stack *open_stack(void) {
  const struct duplex_stack_options options = {.backend = {.channels = 2, .threads = 1}};
  struct duplex_stack *opened;
  assert_int_equal(duplex_stack_open("cmodel", &options, &opened, NULL, 0), 0);
  return opened;
}

// The stack computes, and right.
static void assert_good(void) {
  memset(y, 0, sizeof y);
  assert_int_equal(duplex_stack_gemm(stack, weights, x, M, DUPLEX_F16, y), 0);
  for (unsigned i = 0; i < M * N; i++) assert_int_equal(y[i], duplex_f16_from_double(K));
  memset(o, 0, sizeof o);
  struct duplex_sequence *const batch[] = {sequence};
  assert_int_equal(duplex_stack_attention(cache, 0, batch, 1, q, HEADS, 0, o), 0);
  for (unsigned i = 0; i < HEADS * D; i++) assert_int_equal(o[i], duplex_f16_from_double(1));
}

// Refused with this text of the stack, or without a text if it is "".
static void refused(unsigned line, struct duplex_stack *of, int error, const char *text) {
  if (error != DUPLEX_ERROR_ARGUMENT) fail_msg("line %u: error %d", line, error);
  if (text[0] && !strstr(duplex_stack_last_error(of), text))
    fail_msg("line %u: '%s', expected '%s'", line, duplex_stack_last_error(of), text);
}
#define REFUSED(call, text) refused(__LINE__, stack, call, text)

static int prepare(void **state) {
  const struct duplex_kv_options options = {.heads = HEADS, .head_size = D, .page_positions = 64, .pages = 8};
  (void)state;
  for (unsigned i = 0; i < M * K + 1; i++) x[i] = duplex_f16_from_double(1);
  for (unsigned i = 0; i < 2 * N * K + 1; i++) w[i] = duplex_f16_from_double(1);
  for (unsigned i = 0; i < HEADS * POSITIONS * D + 1; i++) k[i] = v[i] = duplex_f16_from_double(1);
  table = duplex_activation_builtin("relu");
  stack = open_stack();
  other = open_stack();
  assert_int_equal(duplex_stack_upload(stack, w, N, K, NULL, &weights), 0);
  assert_int_equal(duplex_stack_upload_gated(stack, w, w, N, K, NULL, NULL, &gated), 0);
  assert_int_equal(duplex_stack_upload(stack, w, K, N, NULL, &down), 0);
  assert_int_equal(duplex_stack_upload(other, w, N, K, NULL, &foreign), 0);
  assert_int_equal(duplex_kv_open(stack, &options, &cache), 0);
  assert_int_equal(duplex_kv_open(stack, &options, &second), 0);
  assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, &sequence), 0);
  assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, &empty), 0);
  assert_int_equal(duplex_kv_begin(second, DUPLEX_KV_SPACES, 1, &of_second), 0);
  assert_int_equal(duplex_kv_append(sequence, 0, k, v, POSITIONS, 0), 0);
  return 0;
}

static int finish(void **state) {
  (void)state;
  assert_good();
  duplex_stack_close(other);
  duplex_stack_close(stack);  // what is left goes with it
  return 0;
}

static void assert_open_refused(const char *backend, const struct duplex_stack_options *options,
                                const char *text) {
  struct duplex_stack *opened = stack;
  char said[256] = "";
  assert_int_equal(duplex_stack_open(backend, options, &opened, said, sizeof said), DUPLEX_ERROR_ARGUMENT);
  assert_null(opened);
  if (!strstr(said, text)) fail_msg("'%s': expected '%s'", said, text);
  opened = stack;
  assert_int_equal(duplex_stack_open(backend, options, &opened, NULL, 0), DUPLEX_ERROR_ARGUMENT);
  assert_null(opened);
}

static void test_kernel(void **state) {
  const struct duplex_stack_options options = {.backend.channels = 1};
  struct duplex_stack *opened;
  (void)state;
  setenv("DUPLEX_KERNEL", "sse9", 1);
  assert_open_refused("cmodel", &options, "DUPLEX_KERNEL names no kernel of this processor");
  setenv("DUPLEX_KERNEL", "portable", 1);
  assert_int_equal(duplex_stack_open("cmodel", &options, &opened, NULL, 0), DUPLEX_OK);
  duplex_stack_close(opened);
  unsetenv("DUPLEX_KERNEL");
}

static void test_open(void **state) {
  static const struct duplex_riscv_options negative = {.instructions_per_clock = -1};
  static const struct duplex_riscv_options endless = {.instructions_per_clock = INFINITY};
  static const struct duplex_riscv_options port = {.gdb_port = 65536};
  const struct duplex_stack_options good = {.backend.channels = 1};
  const struct {
    struct duplex_stack_options options;
    const char *text;
  } cases[] = {
      {{.backend.channels = 0}, "0 channels: expected 1 to "},
      {{.backend.channels = DUPLEX_CHANNELS + 1}, "channels: expected 1 to "},
      {{.backend = {.channels = 1, .threads = 1000000}}, "1000000 threads: expected at most"},
      {{.backend = {.channels = 1, .rank_switch = 3}}, "rank switch of 3 tCK: expected 0 to 2"},
      {{.backend = {.channels = 1, .dram_preset = "ddr1"}},
       "DRAM preset 'ddr1': expected hbm3_5200 or hbm3_6400"},
      {{.backend.channels = 1, .bundles = 0x1f}, "bundles 0x1f: expected a mask of bundles 0 to 3"},
      {{.backend.channels = 1, .riscv = &negative}, "-1 instructions per clock: expected a positive number"},
      {{.backend.channels = 1, .riscv = &endless}, "inf instructions per clock"},
      {{.backend.channels = 1, .riscv = &port}, "port 65536 for GDB: expected 1 to 65535"},
  };
  char said[256] = "";
  (void)state;
  assert_open_refused(NULL, &good, "the back end is NULL: expected cmodel or rtl");
  assert_open_refused("foo", &good, "back end 'foo': expected cmodel or rtl");
  assert_open_refused("", &good, "back end '': expected cmodel or rtl");
  assert_open_refused("cmodel", NULL, "the options are NULL");
  assert_int_equal(duplex_stack_open("cmodel", &good, NULL, said, sizeof said), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(said, "stack is NULL"));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_open_refused("cmodel", &cases[i].options, cases[i].text);
}

static void test_open_backend(void **state) {
  const struct duplex_stack_options options = {.backend.channels = 1};
  const struct duplex_stack_options wrong = {.backend.channels = 1, .bundles = 99};
  struct duplex_stack *opened = stack;
  struct duplex_backend *backend;
  (void)state;
  assert_int_equal(duplex_stack_open_backend(NULL, &options, &opened), DUPLEX_ERROR_ARGUMENT);
  assert_null(opened);
  assert_int_equal(duplex_cmodel_open(&options.backend, &backend), 0);
  assert_int_equal(duplex_stack_open_backend(backend, &wrong, &opened), DUPLEX_ERROR_ARGUMENT);  // closes it
  assert_int_equal(duplex_cmodel_open(&options.backend, &backend), 0);
  assert_int_equal(duplex_stack_open_backend(backend, NULL, &opened), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_cmodel_open(&options.backend, &backend), 0);
  assert_int_equal(duplex_stack_open_backend(backend, &options, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_cmodel_open(NULL, &backend), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_cmodel_open(&options.backend, NULL), DUPLEX_ERROR_ARGUMENT);
}

static void test_no_stack(void **state) {
  struct duplex_weights *made = weights;
  struct duplex_stack *client = stack;
  struct duplex_job *job;
  struct duplex_kv_cache *opened;
  struct duplex_stack_stats stats;
  const struct duplex_kv_options options = {.heads = 1, .head_size = 16, .pages = 1};
  (void)state;
  REFUSED(duplex_stack_set_stripe(NULL, 1), "");
  REFUSED(duplex_stack_open_client(NULL, 1, &client), "");
  assert_null(client);
  REFUSED(duplex_stack_upload(NULL, w, N, K, NULL, &made), "");
  assert_null(made);
  REFUSED(duplex_stack_upload_gated(NULL, w, w, N, K, NULL, NULL, &made), "");
  REFUSED(duplex_stack_upload_pair(NULL, w, w, N, K, &made), "");
  REFUSED(duplex_stack_release(NULL, weights), "");
  REFUSED(duplex_stack_gemm(NULL, weights, x, M, DUPLEX_F16, y), "");
  REFUSED(duplex_stack_expert(NULL, gated, down, table, x, M, DUPLEX_F16, y), "");
  REFUSED(duplex_stack_start_gemm(NULL, weights, x, M, DUPLEX_F16, &job), "");
  REFUSED(duplex_stack_start_expert(NULL, gated, down, table, x, M, DUPLEX_F16, &job), "");
  REFUSED(duplex_stack_wait(NULL, 1, y), "");
  REFUSED(duplex_stack_cancel(NULL), "");
  REFUSED(duplex_stack_reset(NULL), "");
  REFUSED(duplex_stack_end_files(NULL), "");
  REFUSED(duplex_kv_open(NULL, &options, &opened), "");
  assert_int_equal(duplex_kv_room(NULL, &options), 0);
  assert_int_equal(duplex_kv_room_beside(NULL, &options, 1, HEADS, false), 0);
  assert_int_equal(duplex_stack_channels(NULL), 0);
  assert_int_equal(duplex_kv_spread_most(NULL, 1), 1);
  duplex_stack_last_stats(NULL, &stats);
  assert_int_equal(stats.cycles, 0);
  duplex_stack_last_stats(stack, NULL);
  assert_non_null(strstr(duplex_stack_last_error(NULL), "NULL"));
  duplex_stack_close(NULL);
  assert_int_equal(duplex_stack_release(stack, NULL), 0);
}

static void test_weights(void **state) {
  struct duplex_weights *made = weights;
  struct duplex_stack *client;
  (void)state;
  REFUSED(duplex_stack_open_client(stack, 1, NULL), "client is NULL");
  REFUSED(duplex_stack_open_client(stack, 0, &client), "0 rows");
  REFUSED(duplex_stack_open_client(stack, UINT32_MAX, &client), "rows of the stack are not free");
  REFUSED(duplex_stack_set_stripe(stack, 0), "stripe set 0x0");
  REFUSED(duplex_stack_set_stripe(stack, 16), "stripe set 0x10");
  REFUSED(duplex_stack_upload(stack, NULL, N, K, NULL, &made), "w is NULL");
  assert_null(made);
  REFUSED(duplex_stack_upload(stack, w, N, K, NULL, NULL), "weights is NULL");
  REFUSED(duplex_stack_upload(stack, odd(w), N, K, NULL, &made), "w lies at an odd address");
  REFUSED(duplex_stack_upload_gated(stack, NULL, w, N, K, NULL, NULL, &made), "gate is NULL");
  REFUSED(duplex_stack_upload_gated(stack, w, NULL, N, K, NULL, NULL, &made), "up is NULL");
  REFUSED(duplex_stack_upload_gated(stack, w, odd(w), N, K, NULL, NULL, &made), "up lies at an odd address");
  REFUSED(duplex_stack_upload_pair(stack, NULL, NULL, N, K, &made), "w is NULL");
  REFUSED(duplex_stack_upload_pair(stack, w, NULL, N, K, &made), "w is NULL");
  static const size_t sizes[] = {
      0, SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 2, UINT32_MAX, (size_t)UINT32_MAX + 2};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char tall[64], wide[64];  // the caller's own numbers
    snprintf(tall, sizeof tall, "matrix of %zu x %d does not fit the stack", sizes[i], K);
    snprintf(wide, sizeof wide, "matrix of %d x %zu does not fit the stack", N, sizes[i]);
    REFUSED(duplex_stack_upload(stack, w, sizes[i], K, NULL, &made), tall);
    REFUSED(duplex_stack_upload(stack, w, N, sizes[i], NULL, &made), wide);
    REFUSED(duplex_stack_upload_gated(stack, w, w, sizes[i], K, NULL, NULL, &made), tall);
    REFUSED(duplex_stack_upload_gated(stack, w, w, N, sizes[i], NULL, NULL, &made), wide);
    REFUSED(duplex_stack_upload_pair(stack, w, w, sizes[i], K, &made), tall);
    REFUSED(duplex_stack_upload_pair(stack, NULL, w, N, sizes[i], &made), wide);
  }
  REFUSED(duplex_stack_upload(stack, w, N, 65537, NULL, &made), "as its DRAM holds, of 1 to 65536");
  REFUSED(duplex_stack_upload_pair(stack, NULL, w, N, 32769, &made), "as its DRAM holds, of 1 to 32768");
  assert_int_equal(duplex_stack_upload(stack, w, N, K, NULL, &made), 0);
  assert_int_equal(duplex_stack_release(stack, made), 0);
  REFUSED(duplex_stack_release(stack, made), "they were released");
  REFUSED(duplex_stack_gemm(stack, made, x, M, DUPLEX_F16, y), "they were released");
  REFUSED(duplex_stack_release(stack, foreign), "another stack's");
  REFUSED(duplex_stack_release(stack, (struct duplex_weights *)(void *)x), "not resident on this stack");
}

static void test_jobs(void **state) {
  struct duplex_job *job;
  (void)state;
  REFUSED(duplex_stack_gemm(stack, NULL, x, M, DUPLEX_F16, y), "w is NULL");
  REFUSED(duplex_stack_gemm(stack, weights, NULL, M, DUPLEX_F16, y), "x is NULL");
  REFUSED(duplex_stack_gemm(stack, weights, odd(x), M, DUPLEX_F16, y), "x lies at an odd address");
  REFUSED(duplex_stack_gemm(stack, weights, x, M, DUPLEX_F16, NULL), "y is NULL");
  REFUSED(duplex_stack_gemm(stack, weights, x, 0, DUPLEX_F16, y), "0 tokens");
  REFUSED(duplex_stack_gemm(stack, weights, x, SIZE_MAX, DUPLEX_F16, y), "tokens: expected 1 to 4096");
  REFUSED(duplex_stack_gemm(stack, weights, x, M, (enum duplex_format)7, y),
          "format 7: expected f16, f32 or acc");
  REFUSED(duplex_stack_gemm(stack, gated, x, M, DUPLEX_F16, y), "gate and up");
  REFUSED(duplex_stack_gemm(stack, foreign, x, M, DUPLEX_F16, y), "another stack's");
  REFUSED(duplex_stack_start_gemm(stack, weights, x, M, DUPLEX_F16, NULL), "job is NULL");
  REFUSED(duplex_stack_start_gemm(stack, NULL, x, M, DUPLEX_F16, &job), "w is NULL");
  assert_null(job);
  REFUSED(duplex_stack_expert(stack, NULL, down, table, x, M, DUPLEX_F16, y), "up is NULL");
  REFUSED(duplex_stack_expert(stack, gated, NULL, table, x, M, DUPLEX_F16, y), "down is NULL");
  REFUSED(duplex_stack_expert(stack, gated, down, NULL, x, M, DUPLEX_F16, y), "table is NULL");
  REFUSED(duplex_stack_expert(stack, gated, down, table, NULL, M, DUPLEX_F16, y), "x is NULL");
  REFUSED(duplex_stack_expert(stack, gated, down, table, x, M, DUPLEX_F16, NULL), "y is NULL");
  REFUSED(duplex_stack_expert(stack, gated, weights, table, x, M, DUPLEX_F16, y), "expected the same number");
  REFUSED(duplex_stack_start_expert(stack, gated, down, table, x, M, DUPLEX_F16, NULL), "job is NULL");
}

// A job is waited for once; its weights stay until then.
static void test_job_is_over(void **state) {
  struct duplex_job *job;
  struct duplex_weights *made;
  (void)state;
  assert_int_equal(duplex_stack_upload(stack, w, N, K, NULL, &made), 0);
  assert_int_equal(duplex_stack_start_gemm(stack, made, x, M, DUPLEX_F16, &job), 0);
  REFUSED(duplex_stack_wait(job, UINT64_MAX, NULL), "y is NULL");
  assert_int_equal(duplex_stack_release(stack, made), DUPLEX_ERROR_BUSY);
  assert_non_null(strstr(duplex_stack_last_error(stack), "in flight"));
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
  REFUSED(duplex_stack_wait(job, UINT64_MAX, y), "it was waited for already");
  REFUSED(duplex_stack_cancel(job), "it was waited for already");
  for (unsigned i = 0; i < 10; i++) {
    assert_good();
    REFUSED(duplex_stack_wait(job, UINT64_MAX, y), "it was waited for already");
  }
  assert_int_equal(duplex_stack_release(stack, made), 0);
}

static void test_cache(void **state) {
  struct duplex_kv_options options = {.heads = HEADS, .head_size = D, .page_positions = 64, .pages = 1};
  struct duplex_kv_cache *opened = cache;
  struct duplex_sequence *made = sequence;
  unsigned spreads[1];
  const size_t lengths[1] = {5};
  (void)state;
  REFUSED(duplex_kv_open(stack, NULL, &opened), "options is NULL");
  assert_null(opened);
  REFUSED(duplex_kv_open(stack, &options, NULL), "cache is NULL");
  options.heads = 0;
  REFUSED(duplex_kv_open(stack, &options, &opened), "0 KV heads: expected 1 to");
  assert_int_equal(duplex_kv_room(stack, &options), 0);
  assert_int_equal(duplex_kv_room(stack, NULL), 0);
  assert_int_equal(duplex_kv_room_beside(stack, &options, 1, HEADS, false), 0);
  assert_int_equal(duplex_kv_room_beside(stack, NULL, 1, HEADS, false), 0);
  options.heads = HEADS, options.layers = 1025;
  REFUSED(duplex_kv_open(stack, &options, &opened), "1025 layers: expected 1 to 1024, or 0 for 1");
  options.layers = ~0u;
  REFUSED(duplex_kv_open(stack, &options, &opened), "4294967295 layers: expected 1 to 1024");
  options.layers = 0, options.bundles = 16;
  REFUSED(duplex_kv_open(stack, &options, &opened), "KV bundles 0x10: expected a mask of bundles 0 to 3");
  options.bundles = 0, options.prefill_bundles = ~0u;
  REFUSED(duplex_kv_open(stack, &options, &opened),
          "prefill bundles 0xffffffff: expected a mask of bundles 0 to 3");
  options.prefill_bundles = 0, options.pages = 0;
  REFUSED(duplex_kv_open(stack, &options, &opened), "0 pages, and 0 to prefill in: expected 1 or more");
  assert_true(duplex_kv_room(stack, &options) > 0);
  options.pages = SIZE_MAX;
  assert_int_equal(duplex_kv_room_beside(stack, &options, 0, HEADS, false), 0);
  assert_int_equal(duplex_kv_room_beside(stack, &options, 65536, HEADS, false), 0);
  assert_int_equal(duplex_kv_room_beside(stack, &options, 1, HEADS - 1, false), 0);
  assert_int_equal(duplex_kv_room_beside(stack, &options, 1, HEADS, false), duplex_kv_room(stack, &options));
  assert_int_equal(duplex_kv_open(stack, &options, &opened), DUPLEX_ERROR_OUT_OF_SPACE);
  REFUSED(duplex_kv_begin(NULL, DUPLEX_KV_SPACES, 1, &made), "");
  assert_null(made);
  REFUSED(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, NULL), "sequence is NULL");
  REFUSED(duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, 1, 3, &made), "3 channels for a KV head");
  REFUSED(duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, 1, 1u << 31, &made), "channels for a KV head");
  REFUSED(duplex_kv_begin(cache, (enum duplex_kv_space)2, 1, &made), "space 2");
  REFUSED(duplex_kv_use_p32(NULL, true), "");
  REFUSED(duplex_kv_plan_spreads(NULL, lengths, 1, 1, spreads), "");
  REFUSED(duplex_kv_plan_spreads(cache, NULL, 1, 1, spreads), "lengths is NULL");
  REFUSED(duplex_kv_plan_spreads(cache, lengths, 1, 1, NULL), "spreads is NULL");
  assert_int_equal(duplex_kv_plan_spreads(cache, NULL, 0, 1, NULL), 0);
  assert_int_equal(duplex_kv_spread_most(stack, 0), 1);
  assert_int_equal(duplex_kv_spread_most(stack, 1u << 31), 1);
  assert_int_equal(duplex_kv_used(NULL, DUPLEX_KV_SPACES), 0);
  assert_int_equal(duplex_kv_used(cache, (enum duplex_kv_space)9), 0);
  assert_int_equal(duplex_kv_close(NULL), 0);
  options.pages = 0, options.prefill_pages = 1;
  assert_int_equal(duplex_kv_open(stack, &options, &opened), 0);
  assert_int_equal(duplex_kv_close(opened), 0);
  options.pages = 1, options.prefill_pages = 0;
  assert_int_equal(duplex_kv_open(stack, &options, &opened), 0);
  assert_int_equal(duplex_kv_begin(opened, DUPLEX_KV_SPACES, 1, &made), 0);
  assert_int_equal(duplex_kv_close(opened), 0);
  REFUSED(duplex_kv_close(opened), "the KV cache is closed");
  REFUSED(duplex_kv_use_p32(opened, true), "the KV cache is closed");
  REFUSED(duplex_kv_append(made, 0, k, v, POSITIONS, 0), "the sequence was freed");
  REFUSED(duplex_kv_begin(opened, DUPLEX_KV_SPACES, 1, &made), "the KV cache is closed");
  assert_int_equal(duplex_kv_used(opened, DUPLEX_KV_SPACES), 0);
}

static void test_sequences(void **state) {
  struct duplex_sequence *made = sequence;
  (void)state;
  REFUSED(duplex_kv_append(NULL, 0, k, v, 1, 0), "");
  REFUSED(duplex_kv_append(sequence, 0, NULL, v, 1, 0), "k is NULL");
  REFUSED(duplex_kv_append(sequence, 0, k, NULL, 1, 0), "v is NULL");
  REFUSED(duplex_kv_append(sequence, 0, odd(k), v, 1, 0), "k lies at an odd address");
  REFUSED(duplex_kv_append(sequence, 0, k, odd(v), 1, 0), "v lies at an odd address");
  REFUSED(duplex_kv_append(sequence, 1, k, v, 1, 0), "layer 1: the cache has 1");
  REFUSED(duplex_kv_append(sequence, 0, k, v, 131072, 0),
          "131072 positions behind 3: expected at most 131072 in all");
  REFUSED(duplex_kv_append(sequence, 0, k, v, SIZE_MAX, 0),
          "18446744073709551615 positions behind 3: expected at most 131072");
  REFUSED(duplex_kv_append(sequence, 0, k, v, 1, SIZE_MAX / 2), "a stride of");
  assert_int_equal(duplex_kv_append(sequence, 0, NULL, NULL, 0, 0), 0);
  assert_int_equal(duplex_kv_length(NULL, 0), 0);
  assert_int_equal(duplex_kv_length(sequence, 0), POSITIONS);
  REFUSED(duplex_kv_share(NULL, 1, &made), "");
  assert_null(made);
  REFUSED(duplex_kv_share(sequence, 1, NULL), "shared is NULL");
  REFUSED(duplex_kv_share(sequence, SIZE_MAX, &made), "a prefix of");
  REFUSED(duplex_kv_move(NULL), "");
  assert_int_equal(duplex_kv_free(NULL), 0);
  assert_int_equal(duplex_kv_share(sequence, 2, &made), 0);
  assert_int_equal(duplex_kv_free(made), 0);
  REFUSED(duplex_kv_free(made), "the sequence was freed");
  REFUSED(duplex_kv_move(made), "the sequence was freed");
  REFUSED(duplex_kv_share(made, 1, &made), "the sequence was freed");
  assert_int_equal(duplex_kv_share(sequence, 2, &made), 0);
  struct duplex_sequence *const freed = made;
  assert_int_equal(duplex_kv_free(made), 0);
  assert_int_equal(duplex_kv_length(freed, 0), 0);
}

// Both functions of attention with the same arguments; a step takes k and v besides.
static void refused_by_both(unsigned line, struct duplex_kv_cache *of, unsigned layer,
                            struct duplex_sequence *const *batch, size_t count, const duplex_f16 *queries,
                            size_t q_heads, double scale, duplex_f16 *results, const char *text) {
  refused(line, stack, duplex_stack_attention(of, layer, batch, count, queries, q_heads, scale, results),
          text);
  refused(line, stack,
          duplex_stack_attention_step(of, layer, batch, count, k, v, queries, q_heads, scale, results), text);
}

static void test_attention(void **state) {
  struct duplex_sequence *freed;
  (void)state;
  assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, &freed), 0);
  assert_int_equal(duplex_kv_free(freed), 0);
  struct duplex_sequence *const one[] = {sequence}, *const null[] = {sequence, NULL};
  struct duplex_sequence *const gone[] = {sequence, freed}, *const foreigner[] = {of_second},
                                *const none[] = {empty};
  const size_t length = duplex_kv_length(sequence, 0);
#define BOTH(...) refused_by_both(__LINE__, __VA_ARGS__)
  BOTH(NULL, 0, one, 1, q, HEADS, 0, o, "");
  BOTH(cache, 0, NULL, 1, q, HEADS, 0, o, "sequences is NULL");
  BOTH(cache, 0, null, 2, q, HEADS, 0, o, "sequence 1 is NULL");
  BOTH(cache, 0, gone, 2, q, HEADS, 0, o, "sequence 1 was freed");
  BOTH(cache, 0, foreigner, 1, q, HEADS, 0, o, "sequence 0 is of another KV cache");
  BOTH(cache, 0, one, 1, NULL, HEADS, 0, o, "q is NULL");
  BOTH(cache, 0, one, 1, odd(q), HEADS, 0, o, "q lies at an odd address");
  BOTH(cache, 0, one, 1, q, HEADS, 0, NULL, "o is NULL");
  BOTH(cache, 0, one, 0, q, HEADS, 0, o, "0 sequences");
  BOTH(cache, 0, one, SIZE_MAX, q, HEADS, 0, o, "sequences, layer 0: expected 1 to");
  BOTH(cache, 1, one, 1, q, HEADS, 0, o, "a layer below 1");
  BOTH(cache, 0, one, 1, q, 0, 0, o, "0 query heads");
  BOTH(cache, 0, one, 1, q, HEADS + 1, 0, o, "query heads for 2 KV heads");
  BOTH(cache, 0, one, 1, q, 100 * HEADS, 0, o, "query heads for 2 KV heads");
  BOTH(cache, 0, one, 1, q, HEADS, -1, o, "the scale must be a positive number");
  BOTH(cache, 0, one, 1, q, HEADS, (double)INFINITY, o, "the scale must be");
  BOTH(cache, 0, one, 1, q, HEADS, (double)NAN, o, "the scale must be");
  BOTH(cache, 0, one, 1, q, HEADS, 1e39, o, "within binary32");
  BOTH(cache, 0, one, 1, q, HEADS, 2.4e38, o, "within binary32");
  BOTH(cache, 0, one, 1, q, HEADS, 1e-50, o, "within binary32");
  REFUSED(duplex_stack_attention(cache, 0, none, 1, q, HEADS, 0, o), "sequence 0 has no position");
  REFUSED(duplex_stack_attention_step(cache, 0, one, 1, NULL, v, q, HEADS, 0, o), "k is NULL");
  REFUSED(duplex_stack_attention_step(cache, 0, one, 1, k, NULL, q, HEADS, 0, o), "v is NULL");
  REFUSED(duplex_stack_attention_step(cache, 0, one, 1, odd(k), v, q, HEADS, 0, o),
          "k lies at an odd address");
  assert_int_equal(duplex_kv_length(sequence, 0), length);  // nothing was appended
}

static void test_scale(void **state) {
  (void)state;
  assert_int_equal(duplex_attention_scale(-1, 64), DUPLEX_F32_NAN);
  assert_int_equal(duplex_attention_scale((double)NAN, 64), DUPLEX_F32_NAN);
  assert_int_equal(duplex_attention_scale((double)INFINITY, 64), DUPLEX_F32_NAN);
  assert_int_equal(duplex_attention_scale(0, 0), DUPLEX_F32_NAN);
  assert_int_equal(duplex_attention_scale(0, 64), 0x3e38aa3b);
}

static void test_activation(void **state) {
  const char *text = NULL;
  struct duplex_activation_table copy = *table;
  const uint8_t word[DUPLEX_ACTIVATION_WORD_BYTES] = {0};
  (void)state;
  assert_null(duplex_activation_builtin(NULL));
  assert_null(duplex_activation_builtin("swish"));
  assert_null(duplex_activation_load(NULL, 5, &text));
  assert_non_null(text);
  assert_null(duplex_activation_load("", 0, NULL));
  assert_non_null(duplex_activation_check(NULL, DUPLEX_ACTIVATION_FILE_BYTES));
  duplex_activation_free(NULL);
  duplex_activation_write(&copy, UINT32_MAX, word);
  assert_memory_equal(&copy, table, sizeof copy);
  assert_string_equal(duplex_error_text(12345), duplex_error_text(-12345));
}

// Headers below the driver, where they can tell of an error.
static void test_units(void **state) {
  const struct duplex_backend_options options = {.channels = 1};
  struct duplex_dram_timing timing;
  struct duplex_judge_command command;
  struct duplex_hbm *hbm;
  uint8_t bytes[4] = {0};
  unsigned channel;
  (void)state;
  assert_int_equal(duplex_hbm_open(1, NULL, NULL, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_open(0, NULL, NULL, &hbm), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_read(NULL, 0, 0, bytes, sizeof bytes), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_write(NULL, 0, 0, bytes, sizeof bytes), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_open(1, NULL, NULL, &hbm), 0);
  assert_int_equal(duplex_hbm_mem_read(hbm, 0, 0, NULL, 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_write(hbm, 0, 0, NULL, 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_write(hbm, 1, 0, bytes, 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_write(hbm, 0, UINT64_MAX, bytes, 2), DUPLEX_ERROR_ARGUMENT);
  duplex_hbm_close(hbm);
  duplex_hbm_close(NULL);
  assert_int_equal(duplex_dram_timing_of(NULL, &timing), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_dram_timing_of(&options, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_null(duplex_dram_preset("ddr1"));
  assert_true(duplex_judge_is_blank(NULL));
  assert_false(duplex_judge_parse(NULL, &channel, &command));
  assert_false(duplex_judge_parse("0 0 REF 0 ff", NULL, &command));
  assert_false(duplex_judge_parse("0 0 REF 0 ff", &channel, NULL));
  duplex_gemm_panel_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_open),    cmocka_unit_test(test_open_backend), cmocka_unit_test(test_no_stack),
      cmocka_unit_test(test_weights), cmocka_unit_test(test_jobs),         cmocka_unit_test(test_job_is_over),
      cmocka_unit_test(test_cache),   cmocka_unit_test(test_sequences),    cmocka_unit_test(test_attention),
      cmocka_unit_test(test_kernel),  cmocka_unit_test(test_scale),        cmocka_unit_test(test_activation),
      cmocka_unit_test(test_units),
  };
  return cmocka_run_group_tests(tests, prepare, finish);
}
