// SPDX-License-Identifier: Apache-2.0
// Kernels of the fast path: portable, AVX2 and AVX-512.
#include "cmodel/gemm/fast_kernels.h"

#include <stdlib.h>
#include <string.h>

#include "cmodel/numerics/exact_mode.h"
#include "duplex/gemm.h"

#define WIDTH DUPLEX_WIDTH
#define LANES DUPLEX_LANES

// The kernels of struct duplex_kernels in C: true if every operation was exact; the caller's rounding mode
// and flags stay.
static bool portable_gemm(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                          const double *x, double *sums) {
  const exact_mode saved = exact_begin(x);
  memset(sums, 0, rows * LANES * sizeof *sums);
  for (unsigned tile = 0; tile < k_tiles; tile++)
    for (unsigned row = 0; row < rows; row++)
      for (unsigned k = 0; k < WIDTH; k++) {
        const double weight = duplex_f16_to_double(weights[tile * stride + row * WIDTH + k]);
        for (unsigned lane = 0; lane < LANES; lane++)
          sums[row * LANES + lane] += weight * x[((size_t)tile * WIDTH + k) * LANES + lane];
      }
  return exact_end(saved, sums);
}

// As portable_gemm for one lane; x holds that lane alone.
static bool portable_gemv(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                          const double *x, double *sums) {
  const exact_mode saved = exact_begin(x);
  for (unsigned row = 0; row < rows; row++) {
    double sum = 0;
    for (unsigned tile = 0; tile < k_tiles; tile++)
      for (unsigned k = 0; k < WIDTH; k++)
        sum += duplex_f16_to_double(weights[tile * stride + row * WIDTH + k]) * x[(size_t)tile * WIDTH + k];
    sums[row] = sum;
  }
  return exact_end(saved, sums);
}

static const struct duplex_kernels portable = {"portable", portable_gemm, portable_gemv};

// The vector kernels keep a row of 8 lanes in registers.
#if defined __x86_64__ && DUPLEX_LANES == 8
#include <cpuid.h>
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX512 __attribute__((target("avx512f,avx2,fma,f16c")))

// 64 weights in binary16 as doubles, into 32-byte aligned room.
AVX2 static inline void widen_row_avx2(const duplex_f16 *weights, double *wide) {
  for (unsigned k = 0; k < WIDTH; k += 8) {
    const __m256 single = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(weights + k)));
    _mm256_store_pd(wide + k, _mm256_cvtps_pd(_mm256_castps256_ps128(single)));
    _mm256_store_pd(wide + k + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(single, 1)));
  }
}

