// SPDX-License-Identifier: Apache-2.0
// Attention against ideal softmax attention (MPFR, 120 bits), beside the ways in which a GPU does it. usage:
// quality LONGEST [SEED] Three seeds from SEED on. Errors in units of 2^-11 of the ideal row's root mean
// square, before and after o is rounded to binary16 (which is the same for all, and most of what is left
// then). Exit status 1 if weights p16 are above a reference with binary16 weights, or weights p32 above the
// binary32 reference, in the median, the mean square or the largest error; the largest after the last
// rounding, which is that of one output, counts for all rows together.
#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "duplex/softmax.h"

#define D 128
#define QUERIES 8
#define BLOCK 128  // as FlashAttention for head size 128
#define BITS 120
#define ROUNDS_MOST 16
#define SEEDS 3
#define LINES_MOST 16  // of a seed

// Ours with weights of one and of two parts; weights rounded to binary16 with sums in binary32, in blocks
// with a running maximum and in one block; all in binary32.
enum method { P16, P32, BLOCKS_16, ONE_16, BINARY32, METHODS };
static const char *const method_names[METHODS] = {"ours, p16", "ours, p32", "binary16, blocks",
                                                  "binary16, one", "binary32"};

struct row {
  const uint16_t *q, *k, *v;
  size_t length;
};

struct errors {
  double list[SEEDS * LINES_MOST * ROUNDS_MOST * QUERIES * D];
  unsigned count;
};

struct figures {
  double median, mean_square, most;
};

static _Noreturn void die(const char *what) {
  fprintf(stderr, "quality: %s\n", what);
  exit(1);
}

static double value(uint16_t bits) { return duplex_f16_to_double(bits); }

// Every product of two binary16 numbers is exact in binary64, and so is a sum of 128 of them in 120 bits.
static void ideal(const struct row *row, double *o) {
  mpfr_t scale, s, p, l, sums[D];
  mpfr_inits2(BITS, scale, s, p, l, (mpfr_ptr)0);
  for (unsigned i = 0; i < D; i++) mpfr_init2(sums[i], BITS), mpfr_set_zero(sums[i], 1);
  mpfr_set_ui(scale, D, MPFR_RNDN);
  mpfr_rec_sqrt(scale, scale, MPFR_RNDN);
  mpfr_set_zero(l, 1);
  for (size_t n = 0; n < row->length; n++) {
    mpfr_set_zero(s, 1);
    for (unsigned i = 0; i < D; i++) mpfr_add_d(s, s, value(row->q[i]) * value(row->k[n * D + i]), MPFR_RNDN);
    mpfr_mul(s, s, scale, MPFR_RNDN);
    mpfr_exp(p, s, MPFR_RNDN);  // no maximum needed: MPFR's exponents are wide
    mpfr_add(l, l, p, MPFR_RNDN);
    for (unsigned i = 0; i < D; i++) {
      mpfr_mul_d(s, p, value(row->v[n * D + i]), MPFR_RNDN);
      mpfr_add(sums[i], sums[i], s, MPFR_RNDN);
    }
  }
  for (unsigned i = 0; i < D; i++) {
    mpfr_div(s, sums[i], l, MPFR_RNDN);
    o[i] = mpfr_get_d(s, MPFR_RNDN);
    mpfr_clear(sums[i]);
  }
  mpfr_clears(scale, s, p, l, (mpfr_ptr)0);
}

// Blocks of positions, a running maximum, everything in binary32; `narrow`: weights rounded to binary16
// before they meet V.
static void flash(const struct row *row, size_t block, bool narrow, double *o) {
  float sums[D] = {0};
  float maximum = -INFINITY;
  float l = 0;
  const float scale = (float)(1 / sqrt(D) * 1.4426950408889634);
  float *t = malloc(block * sizeof *t);
  if (!t) die("too little memory");
  for (size_t first = 0; first < row->length; first += block) {
    const size_t count = row->length - first < block ? row->length - first : block;
    const float before = maximum;
    for (size_t n = 0; n < count; n++) {
      float s = 0;
      for (unsigned i = 0; i < D; i++)
        s += (float)value(row->q[i]) * (float)value(row->k[(first + n) * D + i]);
      t[n] = s * scale;
      maximum = fmaxf(maximum, t[n]);
    }
    const float shrink = exp2f(before - maximum);
    l *= shrink;
    for (unsigned i = 0; i < D; i++) sums[i] *= shrink;
    for (size_t n = 0; n < count; n++) {
      const float p = exp2f(t[n] - maximum);
      const float weight = narrow ? (float)value(duplex_f16_from_double(p)) : p;
      l += p;
      for (unsigned i = 0; i < D; i++) sums[i] += weight * (float)value(row->v[(first + n) * D + i]);
    }
  }
  for (unsigned i = 0; i < D; i++) o[i] = sums[i] / l;
  free(t);
}

