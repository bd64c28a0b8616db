// SPDX-License-Identifier: Apache-2.0
// Kernels of the xPU's GEMM: portable, AVX2 and AVX-512.
#include "xpu/panel_kernels.h"

#include <stdlib.h>
#include <string.h>

#include "cmodel/numerics/exact_mode.h"

#define TOKENS XPU_PANEL_TOKENS
#define ROWS XPU_PANEL_ROWS

static bool portable_panel(const double *x, const double *w, unsigned columns, double *sums) {
  const exact_mode saved = exact_begin(sums);
  for (unsigned token = 0; token < TOKENS; token++) {
    double row_sums[ROWS];
    memcpy(row_sums, sums + token * ROWS, sizeof row_sums);
    for (unsigned k = 0; k < columns; k++)
      for (unsigned row = 0; row < ROWS; row++) row_sums[row] += w[k * ROWS + row] * x[k * TOKENS + token];
    memcpy(sums + token * ROWS, row_sums, sizeof row_sums);
  }
  return exact_end(saved, sums);
}

static void portable_round_f16(const double *values, const int8_t *exponents, unsigned count,
                               duplex_f16 *out) {
  for (unsigned i = 0; i < count; i++)
    out[i] = duplex_f16_from_scaled(values[i], exponents ? exponents[i] : 0);
}

static void portable_round_f32(const double *values, const int8_t *exponents, unsigned count,
                               duplex_f32 *out) {
  for (unsigned i = 0; i < count; i++)
    out[i] = duplex_f32_from_scaled(values[i], exponents ? exponents[i] : 0);
}

static const struct xpu_kernels portable = {"portable", portable_panel, portable_round_f16,
                                            portable_round_f32};

#if defined __x86_64__
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx2,fma,f16c")))

// Four tokens by 12 rows: 12 accumulators of 4 rows. They stay in registers only if the loops that load and
// store them are unrolled, too.
__attribute__((target("avx2,fma"))) static void avx2_part(const double *x, const double *w, unsigned columns,
                                                          double *sums) {
  __m256d s[4][3];
#pragma GCC unroll 4
  for (int token = 0; token < 4; token++) {
    s[token][0] = _mm256_loadu_pd(sums + token * ROWS);
    s[token][1] = _mm256_loadu_pd(sums + token * ROWS + 4);
    s[token][2] = _mm256_loadu_pd(sums + token * ROWS + 8);
  }
  for (unsigned k = 0; k < columns; k++) {
    const __m256d w0 = _mm256_load_pd(w + k * ROWS);
    const __m256d w1 = _mm256_load_pd(w + k * ROWS + 4);
    const __m256d w2 = _mm256_load_pd(w + k * ROWS + 8);
#pragma GCC unroll 4
    for (int token = 0; token < 4; token++) {
      const __m256d value = _mm256_broadcast_sd(x + k * TOKENS + token);
      s[token][0] = _mm256_fmadd_pd(w0, value, s[token][0]);
      s[token][1] = _mm256_fmadd_pd(w1, value, s[token][1]);
      s[token][2] = _mm256_fmadd_pd(w2, value, s[token][2]);
    }
  }
#pragma GCC unroll 4
  for (int token = 0; token < 4; token++) {
    _mm256_storeu_pd(sums + token * ROWS, s[token][0]);
    _mm256_storeu_pd(sums + token * ROWS + 4, s[token][1]);
    _mm256_storeu_pd(sums + token * ROWS + 8, s[token][2]);
  }
}

static bool avx2_panel(const double *x, const double *w, unsigned columns, double *sums) {
  const exact_mode saved = exact_begin(x);
  for (unsigned token = 0; token < TOKENS; token += 4)
    for (unsigned row = 0; row < ROWS; row += 12)
      avx2_part(x + token, w + row, columns, sums + token * ROWS + row);
  return exact_end(saved, sums);
}

