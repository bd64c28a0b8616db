// Random jobs on four stacks, {C model, RTL} x {native, RV32}: one answer, bit for bit. Devices live on, so every job follows
// others. usage: four_ways [--seed S] [--cases N] [--only CASE] [--channels C] A case is drawn from (seed,
// case number) alone; gemm, expert and attention take turns.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"

enum { WAYS = 4, CHANNELS = 2 };
static const char *const way_names[WAYS] = {"cmodel native", "cmodel riscv", "rtl native", "rtl riscv"};

struct test_case {
  bool expert, gated, attention;  // attention: m positions, n query heads, k the head size, two KV heads
  size_t matrices;                // 2: a pair, in turn
  size_t m, n, k;
  enum duplex_format format;
  const char *act;
  duplex_f16 *x, *w;  // w: room for three matrices
};

static size_t pick(struct duplex_random *random, const size_t *list, size_t count) {
  return list[duplex_random_below(random, count)];
}

// Normal values, now and then any bits.
static duplex_f16 *tensor(struct duplex_random *random, size_t count, double scale) {
  const bool bits = duplex_random_below(random, 8) == 0;
  duplex_f16 *values = malloc(count * sizeof *values);
  if (!values) exit(1);
  for (size_t i = 0; i < count; i++)
    values[i] =
        bits ? (duplex_f16)duplex_random_below(random, 65536) : duplex_f16_from_double(scale * duplex_random_normal(random));
  return values;
}

static struct test_case draw(uint64_t seed, uint64_t number) {
  static const size_t widths[] = {1, 2, 63, 64, 65, 100, 127, 128, 200, 320, 511};
  static const char *const acts[] = {"silu", "gelu", "gelu_tanh", "relu", "identity"};
  struct duplex_random random;
  struct test_case c = {.expert = number % 3 == 1, .attention = number % 3 == 2};
  duplex_random_seed(&random, seed, number);
  c.m = 1 + duplex_random_below(&random, 40);
  c.n = 1 + duplex_random_below(&random, 150);
  c.k = pick(&random, widths, sizeof widths / sizeof *widths);
  c.format = (enum duplex_format)duplex_random_below(&random, 3);
  c.act = acts[duplex_random_below(&random, 5)];
  c.gated = duplex_random_below(&random, 4) != 0;
  if (c.attention) {
    c.m = 1 + duplex_random_below(&random, 300);
    c.n = 2 * (1 + duplex_random_below(&random, 16));
    c.k = 16 * (1 + duplex_random_below(&random, 10));
    c.x = tensor(&random, c.n * c.k, 1);
    c.w = tensor(&random, 4 * c.m * c.k, 1);
    return c;
  }
  c.matrices = duplex_random_below(&random, 4) ? 1 : 2;
  c.x = tensor(&random, c.matrices * c.m * c.k, 1);
  c.w = tensor(&random, 3 * c.matrices * c.n * c.k, 0.1);
  return c;
}

static size_t result_bytes(const struct test_case *c) {
  static const size_t element[] = {2, 4, 16};
  if (c->attention) return 2 * c->n * c->k * 2;
  return c->matrices * c->m * (c->expert ? c->k : c->n) * element[c->format];
}

static int upload(struct duplex_device *device, const struct test_case *c, const duplex_f16 *gate, const duplex_f16 *w, size_t n,
                  size_t k, struct duplex_weights **weights) {
  if (c->matrices == 2) return duplex_upload_pair(device, gate, w, n, k, weights);
  return gate ? duplex_upload_gated(device, gate, w, n, k, weights) : duplex_upload(device, w, n, k, NULL, weights);
}

// A sequence, and one that shares all of it but the last position.
static int run_attention(struct duplex_device *device, const struct test_case *c, uint8_t *y) {
  const struct duplex_kv_options options = {.heads = 2, .head_size = (unsigned)c->k, .page_positions = 64, .pages = 20};
  struct duplex_kv_cache *cache = NULL;
  struct duplex_sequence *sequences[2] = {NULL};
  const size_t count = c->n * c->k, batch = c->m > 1 ? 2 : 1;
  duplex_f16 *q = malloc(2 * count * sizeof *q);
  int error = q ? duplex_kv_open(device, &options, &cache) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = duplex_kv_begin(cache, DUPLEX_KV_SPACES, c->m, &sequences[0]);
  if (!error) error = duplex_kv_append(sequences[0], 0, c->w, c->w + 2 * c->m * c->k, c->m, 0);
  if (!error && batch > 1) error = duplex_kv_share(sequences[0], c->m - 1, &sequences[1]);
  if (!error) {
    memcpy(q, c->x, count * sizeof *q);
    for (size_t i = 0; i < count; i++) q[count + i] = c->x[count - 1 - i];
    error = duplex_attention(cache, 0, sequences, batch, q, c->n, 0, (duplex_f16 *)(void *)y);
  }
  duplex_kv_close(cache);
  free(q);
  return error;
}

