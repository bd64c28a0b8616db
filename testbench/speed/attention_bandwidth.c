// SPDX-License-Identifier: Apache-2.0
// Bandwidth utilisation of decode attention on the cycle model: 32 channels, batch 32, 8 KV heads, group 4,
// head size 128, three KV spaces, refresh on; and where the other clocks go. usage: attention_bandwidth
// [--backend cmodel|rtl] [--channels C] [--batch B] [--lengths CASE] Fails if the utilisation is below 0.95
// at length 4096, 0.90 at 512, 0.90 on lengths drawn from 128 to 4096, or, the last position of each sequence
// written by the xPU as part of the job, 0.83 at 512. Other channels and batches than the default ones are
// measured without limits, so that small ones can be compared with the RTL.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"

enum { HEADS = 8, GROUP = 4, HEAD_SIZE = 128, LONGEST = 4096, BATCH_MOST = 64 };

struct setting {
  const char *backend;
  unsigned channels, batch;
  unsigned lengths;  // which of the cases, all of them if there is none of that number
};

struct length_case {
  const char *name;
  unsigned from, to;
  bool append;  // the last position is written in the job
  double least;
};

static const struct length_case cases[] = {{"4096", 4096, 4096, false, 0.95},
                                           {"512", 512, 512, false, 0.90},
                                           {"128 to 4096", 128, 4096, false, 0.90},
                                           {"512, append inside", 512, 512, true, 0.83},
                                           {"128 to 4096, append inside", 128, 4096, true, 0}};
enum { CASES = sizeof cases / sizeof *cases };

static int longest_first(const void *a, const void *b) {
  const size_t left = *(const size_t *)a;
  const size_t right = *(const size_t *)b;
  return (left < right) - (left > right);
}

// A batch: its sequences on the stack, and what they meet.
struct batch {
  size_t lengths[BATCH_MOST];
  struct duplex_sequence *sequences[BATCH_MOST];
  duplex_f16 *kv, *q, *o;  // one sequence's K and V, which all of them have; queries; results
};

static duplex_f16 *must(size_t elements) {
  duplex_f16 *values = malloc(elements * sizeof *values);
  if (!values) abort();
  return values;
}

static void draw(const struct setting *s, const struct length_case *c, struct batch *batch) {
  const size_t elements = (size_t)HEADS * LONGEST * HEAD_SIZE;
  const size_t outputs = (size_t)s->batch * HEADS * GROUP * HEAD_SIZE;
  struct duplex_random random;
  duplex_random_seed(&random, 1, 0);
  for (unsigned i = 0; i < s->batch; i++)
    batch->lengths[i] = c->from + duplex_random_below(&random, c->to - c->from + 1);
  qsort(batch->lengths, s->batch, sizeof *batch->lengths, longest_first);
  batch->kv = must(elements);
  batch->q = must(outputs);
  batch->o = must(outputs);
  for (size_t i = 0; i < elements; i++)
    batch->kv[i] = (duplex_f16)(0x3000 | (duplex_random_u64(&random) & 0x83ff));
  for (size_t i = 0; i < outputs; i++) batch->q[i] = batch->kv[i % elements];
}

// The sequences with their positions, but for the one that is appended in the job.
static int fill(struct duplex_kv_cache *cache, const struct setting *s, const struct length_case *c,
                struct batch *batch) {
  unsigned spreads[BATCH_MOST];
  int error = DUPLEX_OK;
  duplex_kv_plan_spreads(cache, batch->lengths, s->batch, GROUP, spreads);
  for (unsigned i = 0; i < s->batch && !error; i++) {
    struct duplex_sequence **sequence = &batch->sequences[i];
    error = duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, batch->lengths[i], spreads[i], sequence);
    if (!error)
      error = duplex_kv_append(*sequence, 0, batch->kv, batch->kv, batch->lengths[i] - c->append,
                               (size_t)LONGEST * HEAD_SIZE);
  }
  return error;
}

