// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding, in the host's binary64 and binary32 operations one by one.
#include "xpu/rotary.h"

#include <math.h>

#include "cmodel/numerics/exact_mode.h"
#include "xpu/binary32.h"
#include "xpu/exponential.h"
#include "xpu/logarithm.h"
#include "xpu/trigonometry.h"

#define TWO_PI 6.28318530717958647693

static double logarithm(double x) {
  return (double)xpu_logarithm(x) / (double)(INT64_C(1) << XPU_LOGARITHM_FRACTION_BITS);
}

// theta^(-pair / pairs), less than 2^-47 times itself away.
static double plain_frequency(double theta, unsigned pair, unsigned pairs) {
  const int64_t exponent = (int64_t)((__int128)xpu_logarithm(theta) * pair / pairs);
  return xpu_exponential_units(-exponent);
}

// Slow pairs are slowed down further, quick ones are left, and those between are blended.
static double llama3_frequency(const struct xpu_rotary_options *options, double frequency) {
  const double turns = options->original_positions * frequency / TWO_PI;
  if (turns < options->low_frequency) return frequency / options->factor;
  if (turns > options->high_frequency) return frequency;
  const double blend = (turns - options->low_frequency) / (options->high_frequency - options->low_frequency);
  return (1 - blend) * frequency / options->factor + blend * frequency;
}

// The pair that turns `turns` times within the original positions, as a fraction.
static double pair_of_turns(const struct xpu_rotary_options *options, double turns, unsigned pairs) {
  return pairs * logarithm(options->original_positions / (turns * TWO_PI)) / logarithm(options->theta);
}

struct ramp {
  double begin, end;
};

static struct ramp yarn_ramp(const struct xpu_rotary_options *options, unsigned pairs) {
  struct ramp ramp = {pair_of_turns(options, options->beta_fast, pairs),
                      pair_of_turns(options, options->beta_slow, pairs)};
  if (options->whole_corrections) {
    ramp.begin = floor(ramp.begin);
    ramp.end = ceil(ramp.end);
  }
  ramp.begin = fmax(ramp.begin, 0);
  ramp.end = fmin(ramp.end, 2.0 * pairs - 1);
  if (ramp.begin == ramp.end) ramp.end += 0.001;
  return ramp;
}

static double yarn_frequency(const struct xpu_rotary_options *options, struct ramp ramp, unsigned pair,
                             double frequency) {
  const double share = fmin(fmax((pair - ramp.begin) / (ramp.end - ramp.begin), 0), 1);
  return frequency / options->factor * share + frequency * (1 - share);
}

double xpu_rotary_magnitude(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * logarithm(factor) + 1;
}

static double yarn_scale(const struct xpu_rotary_options *options) {
  if (options->attention_factor != 0) return options->attention_factor;
  if (options->mscale != 0 && options->mscale_all_dimensions != 0)
    return xpu_rotary_magnitude(options->factor, options->mscale) /
           xpu_rotary_magnitude(options->factor, options->mscale_all_dimensions);
  return xpu_rotary_magnitude(options->factor, 1);
}

static double frequency_of(const struct xpu_rotary_options *options, struct ramp ramp, unsigned pair,
                           unsigned pairs) {
  const double frequency = plain_frequency(options->theta, pair, pairs);
  switch (options->kind) {
    case XPU_ROTARY_LINEAR:
      return frequency / options->factor;
    case XPU_ROTARY_LLAMA3:
      return llama3_frequency(options, frequency);
    case XPU_ROTARY_YARN:
      return yarn_frequency(options, ramp, pair, frequency);
    default:
      return frequency;
  }
}

void xpu_rotary_begin(struct xpu_rotary *rotary, const struct xpu_rotary_options *options,
                      unsigned dimension) {
  const bool yarn = options->kind == XPU_ROTARY_YARN;
  rotary->pairs = dimension / 2;
  const exact_mode saved = exact_begin(options);
  const struct ramp ramp = yarn ? yarn_ramp(options, rotary->pairs) : (struct ramp){0, 1};
  for (unsigned pair = 0; pair < rotary->pairs; pair++)
    rotary->frequencies[pair] = binary32_bits((float)frequency_of(options, ramp, pair, rotary->pairs));
  rotary->scale = binary32_bits(yarn ? (float)yarn_scale(options) : 1.0F);
  exact_end(saved, rotary);
}

void xpu_rotary_angles(const struct xpu_rotary *rotary, size_t position, duplex_f32 *sines,
                       duplex_f32 *cosines) {
  const exact_mode saved = exact_begin(rotary);
  const float scale = binary32_float(rotary->scale);
  for (unsigned pair = 0; pair < rotary->pairs; pair++) {
    // Exact: 24 bits by 24.
    const double angle = (double)position * (double)binary32_float(rotary->frequencies[pair]);
    xpu_sine_cosine(angle, &sines[pair], &cosines[pair]);
    sines[pair] = binary32_bits(binary32_float(sines[pair]) * scale);
    cosines[pair] = binary32_bits(binary32_float(cosines[pair]) * scale);
  }
  exact_end(saved, cosines);
}

void xpu_rotary_turn(duplex_f32 *head, unsigned pairs, const duplex_f32 *sines, const duplex_f32 *cosines) {
  const exact_mode saved = exact_begin(head);
  for (unsigned pair = 0; pair < pairs; pair++) {
    const float first = binary32_float(head[pair]);
    const float second = binary32_float(head[pair + pairs]);
    const float sine = binary32_float(sines[pair]);
    const float cosine = binary32_float(cosines[pair]);
    head[pair] = binary32_bits(first * cosine - second * sine);
    head[pair + pairs] = binary32_bits(second * cosine + first * sine);
  }
  exact_end(saved, head);
}
