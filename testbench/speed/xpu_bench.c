// SPDX-License-Identifier: Apache-2.0
// Matrix products of the xPU with exact sums beside OpenBLAS sgemm: 512 x 4096 by 4096 x 4096, in turns, one
// thread, and the gain of two. usage: xpu_bench
//
// Times of one thread are those of the processor. The gain of two threads is of the wall clock, and of the
// processor time of the busier one, which others on the machine change less. Values: x ~ N(0, 1), w ~ N(0,
// 0.02); and x with outliers as layers of language models have them: every 64th column 30 times as large.
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "duplex/random.h"
#include "xpu/gemm.h"

enum { TOKENS = 512, COLUMNS = 4096, ROWS = 4096, ROUNDS = 5 };

struct operands {
  duplex_f16 *x, *w;
  float *x_f32, *w_f32, *exact, *rounded;
};

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *take(size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory) fprintf(stderr, "xpu_bench: too little memory\n"), exit(1);
  return memory;
}

static void draw(struct operands *o, bool outliers) {
  struct duplex_random random;
  duplex_random_seed(&random, 1, outliers);
  for (size_t i = 0; i < (size_t)TOKENS * COLUMNS; i++) {
    const double scale = outliers && i % 64 == 0 ? 30 : 1;
    o->x[i] = duplex_f16_from_double(scale * duplex_random_normal(&random));
    o->x_f32[i] = (float)duplex_f16_to_double(o->x[i]);
  }
  for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++) {
    o->w[i] = duplex_f16_from_double(0.02 * duplex_random_normal(&random));
    o->w_f32[i] = (float)duplex_f16_to_double(o->w[i]);
  }
}

static void run_exact(const struct operands *o, unsigned threads) {
  const struct xpu_dense dense = {o->w, COLUMNS};
  const struct xpu_gemm gemm = {.x = o->x,
                                .x_stride = COLUMNS,
                                .tokens = TOKENS,
                                .columns = COLUMNS,
                                .rows = ROWS,
                                .weights = xpu_dense_weights(&dense),
                                .format = DUPLEX_RESULT_FORMAT_F32,
                                .out = o->exact,
                                .out_stride = ROWS,
                                .threads = threads};
  if (xpu_gemm_run(&gemm, NULL)) fprintf(stderr, "xpu_bench: the product failed\n"), exit(1);
}

static void run_sgemm(const struct operands *o) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, TOKENS, ROWS, COLUMNS, 1, o->x_f32, COLUMNS, o->w_f32,
              COLUMNS, 0, o->rounded, ROWS);
}

// sgemm rounds at every step, so that its results are near, and no more.
static void compare(const struct operands *o) {
  for (size_t i = 0; i < (size_t)TOKENS * ROWS; i++)
    if (!(fabs(o->exact[i] - o->rounded[i]) < 0.05))
      fprintf(stderr, "xpu_bench: result %zu is %g, sgemm has %g\n", i, o->exact[i], o->rounded[i]), exit(1);
}

// Seconds of a product on one thread and on two, the least so far: of the wall clock and of processor time,
// with two threads that of the busier one.
struct times {
  double wall, processor;
};

static void run_timed(const struct operands *o, unsigned threads, struct times *least) {
  const double wall = seconds(CLOCK_MONOTONIC);
  const double all = seconds(CLOCK_PROCESS_CPUTIME_ID);
  const double own = seconds(CLOCK_THREAD_CPUTIME_ID);
  run_exact(o, threads);
  const double here = seconds(CLOCK_THREAD_CPUTIME_ID) - own;
  const double there = seconds(CLOCK_PROCESS_CPUTIME_ID) - all - here;
  least->wall = fmin(least->wall, seconds(CLOCK_MONOTONIC) - wall);
  least->processor = fmin(least->processor, fmax(here, there));
}

// The least of several rounds each, in turns.
static void measure(const struct operands *o, const char *name) {
  struct times one = {INFINITY, INFINITY};
  struct times two = {INFINITY, INFINITY};
  double sgemm = INFINITY;
  for (unsigned round = 0; round < ROUNDS; round++) {
    run_timed(o, 1, &one);
    const double processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    run_sgemm(o);
    sgemm = fmin(sgemm, seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);
    compare(o);
    run_timed(o, 2, &two);
  }
  printf(
      "xPU %u x %u by %u x %u, %s: exact %.1f ms, sgemm %.1f ms, rate %.3f of sgemm's; two threads %.2f "
      "times one, by processor time %.2f\n",
      TOKENS, COLUMNS, ROWS, COLUMNS, name, 1e3 * one.processor, 1e3 * sgemm, sgemm / one.processor,
      one.wall / two.wall, one.processor / two.processor);
}

int main(void) {
  const size_t x = (size_t)TOKENS * COLUMNS;
  const size_t w = (size_t)ROWS * COLUMNS;
  const size_t y = (size_t)TOKENS * ROWS;
  const struct operands o = {take(2 * x), take(2 * w), take(4 * x), take(4 * w), take(4 * y), take(4 * y)};
  draw((struct operands *)&o, false);
  measure(&o, "x ~ N(0, 1)");
  draw((struct operands *)&o, true);
  measure(&o, "with outliers");
  return 0;
}
