// SPDX-License-Identifier: Apache-2.0
// duplex random: a binary16 tensor of seeded values, made element by element in row-major order (fewer rows
// are a prefix of more).
#include "duplex/random.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/npy.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "duplex/numerics.h"

#define PART 65536u      // elements at a time
#define SCALE_END 65520  // from here on binary16 is infinity

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

// normal:S, uniform:A, bits or classes; S and A that binary16 can hold.
static int read_dist(const char *text, enum dist *dist, double *scale) {
  bool good = true;
  *scale = 1;
  if (strncmp(text, "normal:", 7) == 0) {
    *dist = NORMAL;
    good = read_real(text + 7, scale);
  } else if (strncmp(text, "uniform:", 8) == 0) {
    *dist = UNIFORM;
    good = read_real(text + 8, scale);
  } else if (strcmp(text, "bits") == 0) {
    *dist = BITS;
  } else if (strcmp(text, "classes") == 0) {
    *dist = CLASSES;
  } else {
    good = false;
  }
  if (good && *scale > 0 && *scale < SCALE_END) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT,
              "--dist is '%s': expected normal:S or uniform:A with a number above 0 and below %d, bits or "
              "classes",
              text, SCALE_END);
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

// What it takes is there, as far as the file system knows.
static int check_room(const struct outputs *outputs, const char *out, const struct tensor *tensor) {
  struct stat info;
  struct statvfs room;
  const char *name = output_name(outputs, out);
  const uint64_t bytes = NPY_HEADER_BYTES + tensor->count * (uint64_t)sizeof(uint16_t);
  if (stat(name, &info) != 0 || !S_ISREG(info.st_mode) || statvfs(name, &room) != 0) return EXIT_GOOD;
  const uint64_t left = (uint64_t)room.f_bavail * room.f_frsize;
  if (bytes <= left) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--out %s: a tensor of %zu elements takes %llu bytes, its file system has %llu",
              out, tensor->count, (unsigned long long)bytes, (unsigned long long)left);
}

// Header and elements, some at a time: a tensor may be larger than the memory.
static int write_values(struct outputs *outputs, const char *out, const struct tensor *tensor, uint64_t seed,
                        enum dist dist, double scale) {
  struct duplex_random random;
  char header[NPY_HEADER_BYTES];
  uint16_t part[PART];
  int status = output_write(outputs, out, header, npy_header(tensor, header));
  duplex_random_seed(&random, seed, 0);
  progress("drawing values");
  for (size_t done = 0, count; !status && done < tensor->count; done += count) {
    count = tensor->count - done < PART ? tensor->count - done : PART;
    for (size_t i = 0; i < count; i++) part[i] = draw(&random, dist, scale);
    status = output_write(outputs, out, part, count * sizeof *part);
    progress_share(done, tensor->count);
  }
  progress_end();
  return status;
}

// The command random: nothing is opened before all options are read, nor written before the room is there.
static int run_random(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  enum dist dist = NORMAL;
  double scale = 1;
  unsigned rank = 0;
  size_t shape[RANK_MOST];
  uint64_t seed;
  struct tensor tensor = {0};
  if (command_read(&random_command, argc, argv, options) ||
      number_option(options, "--seed", 0, UINT64_MAX, 1, &seed) ||
      read_dist(option_value(options, "--dist"), &dist, &scale) ||
      read_shape(option_value(options, "--shape"), &rank, shape) ||
      tensor_shape(ELEMENT_F16, rank, shape, &tensor))
    return EXIT_BAD_INPUT;
  struct outputs outputs = {0};
  const char *out = option_value(options, "--out");
  int status = output_add(&outputs, "--out", out, OUTPUT_TENSOR);
  if (!status) status = outputs_open(&outputs);
  if (!status) status = check_room(&outputs, out, &tensor);
  if (!status) status = write_values(&outputs, out, &tensor, seed, dist, scale);
  if (!status) status = outputs_commit(&outputs);
  outputs_discard(&outputs);
  return status;
}

static const struct option own_options[] = {
    {"--shape", "M,N", "1 to 4 dimensions with commas between them", true, 0},
    {"--dist", "normal:S|uniform:A|bits|classes",
     "normal:S: mean 0, deviation S; uniform:A: from -A to A; S, A above 0 and below 65520; bits: any of the "
     "65,536 patterns; classes: "
     "subnormals, extremes, cancelling pairs, zeros, Inf and NaN mixed",
     true, 0},
    {"--out", "FILE.npy", "the tensor, written", true, 0},
    {"--seed", "S", "another seed gives other values (default 1)", 0, 0},
    {"--quiet", NULL, "no line of progress on a terminal", 0, 0},
    {0}};

const struct command random_command = {
    "random",
    "",
    "a tensor of seeded values",
    "A <f2 tensor of seeded values, made element by element in C order: fewer rows with the same seed are a "
    "prefix of more.\n",
    own_options,
    false,
    run_random};
