// SPDX-License-Identifier: Apache-2.0
// Random jobs on four stacks, {C model, RTL} x {native, RV32}: one answer, bit for bit, and
// one number of clocks of C model and RTL. Stacks live on, so
// every job follows others. usage: four_ways [--seed S] [--cases N] [--only CASE] [--channels C]
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/duplex.h"
#include "tests/common/environment.h"
#include "tests/controller/random_job.h"

enum { WAYS = 4, CHANNELS = 2 };
static const char *const way_names[WAYS] = {"cmodel native", "cmodel riscv", "rtl native", "rtl riscv"};

static bool run_case(struct duplex_stack *const stack[WAYS], uint64_t seed, uint64_t number) {
  struct test_case c = draw(seed, number);
  const size_t bytes = result_bytes(&c);
  uint8_t *expected = calloc(1, bytes);
  uint8_t *y = calloc(1, bytes);
  uint64_t cycles[WAYS];
  bool good = expected && y;
  for (unsigned way = 0; way < WAYS && good; way++) {
    const char *wrong = NULL;
    const int error = run(stack[way], &c, way ? y : expected);
    cycles[way] = cycles_of(stack[way]);
    if (way >= 2 && cycles[way] != cycles[way - 2]) wrong = "other clocks than the C model";
    if (way && memcmp(expected, y, bytes) != 0) wrong = "other bytes than cmodel native";
    if (error) wrong = duplex_stack_last_error(stack[way]);
    good = !wrong;
    if (good) continue;
    printf("MISMATCH case %llu of seed %llu (", (unsigned long long)number, (unsigned long long)seed);
    print_case(&c);
    printf("): %s: %s\n", way_names[way], wrong);
  }
  free(expected), free(y), free_case(&c);
  return good;
}

static bool open_all(struct duplex_stack *stack[WAYS], unsigned channels) {
  static const struct duplex_riscv_options riscv = {0};
  char text[512];
  for (unsigned way = 0; way < WAYS; way++) {
    const struct duplex_stack_options options = {.backend = {.channels = channels},
                                                 .riscv = way & 1 ? &riscv : NULL};
    if (!duplex_stack_open(way & 2 ? "rtl" : "cmodel", &options, &stack[way], text, sizeof text)) continue;
    printf("%s: %s\n", way_names[way], text);
    return false;
  }
  return true;
}

int main(int argc, char **argv) {
  uint64_t seed = environment_seed();
  uint64_t cases = 20;
  uint64_t only = UINT64_MAX;
  unsigned channels = CHANNELS;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = strtoull(argv[i + 1], NULL, 0);
    if (strcmp(argv[i], "--seed") == 0) seed = value;
    if (strcmp(argv[i], "--cases") == 0) cases = value;
    if (strcmp(argv[i], "--only") == 0) only = value;
    if (strcmp(argv[i], "--channels") == 0) channels = (unsigned)value;
  }
  struct duplex_stack *stack[WAYS] = {NULL};
  printf("seed %llu, %llu cases\n", (unsigned long long)seed, (unsigned long long)cases);
  bool good = open_all(stack, channels);
  uint64_t done[KINDS] = {0};
  for (uint64_t number = only == UINT64_MAX ? 0 : only;
       good && number < (only == UINT64_MAX ? cases : only + 1); number++) {
    good = run_case(stack, seed, number);
    done[number % KINDS]++;
    if (!good)
      printf("replay: %s --seed %llu --only %llu --channels %u\n", argv[0], (unsigned long long)seed,
             (unsigned long long)number, channels);
  }
  for (unsigned way = 0; way < WAYS; way++) duplex_stack_close(stack[way]);
  for (unsigned kind = 0; kind < KINDS && good; kind++)
    printf("four ways: %llu %s jobs, the same bytes on each, the same clocks of RTL and C model\n",
           (unsigned long long)done[kind], kind_names[kind]);
  return good ? 0 : 1;
}
