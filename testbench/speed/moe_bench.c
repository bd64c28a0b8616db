// SPDX-License-Identifier: Apache-2.0
// An MoE layer on a device, clocks and numbers, beside OpenBLAS sgemm on the same products in the same run.
// usage: moe_bench [TOKENS] [EXPERTS HIDDEN INNER TOP_K] [STACKS] [THREADS] [COPIES] [PARTIALS]   (default:
// Mixtral-8x7B, batch 32, 5 stacks, 2 threads; 0: as many copies of each expert as pay; 0: exact sums, 3: the
// way that is predicted to take least, as enum duplex_partials)
//
// Loading the weights is not measured. sgemm uses one set of weights for all experts: its time does not
// depend on their values.
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "duplex/device.h"
#include "duplex/random.h"

struct bench {
  size_t tokens, experts, hidden, inner, top_k, stacks, threads, copies, partials;
};

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *take(size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory) fprintf(stderr, "moe_bench: too little memory\n"), exit(1);
  return memory;
}

static duplex_f16 *draw(struct duplex_random *random, size_t count, double deviation) {
  duplex_f16 *made = take(count * sizeof *made);
  // A block of normal values, again and again from other places: drawing billions would take minutes.
  enum { BLOCK = 1 << 20 };
  for (size_t i = 0; i < count && i < BLOCK; i++)
    made[i] = duplex_f16_from_double(deviation * duplex_random_normal(random));
  for (size_t i = BLOCK; i < count; i++) made[i] = made[(i * 7919 + i / BLOCK) % BLOCK];
  return made;
}

static void fail(const struct duplex_device *device) {
  fprintf(stderr, "moe_bench: %s\n", duplex_device_last_error(device));
  exit(1);
}

// Loads a layer of normal weights; the device copies them. *taken: in seconds, tables of time measured too.
static struct duplex_moe *load(struct duplex_device *device, const struct bench *b, double *taken) {
  struct duplex_random random;
  duplex_random_seed(&random, 1, 1);
  const size_t matrix = b->experts * b->inner * b->hidden;
  const struct duplex_moe_shape shape = {b->experts, b->hidden, b->inner};
  const struct duplex_moe_weights weights = {.router = draw(&random, b->experts * b->hidden, 0.05),
                                             .gate = draw(&random, matrix, 0.02),
                                             .up = draw(&random, matrix, 0.02),
                                             .down = draw(&random, matrix, 0.02)};
  struct duplex_moe *moe;
  const double begin = seconds(CLOCK_MONOTONIC);
  if (duplex_device_load_moe(device, &shape, &weights, duplex_activation_builtin("silu"), &moe)) fail(device);
  *taken = seconds(CLOCK_MONOTONIC) - begin;
  free((void *)weights.router);
  free((void *)weights.gate);
  free((void *)weights.up);
  free((void *)weights.down);
  return moe;
}

// Seconds of sgemm for as many products, experts with the mean number of tokens each.
static double sgemm_seconds(const struct bench *b) {
  const size_t n = (b->tokens * b->top_k + b->experts - 1) / b->experts;
  float *x = take(4 * n * b->hidden);
  float *h = take(4 * n * b->inner);
  float *w = take(4 * b->inner * b->hidden);
  for (size_t i = 0; i < n * b->hidden; i++) x[i] = (float)(i % 17) - 8;
  for (size_t i = 0; i < b->inner * b->hidden; i++) w[i] = (float)(i % 13) - 6;
  const double begin = seconds(CLOCK_MONOTONIC);
  for (size_t e = 0; e < b->experts; e++) {
    for (int i = 0; i < 2; i++)
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)b->inner, (int)b->hidden, 1, x,
                  (int)b->hidden, w, (int)b->hidden, 0, h, (int)b->inner);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)b->hidden, (int)b->inner, 1, h,
                (int)b->inner, w, (int)b->inner, 0, x, (int)b->hidden);
  }
  const double taken = seconds(CLOCK_MONOTONIC) - begin;
  free(x), free(h), free(w);
  return taken;
}

static double microseconds(uint64_t clocks) { return (double)clocks / 650; }

// By how much more than the bound, or less.
static double beyond(const struct duplex_moe_stats *s, uint64_t clocks) {
  return microseconds(clocks) - microseconds(s->bound);
}

