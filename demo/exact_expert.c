// SPDX-License-Identifier: Apache-2.0
// Checks an expert's result against an exact computation that shares no arithmetic with the C model.
//
// usage: exact_expert X GATE UP DOWN Y H_OUT
//   X [M,H], GATE and UP [F,H], DOWN [H,F], Y [M,H]: binary16 .npy files; H_OUT receives h [M,F]
//
// Sums are kept here as 128-bit integers, rounding is done by long division of magnitudes, and the function
// of the gate comes from MPFR. The hardware may be one ulp off the real act(g) * u (docs/activation.md), so h
// is taken from its activation unit after each value was found within that ulp of the real one; everything
// else must be equal on every bit.
#include <fcntl.h>
#include <mpfr.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duplex/activation.h"

#define THREADS_MOST 16

struct tensor {
  const uint16_t *data;
  size_t rows, columns;
};

static void die(const char *what, const char *where) {
  fprintf(stderr, "exact_expert: %s: %s\n", where, what);
  exit(2);
}

// A matrix of finite numbers; anything else ends the program.
static struct tensor load(const char *path) {
  struct tensor tensor = {0};
  struct stat info;
  const int file = open(path, O_RDONLY);
  if (file < 0 || fstat(file, &info) != 0) die("cannot be read", path);
  const char *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (bytes == MAP_FAILED || info.st_size < 64 || memcmp(bytes, "\x93NUMPY\x01", 7) != 0)
    die("not a version 1 .npy file", path);
  const size_t header = 10 + (uint8_t)bytes[8] + 256u * (uint8_t)bytes[9];
  const char *shape = strstr(bytes + 10, "'shape': (");
  if (!strstr(bytes + 10, "'<f2'") || !shape ||
      sscanf(shape, "'shape': (%zu, %zu)", &tensor.rows, &tensor.columns) != 2)
    die("expected <f2 of two dimensions", path);
  if ((size_t)info.st_size != header + 2 * tensor.rows * tensor.columns) die("wrong size", path);
  tensor.data = (const uint16_t *)(bytes + header);
  for (size_t i = 0; i < tensor.rows * tensor.columns; i++)
    if ((tensor.data[i] & 0x7c00) == 0x7c00)
      die("holds Inf or NaN, this check takes finite values only", path);
  return tensor;
}

// A finite binary16 number is integer * 2^-24.
static int64_t units(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int64_t fraction = bits & 1023;
  const int64_t magnitude = exponent ? (fraction + 1024) << (exponent - 1) : fraction;
  return bits & 0x8000 ? -magnitude : magnitude;
}

static __int128 exact_dot(const int64_t *a, const uint16_t *b, size_t count) {
  __int128 sum = 0;
  for (size_t i = 0; i < count; i++) sum += (__int128)(a[i] * units(b[i]));
  return sum;
}

// Rounds sum * 2^-48 to a number of `precision` bits with the given exponents, and returns it as mpfr,
// exactly.
static void round_to(mpfr_t result, __int128 sum, mpfr_prec_t precision, mpfr_exp_t smallest,
                     mpfr_exp_t largest) {
  const unsigned __int128 magnitude = sum < 0 ? -(unsigned __int128)sum : (unsigned __int128)sum;
  mpfr_t exact, low;
  mpfr_init2(exact, 140);
  mpfr_init2(low, 140);
  mpfr_set_ui_2exp(exact, (unsigned long)(magnitude >> 64), 64, MPFR_RNDN);
  mpfr_set_ui(low, (unsigned long)magnitude, MPFR_RNDN);
  mpfr_add(exact, exact, low, MPFR_RNDN);
  if (sum < 0) mpfr_neg(exact, exact, MPFR_RNDN);
  mpfr_mul_2si(exact, exact, -48, MPFR_RNDN);
  const mpfr_exp_t old_min = mpfr_get_emin();
  const mpfr_exp_t old_max = mpfr_get_emax();
  mpfr_set_prec(result, precision);
  mpfr_set_emin(smallest);
  mpfr_set_emax(largest);
  const int ternary = mpfr_set(result, exact, MPFR_RNDN);
  mpfr_subnormalize(result, ternary, MPFR_RNDN);
  mpfr_set_emin(old_min);
  mpfr_set_emax(old_max);
  mpfr_clear(exact);
  mpfr_clear(low);
}

