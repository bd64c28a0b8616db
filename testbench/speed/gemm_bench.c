// SPDX-License-Identifier: Apache-2.0
// Speed of the fast C model beside OpenBLAS sgemm on the same matrices, one thread, in one run. `make bench`.
//
// x ~ N(0, 1), w ~ N(0, 0.02) and N(0, 1), N = K = 4096, M = 1 and 8. sgemm works in binary32 and rounds at
// every step; the model returns every exact sum. Both are timed in turn, the best of several repetitions
// counts. Exit status 1 if a sum is not exact.
#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "duplex/gemm.h"
#include "duplex/random.h"

#define N 4096u
#define K 4096u
#define TILES (K / DUPLEX_WIDTH)
#define REPETITIONS 15

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *must(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) exit(2);
  return memset(memory, 0, bytes);
}

struct data {
  float *x, *w, *y;              // row-major, for sgemm
  duplex_f16 *x_tiles, *blocks;  // as the hardware streams them
  struct duplex_sum *sums;       // [N][8]
  struct duplex_gemm_tiers tiers;
};

// The same numbers in both layouts; every value is a binary16.
static void make_data(struct data *d, unsigned m, double deviation) {
  struct duplex_random random;
  duplex_random_seed(&random, 1, m);
  memset(d->x_tiles, 0, (size_t)K * DUPLEX_LANES * sizeof *d->x_tiles);
  for (unsigned token = 0; token < m; token++)
    for (unsigned k = 0; k < K; k++) {
      const duplex_f16 value = duplex_f16_from_double(duplex_random_normal(&random));
      d->x[(size_t)token * K + k] = (float)duplex_f16_to_double(value);
      d->x_tiles[(size_t)k * DUPLEX_LANES + token] = value;
    }
  for (unsigned n = 0; n < N; n++)
    for (unsigned k = 0; k < K; k++) {
      const duplex_f16 value = duplex_f16_from_double(deviation * duplex_random_normal(&random));
      const size_t block = n / DUPLEX_ROWS;
      const size_t row = n % DUPLEX_ROWS;
      const size_t tile = k / DUPLEX_WIDTH;
      d->w[(size_t)n * K + k] = (float)duplex_f16_to_double(value);
      d->blocks[((block * TILES + tile) * DUPLEX_ROWS + row) * DUPLEX_WIDTH + k % DUPLEX_WIDTH] = value;
    }
}

static void run_model(struct data *d) {
  struct duplex_gemm_panel *panel = duplex_gemm_panel_new(d->x_tiles, TILES, DUPLEX_TILE_F16);
  if (!panel) exit(2);
  memset(d->sums, 0, (size_t)N * DUPLEX_LANES * sizeof *d->sums);
  for (unsigned block = 0; block < N / DUPLEX_ROWS; block++)
    duplex_gemm_block_fast(d->blocks + (size_t)block * TILES * DUPLEX_ROWS * DUPLEX_WIDTH, DUPLEX_ROWS, TILES,
                           panel, d->sums + (size_t)block * DUPLEX_ROWS * DUPLEX_LANES, &d->tiers);
  duplex_gemm_panel_free(panel);
}

static void run_sgemm(const struct data *d, unsigned m) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, N, K, 1.0f, d->x, K, d->w, K, 0.0f, d->y, N);
}

// Every sum of the first block against integers.
static bool exact(const struct data *d) {
  static struct duplex_sum sums[DUPLEX_ROWS * DUPLEX_LANES];
  memset(sums, 0, sizeof sums);
  duplex_gemm_block_reference(d->blocks, DUPLEX_ROWS, TILES, d->x_tiles, DUPLEX_TILE_F16, sums);
  for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
    if (sums[i].low != d->sums[i].low || sums[i].high != d->sums[i].high || sums[i].flags != d->sums[i].flags)
      return false;
  return true;
}

// Prints the best of some repetitions beside sgemm; false if a sum is not exact.
static bool measure(struct data *d, unsigned m, double deviation) {
  double model = 1e9;
  double sgemm = 1e9;
  make_data(d, m, deviation);
  d->tiers = (struct duplex_gemm_tiers){0};
  for (int i = 0; i < REPETITIONS; i++) {
    double start = now();
    run_model(d);
    const double model_time = now() - start;
    start = now();
    run_sgemm(d, m);
    const double sgemm_time = now() - start;
    if (model_time < model) model = model_time;
    if (sgemm_time < sgemm) sgemm = sgemm_time;
  }
  const bool good = exact(d);
  const double rows = (double)(d->tiers.direct + d->tiers.split + d->tiers.wide) / 100;
  printf(
      "M %u, w ~ N(0, %g): model %.2f ms, sgemm %.2f ms; sums %s; tiers: direct %.3f%%, split %.3f%%, "
      "wide %.3f%%\n",
      m, deviation, 1e3 * model, 1e3 * sgemm, good ? "exact" : "NOT EXACT", (double)d->tiers.direct / rows,
      (double)d->tiers.split / rows, (double)d->tiers.wide / rows);
  printf("model_to_sgemm_m%u_w%g: %.2f\n", m, deviation, sgemm / model);
  return good;
}

int main(void) {
  struct data d = {.x = must(8u * K * sizeof(float)),
                   .w = must((size_t)N * K * sizeof(float)),
                   .y = must(8u * N * sizeof(float)),
                   .x_tiles = must((size_t)K * DUPLEX_LANES * 2),
                   .blocks = must((size_t)N * K * 2),
                   .sums = must((size_t)N * DUPLEX_LANES * sizeof(struct duplex_sum))};
  bool good = true;
  printf(
      "fast C model (kernel %s) beside OpenBLAS sgemm (%s, 1 thread), N = K = %u; a ratio above 1 means "
      "that the model is faster\n",
      duplex_gemm_kernels(), openblas_get_corename(), N);
  for (unsigned m = 1; m <= 8; m += 7)
    for (double deviation = 0.02; deviation <= 1; deviation *= 50) good &= measure(&d, m, deviation);
  free(d.x), free(d.w), free(d.y), free(d.x_tiles), free(d.blocks), free(d.sums);
  return good ? 0 : 1;
}