// o by the units, before the quotient is rounded; what the stack wrote must be its rounding.
static void by_units(const struct row *row, bool wide, const uint16_t *written, double *o) {
  duplex_f32 *t = malloc(row->length * sizeof *t);
  duplex_f32 m = DUPLEX_MAXIMUM_START;
  struct duplex_sum sums[D] = {0};
  uint64_t l = 0;
  if (!t) die("too little memory");
  for (size_t n = 0; n < row->length; n++) {
    struct duplex_sum s = {0};
    for (unsigned i = 0; i < D; i++) duplex_sum_add_product(&s, row->q[i], row->k[n * D + i]);
    t[n] = duplex_score_scale(duplex_round_f32(&s, 0), duplex_attention_scale(0, D));
    m = duplex_running_maximum(m, t[n]);
  }
  for (size_t n = 0; n < row->length; n++) {
    for (int part = wide ? DUPLEX_P32_HIGH : DUPLEX_P16; part <= (wide ? DUPLEX_P32_LOW : DUPLEX_P16);
         part++) {
      const duplex_p16 p = duplex_exponential(t[n], m, (enum duplex_weight_part)part);
      l = duplex_softmax_sum(l, p);
      for (unsigned i = 0; i < D; i++) duplex_sum_add_weighted(&sums[i], p, row->v[n * D + i]);
    }
  }
  for (unsigned i = 0; i < D; i++) {
    if (duplex_quotient(&sums[i], l, false) != written[i])
      die("the stack wrote something else than its units give");
    o[i] = (ldexp((double)sums[i].high, 16) + ldexp((double)sums[i].low, -48)) / ldexp((double)l, -24);
  }
  free(t);
}

static void note(struct errors errors[2], const double *o, const double *exact) {
  double square = 0;
  for (unsigned i = 0; i < D; i++) square += exact[i] * exact[i];
  const double unit = sqrt(square / D) * 0x1p-11;
  for (unsigned i = 0; i < D; i++) {
    errors[0].list[errors[0].count++] = fabs(o[i] - exact[i]) / unit;
    errors[1].list[errors[1].count++] = fabs(value(duplex_f16_from_double(o[i])) - exact[i]) / unit;
  }
}

static void normal(struct duplex_random *random, uint16_t *to, size_t count, double deviation) {
  for (size_t i = 0; i < count; i++) to[i] = duplex_f16_from_double(deviation * duplex_random_normal(random));
}

// QUERIES queries of one sequence: their errors by all methods, before and after the last rounding.
static void attend(double deviation, size_t length, struct duplex_random *random,
                   struct errors errors[METHODS][2]) {
  static uint16_t q[QUERIES * D], o[2][QUERIES * D];
  struct duplex_stack *stack;
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequence;
  uint16_t *k = malloc(length * D * sizeof *k);
  uint16_t *v = malloc(length * D * sizeof *v);
  if (!k || !v) die("too little memory");
  normal(random, q, QUERIES * D, deviation), normal(random, k, length * D, 1),
      normal(random, v, length * D, 1);
  if (duplex_stack_open("cmodel", &(struct duplex_stack_options){.backend.channels = 1}, &stack, NULL, 0) ||
      duplex_kv_open(stack,
                     &(struct duplex_kv_options){.heads = 1, .head_size = D, .pages = length / 512 + 1},
                     &cache) ||
      duplex_kv_begin(cache, DUPLEX_KV_SPACES, length, &sequence) ||
      duplex_kv_append(sequence, 0, k, v, length, 0) ||
      duplex_stack_attention(cache, 0, &sequence, 1, q, QUERIES, 0, o[P16]))
    die("the model failed");
  duplex_kv_use_p32(cache, true);
  if (duplex_stack_attention(cache, 0, &sequence, 1, q, QUERIES, 0, o[P32])) die("the model failed");
  for (unsigned i = 0; i < QUERIES; i++) {
    const struct row row = {q + i * D, k, v, length};
    double exact[D], result[METHODS][D];
    ideal(&row, exact);
    by_units(&row, false, o[P16] + i * D, result[P16]);
    by_units(&row, true, o[P32] + i * D, result[P32]);
    flash(&row, BLOCK, true, result[BLOCKS_16]);
    flash(&row, length, true, result[ONE_16]);
    flash(&row, BLOCK, false, result[BINARY32]);
    for (unsigned method = 0; method < METHODS; method++) note(errors[method], result[method], exact);
  }
  duplex_kv_close(cache);
  duplex_stack_close(stack);
  free(k);
  free(v);
}