static int attend(struct duplex_kv_cache *cache, const struct setting *s, const struct length_case *c,
                  const struct batch *batch) {
  if (c->append)
    return duplex_stack_attention_step(cache, 0, batch->sequences, s->batch, batch->kv, batch->kv, batch->q,
                                       HEADS * GROUP, 0, batch->o);
  return duplex_stack_attention(cache, 0, batch->sequences, s->batch, batch->q, HEADS * GROUP, 0, batch->o);
}

// Runs one step of attention and brings its statistics; an error is told and returned.
static int measure(const struct setting *s, const struct length_case *c, struct duplex_stack_stats *stats) {
  const struct duplex_stack_options options = {.backend = {.channels = s->channels}, .bundles = 15};
  const struct duplex_kv_options kv = {
      .heads = HEADS, .head_size = HEAD_SIZE, .pages = (size_t)s->batch * LONGEST / 512};
  struct duplex_stack *stack = NULL;
  struct duplex_kv_cache *cache = NULL;
  struct batch batch = {0};
  char text[300] = "";
  draw(s, c, &batch);
  int error = duplex_stack_open(s->backend, &options, &stack, text, sizeof text);
  if (!error) error = duplex_kv_open(stack, &kv, &cache);
  if (!error) error = fill(cache, s, c, &batch);
  if (!error) error = attend(cache, s, c, &batch);
  if (!error) duplex_stack_last_stats(stack, stats);
  if (error) fprintf(stderr, "attention_bandwidth: %s\n", stack ? duplex_stack_last_error(stack) : text);
  duplex_kv_close(cache);
  duplex_stack_close(stack);
  free(batch.kv);
  free(batch.q);
  free(batch.o);
  return error;
}

// Prints the figures; false: below the limit of the case.
static bool report(const struct setting *s, const struct length_case *c,
                   const struct duplex_stack_stats *stats) {
  const double all = (double)stats->cycles * s->channels;
  const double beats = (double)stats->read_bytes / 128;
  const double use = (double)stats->useful_bytes / (128 * all);
  const double waits = (double)(stats->starved + stats->no_tile + stats->no_room);
  const bool limited = s->channels == 32 && s->batch == 32;
  printf("length %-26s %9llu clocks  utilisation %.4f", c->name, (unsigned long long)stats->cycles, use);
  if (limited && c->least > 0) printf(" (at least %.2f)", c->least);
  if (c->append)
    printf("\n  append: %.4f of the clocks, %llu writes of 32 bytes",
           (double)stats->append_cycles / (double)stats->cycles, (unsigned long long)stats->commands.xpu_wr);
  printf(
      "\n"
      "  of the channels' clocks: K and V %.4f, other beats (q, last columns) %.4f, waiting for DRAM "
      "%.4f, for a tile %.4f, for room %.4f, nothing to stream %.4f\n",
      use, beats / all - use, (double)stats->starved / all, (double)stats->no_tile / all,
      (double)stats->no_room / all, 1 - (beats + waits) / all);
  return !limited || use >= c->least;
}

int main(int argc, char **argv) {
  struct setting setting = {"cmodel", 32, 32, CASES};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--backend")) setting.backend = argv[i + 1];
    if (!strcmp(argv[i], "--channels")) setting.channels = (unsigned)atoi(argv[i + 1]);
    if (!strcmp(argv[i], "--batch")) setting.batch = (unsigned)atoi(argv[i + 1]);
    if (!strcmp(argv[i], "--lengths")) setting.lengths = (unsigned)atoi(argv[i + 1]);
  }
  if (setting.channels < 1 || setting.channels > 32 || setting.batch < 1 || setting.batch > BATCH_MOST)
    return 2;
  printf("%s, %u channels, batch %u, %d KV heads, group %d, head size %d, three KV spaces, refresh on\n",
         setting.backend, setting.channels, setting.batch, HEADS, GROUP, HEAD_SIZE);
  bool good = true;
  for (unsigned i = 0; i < CASES; i++) {
    struct duplex_stack_stats stats;
    if (setting.lengths < CASES && setting.lengths != i) continue;
    if (measure(&setting, &cases[i], &stats)) return 1;
    good &= report(&setting, &cases[i], &stats);
  }
  return good ? 0 : 1;
}
