// SPDX-License-Identifier: Apache-2.0
// duplex convert IN OUT: a tensor of another element type or order as <f2 in C order, each value rounded
// once.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/npy.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/round_half.h"
#include "cli/source.h"
#include "duplex/text_file.h"

struct conversion {
  const struct npy_file *file;
  const struct source *source;
  bool big_endian;
  const unsigned char *from;  // elements in the order of the file
  uint16_t *to;               // in C order
  uint64_t inexact, overflowing, flushed, nan;
};

static int find_source(struct conversion *c) {
  c->source = source_find(c->file->descr, &c->big_endian);
  if (c->source) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT,
              "IN %s: its elements are %s, expected f2, f4, f8, bfloat16 (as V2), integers or booleans, of "
              "either order of bytes",
              c->file->path, c->file->descr);
}

static uint64_t element_bits(const struct conversion *c, size_t index) {
  const unsigned size = c->source->bytes;
  const unsigned char *bytes = c->from + index * size;
  uint64_t bits = 0;
  for (unsigned i = 0; i < size; i++) bits = bits << 8 | bytes[c->big_endian ? i : size - 1 - i];
  return bits;
}

// One value, and what became of it. A NaN of binary16 keeps its bits.
static uint16_t convert_value(struct conversion *c, uint64_t bits) {
  const struct source *s = c->source;
  const struct number number = s->kind == KIND_FLOAT
                                   ? number_of_float(bits, s->exponent_bits, s->fraction_bits)
                                   : number_of_integer(bits, 8 * s->bytes, s->kind == KIND_SIGNED);
  bool exact;
  const uint16_t half = round_half(&number, &exact);
  c->nan += number.nan;
  c->inexact += !exact;
  c->overflowing += !exact && (half & 0x7fff) == 0x7c00;
  c->flushed += !exact && (half & 0x7fff) == 0;
  return number.nan && strcmp(s->name, "f2") == 0 ? (uint16_t)bits : half;
}

// Where an element that is `index` in C order lies in the file.
static size_t place_of(const struct npy_file *file, size_t index) {
  if (!file->fortran_order) return index;
  size_t place = 0;
  size_t stride = file->count;
  for (unsigned d = file->rank; d-- > 0; index /= file->shape[d]) {
    stride /= file->shape[d];
    place += index % file->shape[d] * stride;
  }
  return place;
}

static void convert_all(struct conversion *c) {
  progress("converting %s", c->file->path);
  for (size_t i = 0; i < c->file->count; i++) {
    c->to[i] = convert_value(c, element_bits(c, place_of(c->file, i)));
    if (i % 65536 == 0) progress_share(i, c->file->count);
  }
  progress_end();
}

// On standard output, unless that is where the tensor goes.
static int print_counts(const struct conversion *c, const char *out) {
  FILE *to = duplex_text_descriptor(out) == STDOUT_FILENO ? stderr : stdout;
  fprintf(to,
          "%s: %zu values of %s, %s order, as <f2: %" PRIu64 " inexact, of them %" PRIu64
          " overflowing to infinity and %" PRIu64 " flushed to zero; %" PRIu64 " NaN\n",
          out, c->file->count, c->file->descr, c->file->fortran_order ? "Fortran" : "C", c->inexact,
          c->overflowing, c->flushed, c->nan);
  return flush_stdout();
}

// Reads, converts, and writes all or nothing.
static int convert(struct conversion *c, const char *out, struct outputs *outputs) {
  struct tensor tensor = {0};
  unsigned char *from = NULL;
  int status = find_source(c);
  if (!status) status = npy_check_size(c->file, c->source->bytes);
  if (!status) status = output_add(outputs, "OUT", out, OUTPUT_TENSOR);
  if (!status && duplex_text_descriptor(out) != STDOUT_FILENO) status = outputs_keep_stdout(outputs);
  if (!status) status = outputs_open(outputs);
  if (!status) status = tensor_new(ELEMENT_F16, c->file->rank, c->file->shape, &tensor);
  if (!status && !(from = malloc(c->file->left)))
    status =
        fail(EXIT_BAD_INPUT, "IN %s: too little memory for its %zu elements", c->file->path, c->file->count);
  if (!status) status = npy_read_bytes(c->file, from, c->file->left);
  if (!status) {
    c->from = from;
    c->to = tensor.data;
    convert_all(c);
    status = output_tensor(outputs, out, &tensor);
  }
  if (!status) status = print_counts(c, out);  // before OUT gets its name: all or nothing
  if (!status) status = outputs_commit(outputs);
  outputs_discard(outputs);
  free(from);
  tensor_free(&tensor);
  return status;
}

// The command convert: two names of files come before its options.
static int run_convert(int argc, char **argv) {
  static const char *const types[] = {"f2", NULL};
  struct option options[OPTIONS_MOST];
  unsigned type;
  if (argc < 2 || argv[0][0] == '-' || argv[1][0] == '-')
    return fail(EXIT_BAD_INPUT, "convert takes two files: see duplex convert --help");
  if (command_read(&convert_command, argc - 2, argv + 2, options) ||
      choice_option(options, "--to", types, &type))
    return EXIT_BAD_INPUT;
  struct npy_file file;
  struct outputs outputs = {0};
  struct conversion conversion = {.file = &file};
  int status = npy_open("IN", argv[0], &file);
  if (!status) status = convert(&conversion, argv[1], &outputs);
  npy_close(&file);
  return status;
}

static const struct option own_options[] = {{"--to", "f2", "elements of OUT: <f2 (default)", 0, 0},
                                            {"--quiet", NULL, "no line of progress on a terminal", 0, 0},
                                            {0}};

const struct command convert_command = {
    "convert",
    "IN.npy OUT.npy",
    "a tensor of another type or order as <f2 in C order",
    "IN is of float16, float32, float64, bfloat16 (|V2, as ml_dtypes writes it), integers or booleans, of "
    "either "
    "order of bytes, in C or Fortran order. Each value is rounded once, to nearest, ties to even.\n"
    "Prints how many values were inexact, and of them how many became infinity or zero.\n",
    own_options,
    false,
    run_convert};