static int compare(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static struct figures figures_of(struct errors *errors) {
  double square = 0;
  qsort(errors->list, errors->count, sizeof errors->list[0], compare);
  for (unsigned i = 0; i < errors->count; i++) square += errors->list[i] * errors->list[i];
  return (struct figures){errors->list[errors->count / 2], sqrt(square / errors->count),
                          errors->list[errors->count - 1]};
}

static bool not_above(const struct figures a[2], const struct figures b[2], bool all) {
  for (unsigned rounded = 0; rounded < 2; rounded++)
    if (a[rounded].median > b[rounded].median || a[rounded].mean_square > b[rounded].mean_square)
      return false;
  return a[0].most <= b[0].most && (!all || a[1].most <= b[1].most);
}

// Prints a table of one kind of rows; false if ours are above their references.
static bool print(const char *kind, size_t length, struct errors errors[METHODS][2], bool all) {
  struct figures figures[METHODS][2];
  printf("%s, length %zu, %u outputs\n", kind, length, errors[0][0].count);
  for (unsigned method = 0; method < METHODS; method++) {
    printf("  %-17s", method_names[method]);
    for (unsigned rounded = 0; rounded < 2; rounded++) {
      struct figures *f = &figures[method][rounded];
      *f = figures_of(&errors[method][rounded]);
      printf("   %7.4f %7.4f %7.4f", f->median, f->mean_square, f->most);
    }
    printf("\n");
  }
  const bool good = not_above(figures[P32], figures[BINARY32], all) &&
                    not_above(figures[P16], figures[BLOCKS_16], all) &&
                    not_above(figures[P16], figures[ONE_16], all);
  if (!good) printf("  above a reference\n");
  return good;
}

// Short rows are drawn more often.
static bool measure(const char *kind, double deviation, size_t length, uint64_t seed,
                    struct errors all[METHODS][2]) {
  static struct errors errors[METHODS][2];
  for (unsigned i = 0; i < 2 * METHODS; i++) errors[i / 2][i % 2].count = 0;
  for (unsigned s = 0; s < SEEDS; s++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed + s, length);
    for (size_t round = 0; round < (length < 4096 ? 4096 / length : 1) && round < ROUNDS_MOST; round++)
      attend(deviation, length, &random, errors);
  }
  const bool good = print(kind, length, errors, false);
  for (unsigned i = 0; i < 2 * METHODS; i++) {
    struct errors *to = &all[i / 2][i % 2];
    struct errors *from = &errors[i / 2][i % 2];
    memcpy(to->list + to->count, from->list, from->count * sizeof from->list[0]);
    to->count += from->count;
  }
  return good;
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) die("usage: quality LONGEST [SEED]");
  const size_t longest = strtoul(argv[1], NULL, 10);
  const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static struct errors all[METHODS][2];
  bool good = true;
  printf("seeds %llu to %llu; error of o in 2^-11 of the row's root mean square\n", (unsigned long long)seed,
         (unsigned long long)seed + SEEDS - 1);
  printf("                      before the last rounding    after it\n");
  printf("                       median root mean    most    median root mean    most\n");
  for (size_t length = 128; length <= longest; length *= length < 2048 ? 4 : 8) {
    good &= measure("flat", 1, length, seed, all);
    good &= measure("peaked", 4, length, seed, all);
  }
  good &= print("all", longest, all, true);
  return good ? 0 : 1;
}
