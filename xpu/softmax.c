// SPDX-License-Identifier: Apache-2.0
// Softmax of 8 rows of scores side by side: by the units of the C model, and in vectors for AVX-512.
#include "xpu/softmax.h"

#include <string.h>

#define ROWS XPU_SOFTMAX_ROWS
#define COARSE_FROM 0x6800u  // the weight 1/2

static void portable_scale(duplex_f32 *t, size_t positions, duplex_f32 c, duplex_f32 *maximum) {
  for (size_t i = 0; i < positions * ROWS; i++) {
    t[i] = duplex_score_scale(t[i], c);
    maximum[i % ROWS] = duplex_running_maximum(maximum[i % ROWS], t[i]);
  }
}

// The weight of one score; its low part, of two, is fine.
static uint64_t weigh_one(duplex_f32 t, duplex_f32 maximum, bool wide, double *coarse, double *fine) {
  const duplex_p16 high = duplex_exponential(t, maximum, wide ? DUPLEX_P32_HIGH : DUPLEX_P16);
  const duplex_p16 low = wide ? duplex_exponential(t, maximum, DUPLEX_P32_LOW) : 0;
  const double value = duplex_p16_to_double(high);
  *coarse = high >= COARSE_FROM ? value : 0;
  *fine = (high >= COARSE_FROM ? 0 : value) + duplex_p16_to_double(low);
  return duplex_p16_units(high) + duplex_p16_units(low);
}

static void portable_weigh(const duplex_f32 *t, size_t positions, const duplex_f32 *maximum, bool wide,
                           struct xpu_softmax_weights *weights, uint64_t *l) {
  weights->any_coarse = weights->any_fine = false;
  for (size_t i = 0; i < positions * ROWS; i++) {
    l[i % ROWS] += weigh_one(t[i], maximum[i % ROWS], wide, &weights->coarse[i], &weights->fine[i]);
    weights->any_coarse |= weights->coarse[i] != 0;
    weights->any_fine |= weights->fine[i] != 0;
  }
}

static const struct xpu_softmax_kernels portable = {portable_scale, portable_weigh};

#if defined __x86_64__
#include <immintrin.h>

#include "cmodel/numerics/exact_mode.h"
#include "cmodel/softmax/exponential_table.h"

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx2")))

// max gives its second operand if one is NaN, so NaN are noted beside it.
AVX512 static void scale_vectors(duplex_f32 *t, size_t positions, duplex_f32 c, duplex_f32 *maximum) {
  const __m256 factor = _mm256_castsi256_ps(_mm256_set1_epi32((int)c));
  __m256 most = _mm256_loadu_ps((const float *)maximum);
  __mmask8 nan = _mm256_cmp_ps_mask(most, most, _CMP_UNORD_Q);
  for (size_t i = 0; i < positions; i++) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps((const float *)t + i * ROWS), factor);
    _mm256_storeu_ps((float *)t + i * ROWS, scaled);
    nan |= _mm256_cmp_ps_mask(scaled, scaled, _CMP_UNORD_Q);
    most = _mm256_max_ps(scaled, most);
  }
  const __m256 not_minus_zero = _mm256_add_ps(most, _mm256_setzero_ps());
  _mm256_storeu_ps(
      (float *)maximum,
      _mm256_mask_mov_ps(not_minus_zero, nan, _mm256_castsi256_ps(_mm256_set1_epi32(DUPLEX_F32_NAN))));
}

static void avx512_scale(duplex_f32 *t, size_t positions, duplex_f32 c, duplex_f32 *maximum) {
  const exact_mode saved = exact_begin(t);
  scale_vectors(t, positions, c, maximum);
  exact_end(saved, t);
}

