// SPDX-License-Identifier: Apache-2.0
// Partial sums: integer additions of 125 bits, flags joined beside them.
#include "xpu/partials.h"

#include <string.h>

#include "cmodel/numerics/exact_mode.h"
#include "duplex/error.h"
#include "xpu/binary32.h"
#include "xpu/parallel.h"

#define SUM_BYTES 16u
#define CHUNK 64u                  // columns that are joined together
#define FLAGS (UINT64_C(7) << 61)  // of a sum's upper word

// The two words of a sum's 16 bytes, the first one lower.
struct words {
  uint64_t low, high;
};

static uint64_t load_word(const uint8_t *bytes) {
  uint64_t word = 0;
  for (int i = 0; i < 8; i++) word |= (uint64_t)bytes[i] << 8 * i;
  return word;
}

static void store_word(uint64_t word, uint8_t *bytes) {
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(word >> 8 * i);
}

static struct words load(const uint8_t *bytes) {
  return (struct words){load_word(bytes), load_word(bytes + 8)};
}

static struct words add(struct words a, struct words b) {
  const uint64_t low = a.low + b.low;
  const uint64_t high = a.high + b.high - (b.high & FLAGS) - (a.high & FLAGS) + (low < a.low);
  return (struct words){low, (high & ~FLAGS) | ((a.high | b.high) & FLAGS)};
}

void xpu_add_sums(uint8_t *to, const uint8_t *from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct words sum = add(load(to + SUM_BYTES * i), load(from + SUM_BYTES * i));
    store_word(sum.low, to + SUM_BYTES * i);
    store_word(sum.high, to + SUM_BYTES * i + 8);
  }
}

static duplex_f32 round_words(struct words words, int exponent) {
  const struct duplex_sum sum = {words.low, (int64_t)(words.high << 3) >> 3, (uint32_t)(words.high >> 61)};
  return duplex_round_f32(&sum, exponent);
}

// Joins `count` columns from element `at` of every source on, at most CHUNK.
static void join_exact(const struct xpu_partials *partials, size_t at, const int8_t *exponents,
                       unsigned count, duplex_f32 *y) {
  struct words sums[CHUNK] = {0};
  for (unsigned source = 0; source < partials->count; source++) {
    const uint8_t *bytes = (const uint8_t *)partials->sources[source] + SUM_BYTES * at;
    for (unsigned i = 0; i < count; i++) sums[i] = add(sums[i], load(bytes + SUM_BYTES * i));
  }
  for (unsigned i = 0; i < count; i++) y[i] = round_words(sums[i], exponents ? exponents[i] : 0);
}

static void join_rounded(const struct xpu_partials *partials, size_t at, unsigned count, duplex_f32 *y) {
  float sums[CHUNK] = {0};
  const exact_mode saved = exact_begin(partials);
  for (unsigned source = 0; source < partials->count; source++) {
    float part[CHUNK] = {0};
    memcpy(part, (const duplex_f32 *)partials->sources[source] + at, count * sizeof *part);
    for (unsigned i = 0; i < CHUNK; i++) sums[i] += part[i];
  }
  exact_end(saved, sums);
  for (unsigned i = 0; i < count; i++) y[i] = binary32_bits(sums[i]);
}

static void join_row(void *context, unsigned thread, size_t token) {
  (void)thread;
  const struct xpu_partials *partials = context;
  for (unsigned i = 0; i < partials->columns; i += CHUNK) {
    const unsigned left = partials->columns - i;
    const unsigned count = left < CHUNK ? left : CHUNK;
    const size_t at = token * partials->stride + i;
    duplex_f32 *y = partials->y + token * partials->y_stride + i;
    if (partials->format == DUPLEX_RESULT_FORMAT_ACC) {
      join_exact(partials, at, partials->exponents ? partials->exponents + i : NULL, count, y);
    } else {
      join_rounded(partials, at, count, y);
    }
  }
}

static bool is_legal(const struct xpu_partials *partials) {
  if (!partials || !partials->y || (partials->count && !partials->sources)) return false;
  for (unsigned i = 0; i < partials->count; i++)
    if (!partials->sources[i]) return false;
  const bool is_exact = partials->format == DUPLEX_RESULT_FORMAT_ACC;
  return (is_exact || (partials->format == DUPLEX_RESULT_FORMAT_F32 && !partials->exponents)) &&
         partials->stride >= partials->columns && partials->y_stride >= partials->columns;
}

int xpu_join_partials(const struct xpu_partials *partials) {
  if (!is_legal(partials)) return DUPLEX_ERROR_ARGUMENT;
  xpu_parallel(partials->threads, partials->tokens, join_row, (void *)partials);
  return DUPLEX_OK;
}
