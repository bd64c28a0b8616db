// SPDX-License-Identifier: Apache-2.0
// Clocks that Logic-PIM takes for one piece of an expert, by cut and tokens: what tables of times are made
// of. Weights are zeros; no clock depends on them.
//
// usage: layer_times [--backend B] [--channels C] [--hidden H] [--inner A,B,...] [--joined 0|1]
//                    [--gated 0|1] [--up-exponents 0|1] [--products 0|1] [--experts N] [--bundles MASK]
//                    [--owned MASK] [--tokens A,B,...] [--format 0|1|2] [--firmware riscv]
// For each cut and number of tokens: clocks of a job with one such expert, and what each of N - 1 others adds
// to it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/duplex.h"
#include "duplex/layer.h"

enum { LIST = 16, EXPERTS_MOST = 64 };

struct sweep {
  const char *backend;
  unsigned channels, owned, count;
  size_t tokens[LIST];
  enum duplex_format format;
  bool riscv;
  struct duplex_layer_options options;
};

static int fail(const char *what) {
  fprintf(stderr, "layer_times: %s\n", what);
  return 1;
}

// Most bytes of a token's results.
static size_t result_bytes(const struct duplex_layer_options *options) {
  size_t columns = options->hidden;
  for (unsigned part = 0; part < options->piece[0].parts; part++)
    columns += 2 * options->piece[0].inner[part];
  return columns * 16;
}

// Clocks of a job in which so many experts have so many tokens and this cut; 0: it failed.
static uint64_t clocks_of(struct duplex_stack *stack, struct duplex_layer *layer, const struct sweep *s,
                          unsigned experts, unsigned cut, uint32_t tokens) {
  uint8_t cuts[EXPERTS_MOST] = {0};
  uint32_t counts[EXPERTS_MOST] = {0};
  for (unsigned i = 0; i < experts; i++) cuts[i] = (uint8_t)cut, counts[i] = tokens;
  duplex_f16 *x = calloc((size_t)experts * tokens * s->options.hidden, sizeof *x);
  void *y = malloc((size_t)experts * tokens * result_bytes(&s->options));
  const struct duplex_layer_work work = {
      .bundles = s->owned, .cuts = cuts, .counts = counts, .x = x, .format = s->format};
  struct duplex_stack_stats stats = {0};
  struct duplex_job *job = NULL;
  int error = x && y ? duplex_layer_start(layer, &work, &job) : -1;
  if (!error) error = duplex_stack_wait(job, UINT64_MAX, y);
  duplex_stack_last_stats(stack, &stats);
  free(x), free(y);
  if (error) fail(duplex_stack_last_error(stack));
  return error ? 0 : stats.cycles;
}

// All cuts and tokens; not 0: one failed. A controller's first job of a layer reads the activation table, and
// one with other results than exact sums describes them, which is in neither number.
static int sweep(struct duplex_stack *stack, struct duplex_layer *layer, const struct sweep *s) {
  printf("cut tokens first next\n");
  for (unsigned cut = 1; cut <= s->options.piece[0].parts; cut++)
    for (unsigned i = 0; i < s->count; i++) {
      if (s->riscv && !clocks_of(stack, layer, s, 1, cut, (uint32_t)s->tokens[i])) return 1;
      const uint64_t one = clocks_of(stack, layer, s, 1, cut, (uint32_t)s->tokens[i]);
      const uint64_t all =
          one ? clocks_of(stack, layer, s, s->options.experts, cut, (uint32_t)s->tokens[i]) : 0;
      if (!all) return 1;
      printf("%u %zu %llu %llu\n", cut, s->tokens[i], (unsigned long long)one,
             (unsigned long long)(all - one) / (s->options.experts - 1));
    }
  return 0;
}

// Opens stack and layer, and sweeps.
static int run(const struct sweep *s) {
  const struct duplex_riscv_options riscv = {0};
  const struct duplex_stack_options options = {.backend = {.channels = s->channels, .threads = 1},
                                               .riscv = s->riscv ? &riscv : NULL};
  struct duplex_stack *stack = NULL;
  struct duplex_layer *layer = NULL;
  char text[512] = "";
  if (duplex_stack_open(s->backend, &options, &stack, text, sizeof text)) return fail(text);
  int error = duplex_stack_open_layer(stack, &s->options, &layer);
  for (unsigned i = 0; i < s->options.experts && !error; i++) error = duplex_layer_reserve(layer, i, 0);
  const int status = error ? fail(duplex_stack_last_error(stack)) : sweep(stack, layer, s);
  duplex_stack_close(stack);
  return status;
}

// The numbers of a list with commas; how many.
static unsigned read_list(const char *text, size_t *numbers, unsigned most) {
  unsigned count = 0;
  for (char *end; *text && count < most; text = *end ? end + 1 : end) {
    numbers[count++] = strtoul(text, &end, 0);
    if (end == text) return 0;
  }
  return count;
}

// One option into the sweep; false: there is no such option.
static bool take_option(struct sweep *s, const char *name, const char *value) {
  struct duplex_layer_piece *piece = &s->options.piece[0];
  const unsigned number = (unsigned)strtoul(value, NULL, 0);
  if (strcmp(name, "--backend") == 0)
    s->backend = value;
  else if (strcmp(name, "--channels") == 0)
    s->channels = number;
  else if (strcmp(name, "--hidden") == 0)
    s->options.hidden = number;
  else if (strcmp(name, "--inner") == 0)
    piece->parts = read_list(value, piece->inner, DUPLEX_LAYER_PARTS);
  else if (strcmp(name, "--joined") == 0)
    piece->joined = number != 0;
  else if (strcmp(name, "--up-exponents") == 0)
    s->options.up_exponents = number != 0;
  else if (strcmp(name, "--products") == 0)
    s->options.products = number != 0;
  else if (strcmp(name, "--experts") == 0)
    s->options.experts = number;
  else if (strcmp(name, "--gated") == 0)
    s->options.gated = number != 0;
  else if (strcmp(name, "--bundles") == 0)
    piece->bundles = number;
  else if (strcmp(name, "--owned") == 0)
    s->owned = number;
  else if (strcmp(name, "--format") == 0)
    s->format = (enum duplex_format)number;
  else if (strcmp(name, "--firmware") == 0)
    s->riscv = strcmp(value, "riscv") == 0;
  else if (strcmp(name, "--tokens") == 0)
    s->count = read_list(value, s->tokens, LIST);
  else
    return false;
  return true;
}

int main(int argc, char **argv) {
  struct sweep s = {.backend = "cmodel",
                    .channels = 2,
                    .count = 7,
                    .tokens = {1, 2, 4, 8, 9, 16, 32},
                    .format = DUPLEX_ACC,
                    .options = {.experts = 2,
                                .hidden = 256,
                                .gated = true,
                                .piece = {{.bundles = 0x3, .parts = 2, .inner = {128, 64}}}}};
  if (argc % 2 == 0) return fail("an option without its value");
  for (int i = 1; i < argc; i += 2)
    if (!take_option(&s, argv[i], argv[i + 1])) return fail(argv[i]);
  if (s.options.experts < 2 || s.options.experts > EXPERTS_MOST) return fail("--experts: expected 2 to 64");
  return run(&s);
}