// The quantised differences of 8 scores. Rounded down, a difference in binary64 keeps all multiples of 2^-23
// that are not above it; beyond 2^6 every one is too far.
AVX512 static __m256i difference8(__m256 t, __m512d maximum) {
  const __m512d difference =
      _mm512_sub_round_pd(maximum, _mm512_cvtps_pd(t), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  const __m512d units = _mm512_mul_pd(_mm512_min_pd(difference, _mm512_set1_pd(64)), _mm512_set1_pd(0x1p23));
  return _mm512_cvttpd_epi32(units);
}

// One field of the segments of the exponential.
AVX512 static __m256i field8(__m256i segment, const uint32_t *field) {
  return _mm256_i32gather_epi32((const int *)field, _mm256_mullo_epi32(segment, _mm256_set1_epi32(3)), 4);
}

// 2^-fraction in units of 2^-23, in 64 bits, as power_of of the C model.
AVX512 static __m512i power8(__m256i fraction) {
  const __m256i place_mask = _mm256_set1_epi32((1 << EXPONENTIAL_PLACE_BITS) - 1);
  const __m256i segment = _mm256_srli_epi32(fraction, EXPONENTIAL_PLACE_BITS);
  const __m256i place = _mm256_andnot_si256(fraction, place_mask);
  const __m256i bent = _mm256_mullo_epi32(field8(segment, &exponential_segments[0].curve),
                                          _mm256_srli_epi32(place, EXPONENTIAL_TOP_SHIFT));
  const __m256i slope = _mm256_add_epi32(field8(segment, &exponential_segments[0].base),
                                         _mm256_srli_epi32(bent, EXPONENTIAL_CURVE_SHIFT));
  const __m512i start = _mm512_cvtepu32_epi64(field8(segment, &exponential_segments[0].start));
  const __m512i rise = _mm512_mul_epu32(_mm512_cvtepu32_epi64(slope), _mm512_cvtepu32_epi64(place));
  return _mm512_srli_epi64(_mm512_add_epi64(_mm512_slli_epi64(start, EXPONENTIAL_START_SHIFT), rise),
                           EXPONENTIAL_SLOPE_SHIFT);
}

// (value + add) >> 1
AVX512 static __m512i half8(__m512i value, __m512i add) {
  return _mm512_srli_epi64(_mm512_add_epi64(value, add), 1);
}

// A weight, or the high part of one, in units of 2^-24, as high_of of the C model.
AVX512 static __m512i high8(__m512i power, __m512i whole, bool wide) {
  const __m512i one = _mm512_set1_epi64(1);
  const __m512i missing =
      _mm512_max_epi64(_mm512_sub_epi64(whole, _mm512_set1_epi64(27)), _mm512_setzero_si512());
  const __m512i add = wide ? _mm512_min_epi64(missing, one) : one;
  const __m512i kept = half8(_mm512_srlv_epi64(_mm512_srli_epi64(power, 10), missing), add);
  const __m512i placed = _mm512_slli_epi64(_mm512_sllv_epi64(kept, missing), 11 + 16);
  return _mm512_srlv_epi64(placed, whole);
}

// The low part, as low_of; shifts by negative counts give zero.
AVX512 static __m512i low8(__m512i power, __m512i whole) {
  const __m512i rest = _mm512_and_si512(power, _mm512_set1_epi64(0x7ff));
  const __m512i left = _mm512_sllv_epi64(rest, _mm512_sub_epi64(_mm512_set1_epi64(16), whole));
  const __m512i right = _mm512_srlv_epi64(rest, _mm512_sub_epi64(whole, _mm512_set1_epi64(17)));
  const __mmask8 fits = _mm512_cmple_epi64_mask(whole, _mm512_set1_epi64(16));
  return _mm512_mask_mov_epi64(half8(right, _mm512_set1_epi64(1)), fits, left);
}

AVX512 static void weigh_vectors(const duplex_f32 *t, size_t positions, const duplex_f32 *maximum, bool wide,
                                 struct xpu_softmax_weights *weights, uint64_t *l) {
  const __m256 most = _mm256_loadu_ps((const float *)maximum);
  const __mmask8 finite = (__mmask8)~_mm256_fpclass_ps_mask(most, 0x99);  // neither NaN nor infinite
  const __m512d maximum8 = _mm512_cvtps_pd(most);
  const __m512d unit = _mm512_set1_pd(0x1p-24);
  __m512i sum = _mm512_loadu_si512(l);
  __mmask8 any_coarse = 0;
  __mmask8 any_fine = 0;
  for (size_t i = 0; i < positions; i++) {
    const __m256i d = difference8(_mm256_loadu_ps((const float *)t + i * ROWS), maximum8);
    const __m512i whole = _mm512_cvtepu32_epi64(_mm256_srli_epi32(d, DUPLEX_DIFFERENCE_FRACTION_BITS));
    const __mmask8 near = finite & _mm512_cmple_epi64_mask(whole, _mm512_set1_epi64(40));
    const __m512i power =
        power8(_mm256_and_si256(d, _mm256_set1_epi32((1 << DUPLEX_DIFFERENCE_FRACTION_BITS) - 1)));
    const __m512i high = _mm512_maskz_mov_epi64(near, high8(power, whole, wide));
    const __m512i low = wide ? _mm512_maskz_mov_epi64(near, low8(power, whole)) : _mm512_setzero_si512();
    const __mmask8 is_coarse = _mm512_cmpge_epi64_mask(high, _mm512_set1_epi64(1 << 23));
    const __m512i fine = _mm512_mask_add_epi64(low, (__mmask8)~is_coarse, low, high);
    _mm512_storeu_pd(weights->coarse + i * ROWS,
                     _mm512_maskz_mul_pd(is_coarse, _mm512_cvtepi64_pd(high), unit));
    _mm512_storeu_pd(weights->fine + i * ROWS, _mm512_mul_pd(_mm512_cvtepi64_pd(fine), unit));
    sum = _mm512_add_epi64(sum, _mm512_add_epi64(high, low));
    any_coarse |= is_coarse;
    any_fine |= _mm512_test_epi64_mask(fine, fine);
  }
  _mm512_storeu_si512(l, sum);
  weights->any_coarse = any_coarse;
  weights->any_fine = any_fine;
}

static void avx512_weigh(const duplex_f32 *t, size_t positions, const duplex_f32 *maximum, bool wide,
                         struct xpu_softmax_weights *weights, uint64_t *l) {
  const exact_mode saved = exact_begin(t);
  weigh_vectors(t, positions, maximum, wide, weights, l);
  exact_end(saved, weights->coarse);
}

static const struct xpu_softmax_kernels avx512 = {avx512_scale, avx512_weigh};

const struct xpu_softmax_kernels *xpu_softmax_kernels(void) {
  const bool fits = __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return fits && strcmp(xpu_kernels()->name, "avx512") == 0 ? &avx512 : &portable;
}

#else
const struct xpu_softmax_kernels *xpu_softmax_kernels(void) { return &portable; }
#endif
