// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding: frequencies of its kinds, and the rotation of a head (docs/xpu_numerics.md).
#ifndef XPU_ROTARY_H
#define XPU_ROTARY_H

#include <stdbool.h>
#include <stddef.h>

#include "duplex/numerics.h"

#define XPU_ROTARY_PAIRS_MOST 128  // half of the largest head

enum xpu_rotary_kind { XPU_ROTARY_DEFAULT, XPU_ROTARY_LINEAR, XPU_ROTARY_LLAMA3, XPU_ROTARY_YARN };

// What a checkpoint says of its rotation. What a kind does not name is not read.
struct xpu_rotary_options {
  enum xpu_rotary_kind kind;
  double theta;                          // above 1
  double factor;                         // linear, llama3, yarn: 1 or more
  double low_frequency, high_frequency;  // llama3: low_freq_factor below high_freq_factor
  double original_positions;             // llama3, yarn
  double beta_fast, beta_slow;           // yarn
  double attention_factor;               // yarn; 0: by factor, or by the two below
  double mscale, mscale_all_dimensions;  // yarn; 0: not given
  bool whole_corrections;                // yarn: the ramp begins and ends at whole pairs
};

struct xpu_rotary {
  unsigned pairs;  // half of the head size
  duplex_f32 frequencies[XPU_ROTARY_PAIRS_MOST];
  duplex_f32 scale;  // of sine and cosine
};

// Frequencies for heads of `dimension` values: even, 2 to 256.
void xpu_rotary_begin(struct xpu_rotary *rotary, const struct xpu_rotary_options *options,
                      unsigned dimension);

// How much yarn magnifies for a factor: 0.1 mscale ln(factor) + 1, 1 for a factor up to 1.
double xpu_rotary_magnitude(double factor, double mscale);

// Sine and cosine of every pair at a position below 2^24.
void xpu_rotary_angles(const struct xpu_rotary *rotary, size_t position, duplex_f32 *sines,
                       duplex_f32 *cosines);

// Turns the pairs (i, i + pairs) of a head in place.
void xpu_rotary_turn(duplex_f32 *head, unsigned pairs, const duplex_f32 *sines, const duplex_f32 *cosines);

#endif
