// SPDX-License-Identifier: Apache-2.0
// Kernel of the xPU's GEMM for few tokens, in AVX-512.
#include "xpu/row_kernels.h"

#include <string.h>

#if defined __x86_64__
#include <immintrin.h>

#include "cmodel/numerics/exact_mode.h"

#define AVX512 __attribute__((target("avx512f,avx2,fma,f16c")))
#define INLINE AVX512 static inline __attribute__((always_inline))
#define STEP XPU_ROW_STEP

// Sixteen weights as two vectors of eight; NaN and infinities become zeros and are noted.
INLINE void widen(__m256i bits, __m512d *low, __m512d *high, __m256i *not_finite) {
  const __m256i exponent = _mm256_set1_epi16(0x7c00);
  const __m256i wrong = _mm256_cmpeq_epi16(_mm256_and_si256(bits, exponent), exponent);
  *not_finite = _mm256_or_si256(*not_finite, wrong);
  const __m512 single = _mm512_cvtph_ps(_mm256_andnot_si256(wrong, bits));
  *low = _mm512_cvtps_pd(_mm512_castps512_ps256(single));
  *high = _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(single), 1)));
}

// The last weights of a row, and zeros.
INLINE __m256i tail(const duplex_f16 *w, unsigned count) {
  duplex_f16 some[STEP] = {0};
  memcpy(some, w, count * sizeof *some);
  return _mm256_loadu_si256((const __m256i *)some);
}

// One row by `tokens` tokens, a constant where this is inlined.
INLINE bool one_row(const double *x, size_t x_stride, int tokens, const duplex_f16 *w, unsigned columns,
                    double *sums) {
  __m512d low_sum[XPU_PANEL_TOKENS], high_sum[XPU_PANEL_TOKENS];
  __m256i not_finite = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (int token = 0; token < tokens; token++) low_sum[token] = high_sum[token] = _mm512_setzero_pd();
  for (unsigned k = 0; k < columns; k += STEP) {
    const __m256i bits =
        columns - k < STEP ? tail(w + k, columns - k) : _mm256_loadu_si256((const __m256i *)(w + k));
    __m512d low, high;
    widen(bits, &low, &high, &not_finite);
#pragma GCC unroll 8
    for (int token = 0; token < tokens; token++) {
      const double *values = x + (size_t)token * x_stride + k;
      low_sum[token] = _mm512_fmadd_pd(low, _mm512_loadu_pd(values), low_sum[token]);
      high_sum[token] = _mm512_fmadd_pd(high, _mm512_loadu_pd(values + 8), high_sum[token]);
    }
  }
#pragma GCC unroll 8
  for (int token = 0; token < tokens; token++)
    sums[(size_t)token * XPU_PANEL_ROWS] =
        _mm512_reduce_add_pd(_mm512_add_pd(low_sum[token], high_sum[token]));
  return !_mm256_testz_si256(not_finite, not_finite);
}

#define ROWS_OF(TOKENS)                                                                                     \
  AVX512 static uint32_t rows_of_##TOKENS(const double *x, size_t x_stride, const duplex_f16 *w,            \
                                          size_t w_stride, unsigned rows, unsigned columns, double *sums) { \
    uint32_t special = 0;                                                                                   \
    for (unsigned row = 0; row < rows; row++)                                                               \
      special |= (uint32_t)one_row(x, x_stride, TOKENS, w + row * w_stride, columns, sums + row) << row;    \
    return special;                                                                                         \
  }
ROWS_OF(1)
ROWS_OF(2)
ROWS_OF(3)
ROWS_OF(4)
ROWS_OF(5)
ROWS_OF(6)
ROWS_OF(7)
ROWS_OF(8)

static bool avx512_rows(const double *x, size_t x_stride, unsigned tokens, const duplex_f16 *w,
                        size_t w_stride, unsigned rows, unsigned columns, double *sums, uint32_t *special) {
  static uint32_t (*const by_tokens[])(const double *, size_t, const duplex_f16 *, size_t, unsigned, unsigned,
                                       double *) = {rows_of_1, rows_of_2, rows_of_3, rows_of_4,
                                                    rows_of_5, rows_of_6, rows_of_7, rows_of_8};
  const exact_mode saved = exact_begin(x);
  *special = by_tokens[tokens - 1](x, x_stride, w, w_stride, rows, columns, sums);
  return exact_end(saved, sums);
}

xpu_row_kernel *xpu_row_kernel_of(const struct xpu_kernels *kernels) {
  return strcmp(kernels->name, "avx512") == 0 ? avx512_rows : NULL;
}

#else
xpu_row_kernel *xpu_row_kernel_of(const struct xpu_kernels *kernels) {
  (void)kernels;
  return NULL;
}
#endif