static int run(struct duplex_device *device, const struct test_case *c, void *y) {
  struct duplex_weights *up = NULL, *down = NULL;
  if (c->attention) return run_attention(device, c, y);
  const size_t one = c->matrices * c->n * c->k;
  int error = upload(device, c, c->expert && c->gated ? c->w : NULL, c->w + one, c->n, c->k, &up);
  if (!error && c->expert) error = upload(device, c, NULL, c->w + 2 * one, c->k, c->n, &down);
  if (!error)
    error = c->expert ? duplex_expert(device, up, down, duplex_activation_builtin(c->act), c->x, c->m, c->format, y)
                      : duplex_gemm(device, up, c->x, c->m, c->format, y);
  duplex_release(device, up);
  duplex_release(device, down);
  return error;
}

static bool run_case(struct duplex_device *const device[WAYS], uint64_t seed, uint64_t number) {
  struct test_case c = draw(seed, number);
  const size_t bytes = result_bytes(&c);
  uint8_t *expected = calloc(1, bytes), *y = calloc(1, bytes);
  bool good = expected && y;
  for (unsigned way = 0; way < WAYS && good; way++) {
    const int error = run(device[way], &c, way ? y : expected);
    good = !error && (way == 0 || memcmp(expected, y, bytes) == 0);
    if (!good)
      printf("MISMATCH case %llu of seed %llu (%s%s M %zu N %zu K %zu format %d): %s: %s\n", (unsigned long long)number,
             (unsigned long long)seed, c.matrices == 2 ? "pair " : "",
             c.expert      ? "expert"
             : c.attention ? "attention"
                           : "gemm",
             c.m, c.n, c.k, (int)c.format, way_names[way],
             error ? duplex_last_error(device[way]) : "other bytes than cmodel native");
  }
  free(expected), free(y), free(c.x), free(c.w);
  return good;
}

static bool open_all(struct duplex_device *device[WAYS], unsigned channels) {
  static const struct duplex_riscv_options riscv = {0};
  char text[512];
  for (unsigned way = 0; way < WAYS; way++) {
    const struct duplex_options options = {.backend = {.channels = channels}, .riscv = way & 1 ? &riscv : NULL};
    if (!duplex_open(way & 2 ? "rtl" : "cmodel", &options, &device[way], text, sizeof text)) continue;
    printf("%s: %s\n", way_names[way], text);
    return false;
  }
  return true;
}

int main(int argc, char **argv) {
  uint64_t seed = getenv("DUPLEX_SEED") ? strtoull(getenv("DUPLEX_SEED"), NULL, 0) : 1, cases = 20, only = UINT64_MAX;
  unsigned channels = CHANNELS;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = strtoull(argv[i + 1], NULL, 0);
    if (strcmp(argv[i], "--seed") == 0) seed = value;
    if (strcmp(argv[i], "--cases") == 0) cases = value;
    if (strcmp(argv[i], "--only") == 0) only = value;
    if (strcmp(argv[i], "--channels") == 0) channels = (unsigned)value;
  }
  struct duplex_device *device[WAYS] = {NULL};
  printf("seed %llu, %llu cases\n", (unsigned long long)seed, (unsigned long long)cases);
  bool good = open_all(device, channels);
  uint64_t done = 0;
  for (uint64_t number = only == UINT64_MAX ? 0 : only; good && number < (only == UINT64_MAX ? cases : only + 1);
       number++, done++) {
    good = run_case(device, seed, number);
    if (!good)
      printf("replay: %s --seed %llu --only %llu --channels %u\n", argv[0], (unsigned long long)seed, (unsigned long long)number,
             channels);
  }
  for (unsigned way = 0; way < WAYS; way++) duplex_close(device[way]);
  if (good) printf("four ways: %llu jobs, the same bytes on each\n", (unsigned long long)done);
  return good ? 0 : 1;
}
