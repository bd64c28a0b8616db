// SPDX-License-Identifier: Apache-2.0
// The host's floating-point state around sums that must be exact: round to nearest, no exception raised, no
// flushing of subnormals; and the host's word whether anything was rounded meanwhile.
#ifndef DUPLEX_CMODEL_EXACT_MODE_H
#define DUPLEX_CMODEL_EXACT_MODE_H

#include <stdbool.h>

// Keeps the compiler from moving floating operations across the accesses of the floating-point state.
#define EXACT_BARRIER(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

#if defined __x86_64__
#include <immintrin.h>

typedef unsigned exact_mode;

// Returns what exact_end puts back. `operands`: what is read meanwhile.
static inline exact_mode exact_begin(const void *operands) {
  const exact_mode saved = _mm_getcsr();
  _mm_setcsr(0x1f80u);
  EXACT_BARRIER(operands);
  return saved;
}

// True if nothing was inexact since exact_begin. `results`: what was written.
static inline bool exact_end(exact_mode saved, const void *results) {
  EXACT_BARRIER(results);
  const bool exact = !(_mm_getcsr() & 0x20u);
  _mm_setcsr(saved);
  return exact;
}

#else
#include <fenv.h>

typedef fenv_t exact_mode;

static inline exact_mode exact_begin(const void *operands) {
  exact_mode saved;
  feholdexcept(&saved);
  fesetround(FE_TONEAREST);
  EXACT_BARRIER(operands);
  return saved;
}

static inline bool exact_end(exact_mode saved, const void *results) {
  EXACT_BARRIER(results);
  const bool exact = !fetestexcept(FE_INEXACT);
  fesetenv(&saved);
  return exact;
}
#endif

#endif
