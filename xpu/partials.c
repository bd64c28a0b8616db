// SPDX-License-Identifier: Apache-2.0
// Partial sums: integer additions of 125 bits, flags joined beside them.
#include "xpu/partials.h"

#include <endian.h>
#include <string.h>

#include "cmodel/numerics/exact_mode.h"
#include "duplex/error.h"
#include "xpu/binary32.h"
#include "xpu/parallel.h"

#define SUM_BYTES 16u
#define CHUNK 64u                  // columns that are joined together
#define SCALE_LEAST (-78)          // 2^(e - 48) is a normal number
#define SCALE_MOST 64              // and 2^63 times it as well
#define FLAGS (UINT64_C(7) << 61)  // of a sum's upper word

// A sum's two words, the first one lower. The flags are joined beside them: what is above a sum's 125 bits
// has no part in additions.
struct words {
  uint64_t low, high, flags;
};

static uint64_t load_word(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return le64toh(word);
}

static void store_word(uint64_t word, uint8_t *bytes) {
  word = htole64(word);
  memcpy(bytes, &word, sizeof word);
}

static void add(struct words *sum, const uint8_t *bytes) {
  const uint64_t low = load_word(bytes);
  const uint64_t high = load_word(bytes + 8);
  sum->low += low;
  sum->high += high + (sum->low < low);
  sum->flags |= high & FLAGS;
}

void xpu_add_sums(uint8_t *to, const uint8_t *from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct words sum = {0};
    add(&sum, to + SUM_BYTES * i);
    add(&sum, from + SUM_BYTES * i);
    store_word(sum.low, to + SUM_BYTES * i);
    store_word((sum.high & ~FLAGS) | sum.flags, to + SUM_BYTES * i + 8);
  }
}

// RN32(2^exponent * sum). Of a sum of 63 bits the host's conversion rounds, and its scale cuts nothing off.
static duplex_f32 round_words(const struct words *words, int exponent) {
  const struct duplex_sum sum = {words->low, (int64_t)(words->high << 3) >> 3,
                                 (uint32_t)(words->flags >> 61)};
  const bool is_short = sum.high == (int64_t)sum.low >> 63 && !sum.flags;
  if (!is_short || exponent < SCALE_LEAST || exponent > SCALE_MOST) return duplex_round_f32(&sum, exponent);
  const uint32_t power = (uint32_t)(exponent - DUPLEX_SUM_FRACTION_BITS + 127) << 23;
  return binary32_bits((float)(int64_t)sum.low * binary32_float(power));
}

// Joins `count` columns from element `at` of every source on, at most CHUNK.
static void join_exact(const struct xpu_partials *partials, size_t at, const int8_t *exponents,
                       unsigned count, duplex_f32 *y) {
  struct words sums[CHUNK] = {0};
  for (unsigned source = 0; source < partials->count; source++) {
    const uint8_t *bytes = (const uint8_t *)partials->sources[source] + SUM_BYTES * at;
    for (unsigned i = 0; i < count; i++) add(&sums[i], bytes + SUM_BYTES * i);
  }
  const exact_mode saved = exact_begin(sums);
  for (unsigned i = 0; i < count; i++) y[i] = round_words(&sums[i], exponents ? exponents[i] : 0);
  exact_end(saved, y);
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