// Four rows of one tile: 8 accumulators of 4 lanes.
AVX2 static inline void add_tile_avx2(const double *wide, const double *x, __m256d sums[8]) {
  __m256d s0 = sums[0];
  __m256d s1 = sums[1];
  __m256d s2 = sums[2];
  __m256d s3 = sums[3];
  __m256d s4 = sums[4];
  __m256d s5 = sums[5];
  __m256d s6 = sums[6];
  __m256d s7 = sums[7];
  for (unsigned k = 0; k < WIDTH; k++) {
    const __m256d low = _mm256_load_pd(x + k * LANES);
    const __m256d high = _mm256_load_pd(x + k * LANES + 4);
    __m256d weight = _mm256_broadcast_sd(wide + k);
    s0 = _mm256_fmadd_pd(weight, low, s0);
    s1 = _mm256_fmadd_pd(weight, high, s1);
    weight = _mm256_broadcast_sd(wide + WIDTH + k);
    s2 = _mm256_fmadd_pd(weight, low, s2);
    s3 = _mm256_fmadd_pd(weight, high, s3);
    weight = _mm256_broadcast_sd(wide + 2 * WIDTH + k);
    s4 = _mm256_fmadd_pd(weight, low, s4);
    s5 = _mm256_fmadd_pd(weight, high, s5);
    weight = _mm256_broadcast_sd(wide + 3 * WIDTH + k);
    s6 = _mm256_fmadd_pd(weight, low, s6);
    s7 = _mm256_fmadd_pd(weight, high, s7);
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3, sums[4] = s4, sums[5] = s5, sums[6] = s6,
  sums[7] = s7;
}

// As portable_gemm, 4 rows at a time; rows that there are not count as 0.
AVX2 static bool avx2_gemm(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                           const double *x, double *sums) {
  double wide[4 * WIDTH] __attribute__((aligned(64)));
  memset(wide, 0, sizeof wide);
  const exact_mode saved = exact_begin(x);
  for (unsigned first = 0; first < rows; first += 4) {
    const unsigned count = rows - first < 4 ? rows - first : 4;
    __m256d group[8];
    for (int i = 0; i < 8; i++) group[i] = _mm256_setzero_pd();
    for (unsigned tile = 0; tile < k_tiles; tile++) {
      for (unsigned row = 0; row < count; row++)
        widen_row_avx2(weights + tile * stride + (first + row) * WIDTH, wide + row * WIDTH);
      add_tile_avx2(wide, x + (size_t)tile * WIDTH * LANES, group);
    }
    for (unsigned i = 0; i < 2 * count; i++) _mm256_storeu_pd(sums + first * LANES + 4 * i, group[i]);
    memset(wide, 0, sizeof wide);
  }
  return exact_end(saved, sums);
}

// As portable_gemv.
AVX2 static bool avx2_gemv(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                           const double *x, double *sums) {
  const exact_mode saved = exact_begin(x);
  for (unsigned row = 0; row < rows; row++) {
    __m256d part[4];
    for (int i = 0; i < 4; i++) part[i] = _mm256_setzero_pd();
    for (unsigned tile = 0; tile < k_tiles; tile++) {
      const duplex_f16 *w = weights + tile * stride + row * WIDTH;
      const double *xt = x + (size_t)tile * WIDTH;
      for (unsigned k = 0; k < WIDTH; k += 16)
        for (unsigned half = 0; half < 2; half++) {
          const __m256 single = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(w + k + 8 * half)));
          const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(single));
          const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(single, 1));
          part[2 * half] = _mm256_fmadd_pd(low, _mm256_load_pd(xt + k + 8 * half), part[2 * half]);
          part[2 * half + 1] =
              _mm256_fmadd_pd(high, _mm256_load_pd(xt + k + 8 * half + 4), part[2 * half + 1]);
        }
    }
    double lanes[4];
    _mm256_storeu_pd(lanes, _mm256_add_pd(_mm256_add_pd(part[0], part[1]), _mm256_add_pd(part[2], part[3])));
    sums[row] = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  }
  return exact_end(saved, sums);
}

AVX512 static inline __m512d widen8(const duplex_f16 *weights) {
  return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)weights)));
}

// As portable_gemm, DUPLEX_KERNEL_ROWS at most, which stay in registers over all tiles.
AVX512 static bool avx512_gemm(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                               const double *x, double *sums) {
  double wide[DUPLEX_KERNEL_ROWS * WIDTH] __attribute__((aligned(64)));
  if (rows < DUPLEX_KERNEL_ROWS) memset(wide, 0, sizeof wide);
  const exact_mode saved = exact_begin(x);
  __m512d s0 = _mm512_setzero_pd();
  __m512d s1 = s0;
  __m512d s2 = s0;
  __m512d s3 = s0;
  __m512d s4 = s0;
  __m512d s5 = s0;
  __m512d s6 = s0;
  __m512d s7 = s0;
  for (unsigned tile = 0; tile < k_tiles; tile++) {
    for (unsigned row = 0; row < rows; row++)
      for (unsigned k = 0; k < WIDTH; k += 8)
        _mm512_store_pd(wide + row * WIDTH + k, widen8(weights + tile * stride + row * WIDTH + k));
    const double *xt = x + (size_t)tile * WIDTH * LANES;
    for (unsigned k = 0; k < WIDTH; k++) {
      const __m512d lanes = _mm512_load_pd(xt + k * LANES);
      s0 = _mm512_fmadd_pd(_mm512_set1_pd(wide[k]), lanes, s0);
      s1 = _mm512_fmadd_pd(_mm512_set1_pd(wide[WIDTH + k]), lanes, s1);
      s2 = _mm512_fmadd_pd(_mm512_set1_pd(wide[2 * WIDTH + k]), lanes, s2);
      s3 = _mm512_fmadd_pd(_mm512_set1_pd(wide[3 * WIDTH + k]), lanes, s3);
      s4 = _mm512_fmadd_pd(_mm512_set1_pd(wide[4 * WIDTH + k]), lanes, s4);
      s5 = _mm512_fmadd_pd(_mm512_set1_pd(wide[5 * WIDTH + k]), lanes, s5);
      s6 = _mm512_fmadd_pd(_mm512_set1_pd(wide[6 * WIDTH + k]), lanes, s6);
      s7 = _mm512_fmadd_pd(_mm512_set1_pd(wide[7 * WIDTH + k]), lanes, s7);
    }
  }
  const __m512d all[DUPLEX_KERNEL_ROWS] = {s0, s1, s2, s3, s4, s5, s6, s7};
  for (unsigned row = 0; row < rows; row++) _mm512_storeu_pd(sums + row * LANES, all[row]);
  return exact_end(saved, sums);
}

