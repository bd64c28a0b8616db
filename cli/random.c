// SPDX-License-Identifier: Apache-2.0
// duplex random: a binary16 tensor of seeded values, made element by element in row-major order (fewer rows
// are a prefix of more).
#include "duplex/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/npy.h"
#include "cli/options.h"
#include "cli/output.h"
#include "duplex/numerics.h"

static void help(void) {
  printf(
      "usage: duplex random --shape M,N --dist DIST --out F.npy [--seed S]\n\n"
      "A <f2 tensor of 1 to 4 dimensions of seeded values. DIST:\n"
      "  normal:S    mean 0, deviation S          uniform:A   from -A to A\n"
      "  bits        any of the 65,536 patterns    classes     subnormals, extremes, cancelling pairs, "
      "zeros, Inf and NaN mixed\n");
}

enum dist { NORMAL, UNIFORM, BITS, CLASSES };

// An element of the kinds that arithmetic likes least.
static uint16_t draw_class(struct duplex_random *random) {
  const uint16_t bits = (uint16_t)duplex_random_u64(random);
  switch (duplex_random_below(random, 40)) {
    case 0:
      return bits & 0x8000;  // zeros
    case 1:
      return duplex_random_below(random, 20) ? (bits & 0x8000) | 0x3c00
                                             : (uint16_t)((bits & 0x8000) | 0x7c00);
    case 2:
      return duplex_random_below(random, 40) ? (bits & 0x83ff) : 0x7e01;  // subnormals
    case 3:
      return (bits & 0x8000) | 0x7bff;  // largest
    case 4:
      return (bits & 0x8000) | 0x0001;  // smallest
    default:
      return duplex_f16_from_double(duplex_random_normal(random) * (bits & 1 ? 1.0 : 0x1p-8));
  }
}

static uint16_t draw(struct duplex_random *random, enum dist dist, double scale) {
  switch (dist) {
    case NORMAL:
      return duplex_f16_from_double(scale * duplex_random_normal(random));
    case UNIFORM:
      return duplex_f16_from_double(scale * (2 * duplex_random_unit(random) - 1));
    case BITS:
      return (uint16_t)duplex_random_u64(random);
    default:
      return draw_class(random);
  }
}

// normal:S, uniform:A, bits or classes.
static int read_dist(const char *text, enum dist *dist, double *scale) {
  char *end = "";
  *scale = 1;
  if (strncmp(text, "normal:", 7) == 0) {
    *dist = NORMAL;
    *scale = strtod(text + 7, &end);
  } else if (strncmp(text, "uniform:", 8) == 0) {
    *dist = UNIFORM;
    *scale = strtod(text + 8, &end);
  } else if (strcmp(text, "bits") == 0) {
    *dist = BITS;
  } else if (strcmp(text, "classes") == 0) {
    *dist = CLASSES;
  } else {
    end = "x";
  }
  return *end || !(*scale > 0 && *scale < 65520)
             ? fail(EXIT_BAD_INPUT, "--dist is '%s': expected normal:S, uniform:A, bits or classes", text)
             : EXIT_GOOD;
}

// 1 to RANK_MOST positive numbers with commas between them.
static int read_shape(const char *text, unsigned *rank, size_t *shape) {
  const char *at = text;
  for (*rank = 0; *rank < RANK_MOST;) {
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(at, &end, 10);
    if (end == at || *at < '0' || *at > '9' || errno || value == 0) break;
    shape[(*rank)++] = (size_t)value;
    if (*end == 0) return EXIT_GOOD;
    if (*end != ',') break;
    at = end + 1;
  }
  return fail(EXIT_BAD_INPUT, "--shape is '%s': expected 1 to %d positive numbers with commas", text,
              RANK_MOST);
}

int command_random(int argc, char **argv) {
  struct option options[] = {{"--shape", 0}, {"--dist", 0}, {"--out", 0}, {"--seed", 0}, {0}};
  if (argc == 1 && strcmp(argv[0], "--help") == 0) return help(), EXIT_GOOD;
  enum dist dist = NORMAL;
  double scale = 1;
  unsigned rank = 0;
  size_t shape[RANK_MOST];
  uint64_t seed;
  if (read_options(argc, argv, options) ||
      require_options(options, (const char *const[]){"--shape", "--dist", "--out", NULL}) ||
      number_option(options, "--seed", 0, UINT64_MAX, 1, &seed) ||
      read_dist(option_value(options, "--dist"), &dist, &scale) ||
      read_shape(option_value(options, "--shape"), &rank, shape))
    return EXIT_BAD_INPUT;
  struct tensor tensor = {0};
  struct outputs outputs = {0};
  struct duplex_random random;
  const char *out = option_value(options, "--out");
  int status = tensor_new(ELEMENT_F16, rank, shape, &tensor);
  if (!status) status = output_open(&outputs, "--out", out, OUTPUT_TENSOR);
  duplex_random_seed(&random, seed, 0);
  for (size_t i = 0; !status && i < tensor.count; i++)
    ((uint16_t *)tensor.data)[i] = draw(&random, dist, scale);
  if (!status) status = output_tensor(&outputs, out, &tensor);
  if (!status) status = outputs_commit(&outputs);
  outputs_discard(&outputs);
  tensor_free(&tensor);
  return status;
}
