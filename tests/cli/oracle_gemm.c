// SPDX-License-Identifier: Apache-2.0
// Exact GEMM by GMP, sharing nothing with the library: usage: oracle_gemm X.npy W.npy f16|f32|acc OUT.npy
// X[M,K] and W[N,K] are <f2 files of version 1; OUT is [M,N] in the given type.
#include <gmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct matrix {
  unsigned long rows, columns;
  uint16_t *data;
};

static void die(const char *text) {
  fprintf(stderr, "oracle_gemm: %s\n", text);
  exit(2);
}

static struct matrix load(const char *path) {
  struct matrix matrix = {0};
  unsigned char start[10];
  char header[65536];
  FILE *file = fopen(path, "rb");
  if (!file || fread(start, 1, 10, file) != 10) die(path);
  const size_t length = start[8] + 256u * start[9];
  if (fread(header, 1, length, file) != length) die(path);
  header[length] = 0;
  const char *shape = strstr(header, "'shape': (");
  if (!strstr(header, "'<f2'") || !shape ||
      sscanf(shape, "'shape': (%lu, %lu)", &matrix.rows, &matrix.columns) != 2)
    die(path);
  matrix.data = malloc(2 * matrix.rows * matrix.columns);
  if (!matrix.data ||
      fread(matrix.data, 2, matrix.rows * matrix.columns, file) != matrix.rows * matrix.columns)
    die(path);
  fclose(file);
  return matrix;
}

// The value in units of 2^-24.
static long units(uint16_t bits) {
  long value = bits % 1024;
  const int exponent = bits / 1024 % 32;
  if (exponent) value = (value + 1024) << (exponent - 1);
  return bits >= 32768 ? -value : value;
}

struct total {
  mpz_t sum;  // units of 2^-48
  bool nan, plus, minus;
};

static void add(struct total *total, uint16_t a, uint16_t b) {
  const bool a_big = a % 32768 >= 31744;
  const bool b_big = b % 32768 >= 31744;
  if (a_big || b_big) {
    const bool a_nan = a % 32768 > 31744;
    const bool b_nan = b % 32768 > 31744;
    if (a_nan || b_nan || a % 32768 == 0 || b % 32768 == 0) {
      total->nan = true;
    } else if ((a >= 32768) == (b >= 32768)) {
      total->plus = true;
    } else {
      total->minus = true;
    }
    return;
  }
  mpz_t product;
  mpz_init_set_si(product, units(a));
  mpz_mul_si(product, product, units(b));
  mpz_add(total->sum, total->sum, product);
  mpz_clear(product);
}

// Nearest number with `precision` bits, least exponent of the last place `least`, ties to even: as integer *
// 2^*place.
static void nearest(mpz_t value, int precision, int least, int *place) {
  const int bits = (int)mpz_sizeinbase(value, 2);
  *place = bits - precision - 48;
  if (*place < least) *place = least;
  const int drop = *place + 48;
  if (drop <= 0) {
    mpz_mul_2exp(value, value, (unsigned)-drop);
    return;
  }
  mpz_t rest, half;
  mpz_inits(rest, half, NULL);
  mpz_fdiv_r_2exp(rest, value, (unsigned)drop);
  mpz_fdiv_q_2exp(value, value, (unsigned)drop);
  mpz_setbit(half, (unsigned)drop - 1);
  const int order = mpz_cmp(rest, half);
  if (order > 0 || (order == 0 && mpz_odd_p(value))) mpz_add_ui(value, value, 1);
  mpz_clears(rest, half, NULL);
}

static uint32_t round_sum(const struct total *total, int precision, int exponent_bits) {
  const uint32_t infinity = ((1u << exponent_bits) - 1) << (precision - 1);
  const uint32_t sign = 1u << (precision - 1 + exponent_bits);
  if (total->nan || (total->plus && total->minus)) return infinity | 1u << (precision - 2);
  if (total->plus) return infinity;
  if (total->minus) return sign | infinity;
  if (mpz_sgn(total->sum) == 0) return 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int least = 1 - bias - (precision - 1);
  int place;
  mpz_t value;
  mpz_init(value);
  mpz_abs(value, total->sum);
  nearest(value, precision, least, &place);
  if (mpz_sizeinbase(value, 2) > (size_t)precision) {
    mpz_fdiv_q_2exp(value, value, 1);
    place++;
  }
  uint32_t bits = (uint32_t)mpz_get_ui(value);
  mpz_clear(value);
  if (bits >> (precision - 1))
    bits += (uint32_t)(place - least) << (precision - 1);  // exponent field 1 is the hidden one itself
  if (bits > infinity) bits = infinity;
  return mpz_sgn(total->sum) < 0 ? bits | sign : bits;
}

static void pack(const struct total *total, unsigned char bytes[16]) {
  mpz_t value;
  mpz_init(value);
  mpz_fdiv_r_2exp(value, total->sum, 125);
  if (total->nan) mpz_setbit(value, 125);
  if (total->plus) mpz_setbit(value, 126);
  if (total->minus) mpz_setbit(value, 127);
  memset(bytes, 0, 16);
  mpz_export(bytes, NULL, -1, 1, -1, 0, value);
  mpz_clear(value);
}

int main(int argc, char **argv) {
  if (argc != 5) die("usage: oracle_gemm X W f16|f32|acc OUT");
  const struct matrix x = load(argv[1]);
  const struct matrix w = load(argv[2]);
  if (x.columns != w.columns) die("shapes");
  const int size = strcmp(argv[3], "f16") == 0 ? 2 : strcmp(argv[3], "f32") == 0 ? 4 : 16;
  FILE *out = fopen(argv[4], "wb");
  if (!out) die(argv[4]);
  char header[256];
  memset(header, ' ', sizeof header);
  const int length = sprintf(header + 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%lu, %lu), }",
                             size == 2   ? "<f2"
                             : size == 4 ? "<f4"
                                         : "|V16",
                             x.rows, w.rows);
  const size_t bytes = (10 + (size_t)length + 1 + 63) / 64 * 64;
  header[10 + length] = ' ';
  header[bytes - 1] = '\n';
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = (char)(bytes - 10);
  header[9] = (char)((bytes - 10) >> 8);
  fwrite(header, 1, bytes, out);
  struct total total;
  mpz_init(total.sum);
  for (unsigned long m = 0; m < x.rows; m++)
    for (unsigned long n = 0; n < w.rows; n++) {
      unsigned char packed[16];
      mpz_set_ui(total.sum, 0);
      total.nan = total.plus = total.minus = false;
      for (unsigned long k = 0; k < x.columns; k++)
        add(&total, x.data[m * x.columns + k], w.data[n * w.columns + k]);
      const uint32_t bits = size == 2 ? round_sum(&total, 11, 5) : size == 4 ? round_sum(&total, 24, 8) : 0;
      if (size == 16) {
        pack(&total, packed);
      } else {
        for (int i = 0; i < size; i++) packed[i] = (unsigned char)(bits >> 8 * i);
      }
      fwrite(packed, 1, (size_t)size, out);
    }
  return fclose(out) == 0 ? 0 : 2;
}
