// Attention against ideal softmax attention (MPFR, 120 bits), beside two ways in which a GPU does it: flash attention with
// weights rounded to binary16 and sums in binary32, and all in binary32. usage: quality LONGEST [SEED] Prints median and largest
// error in units of 2^-11 of the ideal row's root mean square, before the result is rounded to binary16 (which is the same for
// all) where the method allows it. Exit status 1 if ours is above the first reference.
#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/kv_cache.h"
#include "duplex/random.h"

#define D 128
#define QUERIES 8
#define BLOCK 128  // as FlashAttention for head size 128
#define BITS 120
#define ROUNDS_MOST 16
#define MARGIN_MEDIAN 1.05
#define MARGIN_MOST 1.25

struct row {
  const uint16_t *q, *k, *v;
  size_t length;
};

static void die(const char *what) {
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

// Blocks of positions, a running maximum, everything in binary32; `narrow`: weights rounded to binary16 before they meet V.
static void flash(const struct row *row, bool narrow, double *o) {
  float sums[D] = {0}, maximum = -INFINITY, l = 0;
  const float scale = (float)(1 / sqrt(D) * 1.4426950408889634);
  for (size_t first = 0; first < row->length; first += BLOCK) {
    const size_t count = row->length - first < BLOCK ? row->length - first : BLOCK;
    float t[BLOCK], before = maximum;
    for (size_t n = 0; n < count; n++) {
      float s = 0;
      for (unsigned i = 0; i < D; i++) s += (float)value(row->q[i]) * (float)value(row->k[(first + n) * D + i]);
      t[n] = s * scale;
      maximum = fmaxf(maximum, t[n]);
    }
    const float shrink = exp2f(before - maximum);
    l *= shrink;
    for (unsigned i = 0; i < D; i++) sums[i] *= shrink;
    for (size_t n = 0; n < count; n++) {
      const float p = exp2f(t[n] - maximum), weight = narrow ? (float)value(duplex_f16_from_double(p)) : p;
      l += p;
      for (unsigned i = 0; i < D; i++) sums[i] += weight * (float)value(row->v[(first + n) * D + i]);
    }
  }
  for (unsigned i = 0; i < D; i++) o[i] = value(duplex_f16_from_double(sums[i] / l));
}

static int compare(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

enum method { OURS, NARROW, WIDE };

struct errors {
  double list[QUERIES * D * ROUNDS_MOST * 16];
  unsigned count;
};

static void note(struct errors *errors, const double *o, const double *exact) {
  double square = 0;
  for (unsigned i = 0; i < D; i++) square += exact[i] * exact[i];
  for (unsigned i = 0; i < D; i++) errors->list[errors->count++] = fabs(o[i] - exact[i]) / sqrt(square / D) * 0x1p11;
}

static void normal(struct duplex_random *random, uint16_t *to, size_t count, double deviation) {
  for (size_t i = 0; i < count; i++) to[i] = duplex_f16_from_double(deviation * duplex_random_normal(random));
}

// QUERIES queries of one sequence: their errors by the three methods.
static void attend(double deviation, size_t length, struct duplex_random *random, struct errors errors[3]) {
  static uint16_t q[QUERIES * D], o[QUERIES * D];
  struct duplex_device *device;
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequence;
  uint16_t *k = malloc(length * D * sizeof *k), *v = malloc(length * D * sizeof *v);
  if (!k || !v) die("too little memory");
  normal(random, q, QUERIES * D, deviation), normal(random, k, length * D, 1), normal(random, v, length * D, 1);
  if (duplex_open("cmodel", &(struct duplex_options){.backend.channels = 1}, &device, NULL, 0) ||
      duplex_kv_open(device, &(struct duplex_kv_options){.heads = 1, .head_size = D, .pages = length / 512 + 1}, &cache) ||
      duplex_kv_begin(cache, DUPLEX_KV_SPACES, length, &sequence) || duplex_kv_append(sequence, 0, k, v, length, 0) ||
      duplex_attention(cache, 0, &sequence, 1, q, QUERIES, 0, o))
    die("the model failed");
  for (unsigned i = 0; i < QUERIES; i++) {
    const struct row row = {q + i * D, k, v, length};
    double exact[D], result[D];
    ideal(&row, exact);
    for (unsigned j = 0; j < D; j++) result[j] = value(o[i * D + j]);
    note(&errors[OURS], result, exact);
    flash(&row, true, result);
    note(&errors[NARROW], result, exact);
    flash(&row, false, result);
    note(&errors[WIDE], result, exact);
  }
  duplex_kv_close(cache);
  duplex_close(device);
  free(k);
  free(v);
}

static double median(const struct errors *errors) { return errors->list[errors->count / 2]; }
static double most(const struct errors *errors) { return errors->list[errors->count - 1]; }

static void print(const char *kind, size_t length, struct errors errors[3]) {
  printf("%-7s %7zu %7u", kind, length, errors[0].count);
  for (unsigned i = 0; i < 3; i++) {
    qsort(errors[i].list, errors[i].count, sizeof errors[i].list[0], compare);
    printf("   %7.4f %7.4f", median(&errors[i]), most(&errors[i]));
  }
  printf("\n");
}

// Short rows are drawn more often.
static void measure(const char *kind, double deviation, size_t length, uint64_t seed, struct errors all[3]) {
  static struct errors errors[3];
  struct duplex_random random;
  duplex_random_seed(&random, seed, length);
  for (unsigned i = 0; i < 3; i++) errors[i].count = 0;
  for (size_t round = 0; round < (length < 4096 ? 4096 / length : 1) && round < ROUNDS_MOST; round++)
    attend(deviation, length, &random, errors);
  print(kind, length, errors);
  for (unsigned i = 0; i < 3; i++) {
    memcpy(all[i].list + all[i].count, errors[i].list, errors[i].count * sizeof errors[i].list[0]);
    all[i].count += errors[i].count;
  }
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) die("usage: quality LONGEST [SEED]");
  const size_t longest = strtoul(argv[1], NULL, 10);
  const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static struct errors all[3];
  printf("seed %llu; error of o in 2^-11 of the row's root mean square\n", (unsigned long long)seed);
  printf("                                ours           binary16 weights      binary32\n");
  printf("scores   length outputs    median    most    median    most    median    most\n");
  for (size_t length = 128; length <= longest; length *= length < 2048 ? 4 : 8) {
    measure("flat", 1, length, seed, all);
    measure("peaked", 4, length, seed, all);
  }
  print("all", longest, all);
  return median(&all[OURS]) <= MARGIN_MEDIAN * median(&all[NARROW]) && most(&all[OURS]) <= MARGIN_MOST * most(&all[NARROW]) ? 0
                                                                                                                            : 1;
}