// Bits of RN32(sum * 2^-48).
static uint32_t round_f32(__int128 sum) {
  mpfr_t rounded;
  mpfr_init2(rounded, 24);
  round_to(rounded, sum, 24, -148, 128);
  const float value = mpfr_get_flt(rounded, MPFR_RNDN);
  mpfr_clear(rounded);
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return sum == 0 ? 0 : bits;
}

// Distance of the binary16 `bits` from silu(g) * u in ulp at the real value.
static double silu_error(uint32_t g_bits, uint32_t u_bits, uint16_t bits) {
  float g, u;
  memcpy(&g, &g_bits, 4);
  memcpy(&u, &u_bits, 4);
  mpfr_t real, scale;
  mpfr_init2(real, 120);
  mpfr_init2(scale, 120);
  mpfr_set_flt(scale, -g, MPFR_RNDN);
  mpfr_exp(scale, scale, MPFR_RNDN);
  mpfr_add_ui(scale, scale, 1, MPFR_RNDN);
  mpfr_set_flt(real, g, MPFR_RNDN);
  mpfr_mul_d(real, real, u, MPFR_RNDN);
  mpfr_div(real, real, scale, MPFR_RNDN);
  long exponent = mpfr_zero_p(real) ? -24 : (long)mpfr_get_exp(real) - 11;
  if (exponent < -24) exponent = -24;
  mpfr_set_si(scale, (long)units(bits), MPFR_RNDN);
  mpfr_mul_2si(scale, scale, -24, MPFR_RNDN);
  mpfr_sub(real, real, scale, MPFR_RNDN);
  mpfr_mul_2si(real, real, -exponent, MPFR_RNDN);
  mpfr_abs(real, real, MPFR_RNDN);
  const double error = mpfr_get_d(real, MPFR_RNDN);
  mpfr_clear(real);
  mpfr_clear(scale);
  return error;
}

// What one thread does: columns first, first + step, ...; and what it found.
struct work {
  const struct tensor *x, *gate, *up, *down, *y;
  uint16_t *h;
  size_t first, step;
  double worst;
  size_t wrong;
};

static int64_t *units_of(const uint16_t *row, size_t count) {
  int64_t *result = malloc(count * sizeof *result);
  if (!result) die("too little memory", "units");
  for (size_t i = 0; i < count; i++) result[i] = units(row[i]);
  return result;
}

// How far the first thread is, on a terminal; `of` 0: nothing any more.
static void show(const struct work *work, const char *what, size_t token, size_t of) {
  if (work->first || !isatty(STDERR_FILENO)) return;
  fprintf(stderr, "\r\033[K");
  if (of) fprintf(stderr, "%s: token %zu of %zu", what, token + 1, of);
  fflush(stderr);
}

// h of every step-th column from `first` on, of all tokens.
static void *gate_and_up(void *argument) {
  struct work *work = argument;
  const struct duplex_activation_table *table = duplex_activation_builtin("silu");
  const size_t tokens = work->x->rows;
  const size_t hidden = work->x->columns;
  const size_t inner = work->gate->rows;
  for (size_t m = 0; m < tokens; m++) {
    show(work, "gate and up", m, tokens);
    int64_t *x = units_of(work->x->data + m * hidden, hidden);
    for (size_t f = work->first; f < inner; f += work->step) {
      const uint32_t g = round_f32(exact_dot(x, work->gate->data + f * hidden, hidden));
      const uint32_t u = round_f32(exact_dot(x, work->up->data + f * hidden, hidden));
      const uint16_t h = duplex_activation(table, g, u, true);
      const double error = silu_error(g, u, h);
      if (error > work->worst) work->worst = error;
      work->h[m * inner + f] = h;
    }
    free(x);
  }
  mpfr_free_cache();
  show(work, "", 0, 0);
  return NULL;
}

