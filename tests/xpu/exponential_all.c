// SPDX-License-Identifier: Apache-2.0
// The exponential of every binary32 number against e^x by the C library in binary64, and by MPFR where that
// is too near a tie of binary32 to tell; prints how near the nearest ones are.
//
// usage: exponential_all [THREADS [STEP]]   STEP: only every STEP-th number
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/xpu/oracle_binary32.h"
#include "xpu/exponential.h"

#define PIECES 4096u
#define PIECE_NUMBERS (1u << 20)
#define HARD_FROM 0x1p-26  // these are listed
#define THREADS_MOST 64u

static atomic_uint next_piece;
static atomic_ulong asked, wrong;
static unsigned long step = 1;

// The distance of e^x from the nearest tie of binary32, in steps of binary32 there; negative below it.
static double distance_from_tie(uint32_t x) {
  mpfr_t value, scaled, tie;
  mpfr_inits2(300, value, scaled, tie, (mpfr_ptr)0);
  mpfr_set_flt(value, float_of(x), MPFR_RNDN);
  mpfr_exp(value, value, MPFR_RNDN);
  const long exponent = mpfr_get_exp(value) - 24;
  mpfr_mul_2si(scaled, value, -(exponent < -149 ? -149 : exponent), MPFR_RNDN);
  mpfr_floor(tie, scaled);
  mpfr_add_d(tie, tie, 0.5, MPFR_RNDN);
  mpfr_sub(scaled, scaled, tie, MPFR_RNDN);
  const double distance = mpfr_get_d(scaled, MPFR_RNDN);
  mpfr_clears(value, scaled, tie, (mpfr_ptr)0);
  return distance;
}

// RN32(e^x) if the C library's result is far enough from a tie.
static bool is_easy(uint32_t x, uint32_t *result) {
  const double value = exp(float_of(x));
  const float below = (float)(value * (1 - 0x1p-46));
  const float above = (float)(value * (1 + 0x1p-46));
  *result = bits_of(below);
  return bits_of(below) == bits_of(above);
}

static uint32_t expected_of(uint32_t x) {
  uint32_t result;
  if (isnan(float_of(x))) return 0x7fc00000u;
  if (is_easy(x, &result)) return result;
  atomic_fetch_add(&asked, 1);
  const double distance = distance_from_tie(x);
  if (fabs(distance) < HARD_FROM)
    printf("0x%08x: 2^%.2f of a step %s a tie\n", x, log2(fabs(distance)), distance < 0 ? "below" : "above");
  return oracle_exponential(x);
}

static void *try_pieces(void *none) {
  oracle_binary32_begin();
  for (unsigned piece; (piece = atomic_fetch_add(&next_piece, 1)) < PIECES;) {
    for (unsigned long i = 0; i < PIECE_NUMBERS; i += step) {
      const uint32_t x = (uint32_t)(piece * PIECE_NUMBERS + i);
      const uint32_t expected = expected_of(x);
      if (xpu_exponential(x) != expected && atomic_fetch_add(&wrong, 1) < 10)
        printf("0x%08x: 0x%08x, expected 0x%08x\n", x, xpu_exponential(x), expected);
    }
    if (piece % (PIECES / 16) == 0) {
      printf("%u of 16 parts begun\n", piece / (PIECES / 16) + 1);
      fflush(stdout);
    }
  }
  mpfr_free_cache();
  return none;
}

int main(int argc, char **argv) {
  unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2;
  if (argc > 2) step = strtoul(argv[2], NULL, 10);
  if (threads < 1 || threads > THREADS_MOST || step < 1) {
    fprintf(stderr, "usage: exponential_all [THREADS [STEP]], THREADS 1 to %u, STEP from 1\n", THREADS_MOST);
    return 2;
  }
  pthread_t started[THREADS_MOST];
  for (unsigned i = 0; i < threads; i++)
    if (pthread_create(&started[i], NULL, try_pieces, NULL)) return 1;
  for (unsigned i = 0; i < threads; i++) pthread_join(started[i], NULL);
  printf("exponential_all: every %lu. number tried, %lu by MPFR, %lu wrong\n", step, atomic_load(&asked),
         atomic_load(&wrong));
  return atomic_load(&wrong) != 0;
}
