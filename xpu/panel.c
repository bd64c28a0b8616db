// SPDX-License-Identifier: Apache-2.0
// Panels: blocks of a binary16 matrix as the kernels of the xPU's GEMM read them.
#include "xpu/panel.h"

#include <math.h>
#include <string.h>

static uint32_t pack_row(const duplex_f16 *values, unsigned columns, unsigned width, double *panel) {
  uint32_t special = 0;
  for (unsigned k = 0; k < columns; k++) {
    const bool finite = (values[k] & 0x7c00) != 0x7c00;
    panel[(size_t)k * width] = finite ? duplex_f16_to_double(values[k]) : 0.0;
    special |= !finite;
  }
  return special;
}

#if defined __x86_64__
#include <cpuid.h>
#include <immintrin.h>

// Eight rows of eight columns: transposed as 16-bit words, then widened.
__attribute__((target("avx2,f16c"))) static uint32_t pack_8x8(const duplex_f16 *values, size_t stride,
                                                              unsigned width, double *panel) {
  __m128i row[8];
  const __m128i exponent = _mm_set1_epi16(0x7c00);
  uint32_t special = 0;
  for (int r = 0; r < 8; r++) {
    row[r] = _mm_loadu_si128((const __m128i *)(values + (size_t)r * stride));
    const __m128i not_finite = _mm_cmpeq_epi16(_mm_and_si128(row[r], exponent), exponent);
    row[r] = _mm_andnot_si128(not_finite, row[r]);
    special |= (uint32_t)!_mm_testz_si128(not_finite, not_finite) << r;
  }
  __m128i pair[8];  // rows 2i and 2i+1, columns 0-3 and 4-7
  for (int i = 0; i < 4; i++) {
    pair[2 * i] = _mm_unpacklo_epi16(row[2 * i], row[2 * i + 1]);
    pair[2 * i + 1] = _mm_unpackhi_epi16(row[2 * i], row[2 * i + 1]);
  }
  __m128i column[8];
  for (int half = 0; half < 2; half++) {
    const __m128i low01 = _mm_unpacklo_epi32(pair[half], pair[2 + half]);  // columns 0, 1 of rows 0-3
    const __m128i low23 = _mm_unpackhi_epi32(pair[half], pair[2 + half]);
    const __m128i high01 = _mm_unpacklo_epi32(pair[4 + half], pair[6 + half]);  // of rows 4-7
    const __m128i high23 = _mm_unpackhi_epi32(pair[4 + half], pair[6 + half]);
    column[4 * half] = _mm_unpacklo_epi64(low01, high01);
    column[4 * half + 1] = _mm_unpackhi_epi64(low01, high01);
    column[4 * half + 2] = _mm_unpacklo_epi64(low23, high23);
    column[4 * half + 3] = _mm_unpackhi_epi64(low23, high23);
  }
  for (int k = 0; k < 8; k++) {
    const __m256 single = _mm256_cvtph_ps(column[k]);
    _mm256_storeu_pd(panel + (size_t)k * width, _mm256_cvtps_pd(_mm256_castps256_ps128(single)));
    _mm256_storeu_pd(panel + (size_t)k * width + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(single, 1)));
  }
  return special;
}

// Eight rows; the columns behind the last whole eight one by one.
static uint32_t pack_8_rows(const duplex_f16 *values, size_t stride, unsigned columns, unsigned width,
                            double *panel) {
  uint32_t special = 0;
  unsigned k = 0;
  for (; k + 8 <= columns; k += 8) special |= pack_8x8(values + k, stride, width, panel + (size_t)k * width);
  for (unsigned r = 0; r < 8; r++)
    special |= pack_row(values + r * stride + k, columns - k, width, panel + (size_t)k * width + r) << r;
  return special;
}

// Eight neighbours, widened.
__attribute__((target("avx2,f16c"))) static uint32_t widen_8(const duplex_f16 *values, double *panel) {
  const __m128i exponent = _mm_set1_epi16(0x7c00);
  const __m128i bits = _mm_loadu_si128((const __m128i *)values);
  const __m128i not_finite = _mm_cmpeq_epi16(_mm_and_si128(bits, exponent), exponent);
  const __m256 single = _mm256_cvtph_ps(_mm_andnot_si128(not_finite, bits));
  _mm256_storeu_pd(panel, _mm256_cvtps_pd(_mm256_castps256_ps128(single)));
  _mm256_storeu_pd(panel + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(single, 1)));
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(not_finite, _mm_setzero_si128()));
}

// F16C comes with AVX-512; elsewhere the processor is asked, which takes microseconds in virtual machines.
static bool packs_by_eight(void) {
  unsigned a, b, c, d;
  if (__builtin_cpu_supports("avx512f")) return true;
  return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#else
static uint32_t pack_8_rows(const duplex_f16 *values, size_t stride, unsigned columns, unsigned width,
                            double *panel) {
  uint32_t special = 0;
  for (unsigned r = 0; r < 8; r++) special |= pack_row(values + r * stride, columns, width, panel + r) << r;
  return special;
}

static uint32_t widen_8(const duplex_f16 *values, double *panel) {
  uint32_t special = 0;
  for (unsigned i = 0; i < 8; i++) special |= pack_row(values + i, 1, 1, panel + i) << i;
  return special;
}

static bool packs_by_eight(void) { return true; }
#endif

uint32_t xpu_pack_panel(const duplex_f16 *values, size_t stride, unsigned rows, unsigned columns,
                        unsigned width, double *panel) {
  uint32_t special = 0;
  if (rows < width) memset(panel, 0, (size_t)columns * width * sizeof *panel);
  unsigned row = 0;
  if (packs_by_eight())
    for (; row + 8 <= rows; row += 8)
      special |= pack_8_rows(values + row * stride, stride, columns, width, panel + row) << row;
  for (; row < rows; row++) special |= pack_row(values + row * stride, columns, width, panel + row) << row;
  return special;
}

uint32_t xpu_pack_transposed(const duplex_f16 *values, size_t stride, unsigned rows, unsigned columns,
                             unsigned width, double *panel) {
  uint32_t special = 0;
  if (rows < width) memset(panel, 0, (size_t)columns * width * sizeof *panel);
  const unsigned by_eight = packs_by_eight() ? rows / 8 * 8 : 0;
  for (unsigned k = 0; k < columns; k++) {
    const duplex_f16 *column = values + k * stride;
    double *to = panel + (size_t)k * width;
    for (unsigned row = 0; row < by_eight; row += 8) special |= widen_8(column + row, to + row) << row;
    for (unsigned row = by_eight; row < rows; row++) special |= pack_row(column + row, 1, 1, to + row) << row;
  }
  return special;
}

void xpu_widen_row(const duplex_f16 *values, unsigned columns, double *row) {
  const unsigned by_eight = packs_by_eight() ? columns / 8 * 8 : 0;
  for (unsigned k = 0; k < by_eight; k += 8) widen_8(values + k, row + k);
  pack_row(values + by_eight, columns - by_eight, 1, row + by_eight);
}

void xpu_split_panel(const double *panel, size_t count, double *small, double *large) {
  for (size_t i = 0; i < count; i++) {
    const bool is_large = fabs(panel[i]) >= 0.5;
    small[i] = is_large ? 0.0 : panel[i];
    large[i] = is_large ? panel[i] : 0.0;
  }
}