// As portable_gemv.
AVX512 static bool avx512_gemv(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                               const double *x, double *sums) {
  const exact_mode saved = exact_begin(x);
  for (unsigned row = 0; row < rows; row++) {
    __m512d p0 = _mm512_setzero_pd();
    __m512d p1 = p0;
    __m512d p2 = p0;
    __m512d p3 = p0;
    for (unsigned tile = 0; tile < k_tiles; tile++) {
      const duplex_f16 *w = weights + tile * stride + row * WIDTH;
      const double *xt = x + (size_t)tile * WIDTH;
      for (unsigned k = 0; k < WIDTH; k += 32) {
        p0 = _mm512_fmadd_pd(widen8(w + k), _mm512_load_pd(xt + k), p0);
        p1 = _mm512_fmadd_pd(widen8(w + k + 8), _mm512_load_pd(xt + k + 8), p1);
        p2 = _mm512_fmadd_pd(widen8(w + k + 16), _mm512_load_pd(xt + k + 16), p2);
        p3 = _mm512_fmadd_pd(widen8(w + k + 24), _mm512_load_pd(xt + k + 24), p3);
      }
    }
    sums[row] = _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(p0, p1), _mm512_add_pd(p2, p3)));
  }
  return exact_end(saved, sums);
}

static const struct duplex_kernels avx2 = {"avx2", avx2_gemm, avx2_gemv};
static const struct duplex_kernels avx512 = {"avx512", avx512_gemm, avx512_gemv};

// clang 14 does not know the name for __builtin_cpu_supports.
static bool has_f16c(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

// Kernels of this processor, the fastest first; ends with NULL.
static void kernels_here(const struct duplex_kernels *kernels[4]) {
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (has_avx2 && __builtin_cpu_supports("avx512f")) *kernels++ = &avx512;
  if (has_avx2) *kernels++ = &avx2;
  *kernels++ = &portable;
  *kernels = NULL;
}

#else
static void kernels_here(const struct duplex_kernels *kernels[4]) {
  kernels[0] = &portable;
  kernels[1] = NULL;
}
#endif

// The kernels of a name, NULL: there are none. Without a name the fastest.
static const struct duplex_kernels *find_kernels(const char *name) {
  const struct duplex_kernels *kernels[4];
  kernels_here(kernels);
  for (unsigned i = 0; kernels[i]; i++)
    if (!name || strcmp(kernels[i]->name, name) == 0) return kernels[i];
  return NULL;
}

const struct duplex_kernels *duplex_kernels(void) {
  const struct duplex_kernels *wished = find_kernels(getenv("DUPLEX_KERNEL"));
  return wished ? wished : find_kernels(NULL);
}

const char *duplex_gemm_kernels(void) {
  const struct duplex_kernels *kernels = find_kernels(getenv("DUPLEX_KERNEL"));
  return kernels ? kernels->name : NULL;
}