// All eight tokens by 24 rows: 24 accumulators of 8 rows.
AVX512 static void avx512_block(const double *x, const double *w, unsigned columns, double *sums) {
  __m512d s[TOKENS][3];
#pragma GCC unroll 8
  for (int token = 0; token < TOKENS; token++) {
    s[token][0] = _mm512_loadu_pd(sums + token * ROWS);
    s[token][1] = _mm512_loadu_pd(sums + token * ROWS + 8);
    s[token][2] = _mm512_loadu_pd(sums + token * ROWS + 16);
  }
  for (unsigned k = 0; k < columns; k++) {
    _mm_prefetch((const char *)(x + (k + 12) * TOKENS), _MM_HINT_T0);
    const __m512d w0 = _mm512_load_pd(w + k * ROWS);
    const __m512d w1 = _mm512_load_pd(w + k * ROWS + 8);
    const __m512d w2 = _mm512_load_pd(w + k * ROWS + 16);
#pragma GCC unroll 8
    for (int token = 0; token < TOKENS; token++) {
      const __m512d value = _mm512_set1_pd(x[k * TOKENS + token]);
      s[token][0] = _mm512_fmadd_pd(w0, value, s[token][0]);
      s[token][1] = _mm512_fmadd_pd(w1, value, s[token][1]);
      s[token][2] = _mm512_fmadd_pd(w2, value, s[token][2]);
    }
  }
#pragma GCC unroll 8
  for (int token = 0; token < TOKENS; token++) {
    _mm512_storeu_pd(sums + token * ROWS, s[token][0]);
    _mm512_storeu_pd(sums + token * ROWS + 8, s[token][1]);
    _mm512_storeu_pd(sums + token * ROWS + 16, s[token][2]);
  }
}

static bool avx512_panel(const double *x, const double *w, unsigned columns, double *sums) {
  const exact_mode saved = exact_begin(x);
  avx512_block(x, w, columns, sums);
  return exact_end(saved, sums);
}

// Eight sums times 2^exponent, which changes no digit of them in binary64.
AVX512 static __m512d scaled8(const double *values, const int8_t *exponents, __mmask8 mask) {
  const __m512d value = _mm512_maskz_loadu_pd(mask, values);
  if (!exponents) return value;
  int8_t some[8] = {0};
  memcpy(some, exponents, (size_t)__builtin_popcount(mask));
  return _mm512_scalef_pd(value, _mm512_cvtepi32_pd(_mm256_cvtepi8_epi32(_mm_loadl_epi64((__m128i *)some))));
}

static __mmask8 first_lanes(unsigned count) { return (__mmask8)(count < 8 ? (1u << count) - 1 : 0xff); }

AVX512 static void round_f32_vectors(const double *values, const int8_t *exponents, unsigned count,
                                     duplex_f32 *out) {
  for (unsigned i = 0; i < count; i += 8) {
    const __mmask8 mask = first_lanes(count - i);
    const __m256 rounded = _mm512_cvtpd_ps(scaled8(values + i, exponents ? exponents + i : NULL, mask));
    _mm512_mask_storeu_epi32(out + i, mask, _mm512_castps_si512(_mm512_castps256_ps512(rounded)));
  }
}

// By way of binary32 rounded to odd, which keeps for the second rounding whether anything was cut off.
AVX512 static void round_f16_vectors(const double *values, const int8_t *exponents, unsigned count,
                                     duplex_f16 *out) {
  for (unsigned i = 0; i < count; i += 8) {
    const __mmask8 mask = first_lanes(count - i);
    const __m512d value = scaled8(values + i, exponents ? exponents + i : NULL, mask);
    const __m256 cut = _mm512_cvt_roundpd_ps(value, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    const __mmask8 inexact = _mm512_cmp_pd_mask(_mm512_cvtps_pd(cut), value, _CMP_NEQ_UQ);
    const __m512i bits = _mm512_castps_si512(_mm512_castps256_ps512(cut));
    const __m512i odd = _mm512_mask_or_epi32(bits, inexact, bits, _mm512_set1_epi32(1));
    const __m128i rounded = _mm256_cvtps_ph(_mm512_castps512_ps256(_mm512_castsi512_ps(odd)),
                                            _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    duplex_f16 eight[8];
    _mm_storeu_si128((__m128i *)eight, rounded);
    memcpy(out + i, eight, (count - i < 8 ? count - i : 8) * sizeof *out);
  }
}

static void avx512_round_f16(const double *values, const int8_t *exponents, unsigned count, duplex_f16 *out) {
  const exact_mode saved = exact_begin(values);
  round_f16_vectors(values, exponents, count, out);
  exact_end(saved, values);
}

static void avx512_round_f32(const double *values, const int8_t *exponents, unsigned count, duplex_f32 *out) {
  const exact_mode saved = exact_begin(values);
  round_f32_vectors(values, exponents, count, out);
  exact_end(saved, values);
}

static const struct xpu_kernels avx2 = {"avx2", avx2_panel, portable_round_f16, portable_round_f32};
static const struct xpu_kernels avx512 = {"avx512", avx512_panel, avx512_round_f16, avx512_round_f32};

const struct xpu_kernels *xpu_kernels(void) {
  const char *wish = getenv("DUPLEX_KERNEL");
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f");
  if (wish && strcmp(wish, "portable") == 0) return &portable;
  if (has_avx512 && !(wish && strcmp(wish, "avx2") == 0)) return &avx512;
  return has_avx2 ? &avx2 : &portable;
}

#else
const struct xpu_kernels *xpu_kernels(void) { return &portable; }
#endif