// Compares every step-th column of y from `first` on with exact sums of h.
static void *down(void *argument) {
  struct work *work = argument;
  const size_t tokens = work->x->rows;
  const size_t hidden = work->x->columns;
  const size_t inner = work->gate->rows;
  mpfr_t rounded, got;
  mpfr_init2(rounded, 11);
  mpfr_init2(got, 64);
  for (size_t m = 0; m < tokens; m++) {
    show(work, "down", m, tokens);
    int64_t *h = units_of(work->h + m * inner, inner);
    for (size_t n = work->first; n < hidden; n += work->step) {
      round_to(rounded, exact_dot(h, work->down->data + n * inner, inner), 11, -23, 16);
      const uint16_t bits = work->y->data[m * hidden + n];
      mpfr_set_si_2exp(got, (long)units(bits), -24, MPFR_RNDN);
      if (mpfr_cmp(rounded, got) != 0) work->wrong++;
    }
    free(h);
  }
  mpfr_clear(rounded);
  mpfr_clear(got);
  mpfr_free_cache();
  show(work, "", 0, 0);
  return NULL;
}

static void run_on_all(struct work *works, size_t count, void *(*function)(void *)) {
  pthread_t threads[THREADS_MOST];
  for (size_t i = 0; i < count; i++)
    if (pthread_create(&threads[i], NULL, function, &works[i]) != 0) die("no thread", "start");
  for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static void save(const char *path, const uint16_t *data, size_t rows, size_t columns) {
  char header[128];
  memset(header, ' ', sizeof header);
  memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
  const int length = snprintf(
      header + 10, 117, "{'descr': '<f2', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, columns);
  header[10 + length] = ' ';
  header[127] = '\n';
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(header, 1, 128, file) != 128 ||
      fwrite(data, 2, rows * columns, file) != rows * columns || fclose(file) != 0)
    die("cannot be written", path);
}

int main(int argc, char **argv) {
  if (argc != 7) die("usage: exact_expert X GATE UP DOWN Y H_OUT", "arguments");
  const struct tensor x = load(argv[1]);
  const struct tensor gate = load(argv[2]);
  const struct tensor up = load(argv[3]);
  const struct tensor down_matrix = load(argv[4]);
  const struct tensor y = load(argv[5]);
  const size_t inner = gate.rows;
  if (gate.columns != x.columns || up.rows != inner || up.columns != x.columns ||
      down_matrix.rows != x.columns || down_matrix.columns != inner || y.rows != x.rows ||
      y.columns != x.columns)
    die("the shapes do not match", argv[5]);
  uint16_t *h = calloc(x.rows * inner, sizeof *h);
  if (!h) die("too little memory", "h");
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (cores < 1) cores = 1;
  const size_t count = cores < THREADS_MOST ? (size_t)cores : THREADS_MOST;
  struct work works[THREADS_MOST];
  for (size_t i = 0; i < count; i++)
    works[i] = (struct work){&x, &gate, &up, &down_matrix, &y, h, i, count, 0.0, 0};
  run_on_all(works, count, gate_and_up);
  run_on_all(works, count, down);
  double worst = 0;
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    worst = works[i].worst > worst ? works[i].worst : worst;
    wrong += works[i].wrong;
  }
  save(argv[6], h, x.rows, inner);
  printf("h: %zu values, worst distance from silu(g) * u (MPFR): %.4f ulp\n", x.rows * inner, worst);
  printf("y: %zu values against exact sums rounded once: %zu differ\n", y.rows * y.columns, wrong);
  free(h);
  return worst > 1.0 || wrong ? 1 : 0;
}