// What is charged beside both sides, and what it makes of the distance from the bound.
static void print_charges(const struct duplex_moe_stats *s) {
  const double bound = (double)s->bound;
  printf("over the bound: both sides %.3f (%+.1f us), all %.3f (%+.1f us)\n", (double)s->sides / bound,
         beyond(s, s->sides), (double)s->cycles / bound, beyond(s, s->cycles));
  printf(
      "charged us: route %.1f, decide %.1f, tokens %.1f, launch %.1f, hand-over %.1f, reduce %.1f, "
      "combine %.1f; total %.1f\n",
      microseconds(s->route), microseconds(s->decide), microseconds(s->distribute), microseconds(s->launch),
      microseconds(s->hand_over), microseconds(s->reduce), microseconds(s->combine),
      microseconds(s->cycles - s->sides));
}

// The phases, what is charged, how the layer was done, and what loading it took.
static void print_layer(const struct duplex_moe_stats *s, double loading) {
  static const char *const sums[] = {"exact sums", "rounded sums", "h gathered"};
  for (unsigned i = 0; i < DUPLEX_PHASES; i++)
    if (s->logic_pim[i] || s->xpu_reads[i])
      printf("phase %u: Logic-PIM %.1f us, xPU reads %.1f us, its estimate %.1f us\n", i,
             microseconds(s->logic_pim[i]), microseconds(s->xpu_reads[i]), microseconds(s->xpu_estimate[i]));
  print_charges(s);
  printf("%llu copies of each expert, %.2f GB of DRAM, %s; predicted %.1f us, shown %.1f; loading %.1f s\n",
         (unsigned long long)s->copies, 1e-9 * (double)s->dram_bytes, sums[s->partials],
         microseconds(s->predicted), microseconds(s->sides + s->distribute + s->hand_over + s->reduce),
         loading);
}

// Runs one layer on the C model and prints host seconds, modelled times and the rate beside sgemm.
static void run(const struct bench *b) {
  const struct duplex_device_options options = {.stacks = (unsigned)b->stacks,
                                                .stack = {.backend = {.channels = DUPLEX_CHANNELS}},
                                                .threads = (unsigned)b->threads,
                                                .copies = (unsigned)b->copies,
                                                .partials = (enum duplex_partials)b->partials,
                                                .expected_pairs = b->tokens * b->top_k};
  struct duplex_device *device;
  struct duplex_moe_stats stats;
  char text[256];
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text))
    fprintf(stderr, "moe_bench: %s\n", text), exit(1);
  double loading;
  struct duplex_moe *moe = load(device, b, &loading);
  struct duplex_random random;
  duplex_random_seed(&random, 1, 2);
  duplex_f16 *x = draw(&random, b->tokens * b->hidden, 1);
  duplex_f16 *y = take(b->tokens * b->hidden * sizeof *y);
  const struct duplex_moe_routing routing = {.top_k = (unsigned)b->top_k};
  const double begin = seconds(CLOCK_MONOTONIC);
  const double processor_begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
  if (duplex_device_moe(device, moe, &routing, x, b->tokens, y)) fail(device);
  const double taken = seconds(CLOCK_MONOTONIC) - begin;
  const double processor = seconds(CLOCK_PROCESS_CPUTIME_ID) - processor_begin;
  duplex_device_last_stats(device, &stats);
  print_layer(&stats, loading);
  duplex_device_close(device);
  free(x), free(y);
  const double macs = (double)stats.pairs * 3 * (double)b->hidden * (double)b->inner;
  const double sgemm = sgemm_seconds(b);
  printf(
      "MoE layer, %zu tokens, %zu experts of %zu x %zu, top-%zu, %zu stacks, %zu threads: %.2f s of the "
      "host, clocks and all, %.2f s of its processors; modelled %.1f us, both sides %.1f, bound %.1f; %.2f G "
      "MAC/s, sgemm %.2f G MAC/s "
      "on as many products\n",
      b->tokens, b->experts, b->hidden, b->inner, b->top_k, b->stacks, b->threads, taken, processor,
      (double)stats.cycles / 650, (double)stats.sides / 650, (double)stats.bound / 650, 1e-9 * macs / taken,
      1e-9 * macs / sgemm);
}

int main(int argc, char **argv) {
  struct bench b = {32, 8, 4096, 14336, 2, 5, 2, 0, DUPLEX_PARTIALS_ACC};
  size_t *const numbers[] = {&b.tokens, &b.experts, &b.hidden, &b.inner,   &b.top_k,
                             &b.stacks, &b.threads, &b.copies, &b.partials};
  for (int i = 1; i < argc && i <= 9; i++) *numbers[i - 1] = strtoull(argv[i], NULL, 10);
  run(&b);
  return 0;
}
