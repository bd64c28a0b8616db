// SPDX-License-Identifier: Apache-2.0
// y = x w^T on one stack, from a program outside the project.
#include <duplex/duplex.h>
#include <duplex/error.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int error, const struct duplex_stack *stack) {
  if (!error) return;
  fprintf(stderr, "gemm: %s\n", stack ? duplex_stack_last_error(stack) : duplex_error_text(error));
  exit(1);
}

int main(void) {
  static duplex_f16 w[70][130], x[3][130];
  static duplex_f32 y[3][70];
  const struct duplex_stack_options options = {.backend.channels = 4};
  struct duplex_stack *stack;
  struct duplex_weights *weights;
  struct duplex_stack_stats stats;
  for (int n = 0; n < 70; n++)
    for (int k = 0; k < 130; k++) w[n][k] = duplex_f16_from_double(n % 5 - 2);
  for (int k = 0; k < 130; k++) x[0][k] = x[1][k] = x[2][k] = duplex_f16_from_double(0.5);
  check(duplex_stack_open("cmodel", &options, &stack, NULL, 0), NULL);
  check(duplex_stack_upload(stack, w[0], 70, 130, NULL, &weights), stack);
  check(duplex_stack_gemm(stack, weights, x[0], 3, DUPLEX_F32, y), stack);
  duplex_stack_last_stats(stack, &stats);
  printf("y[0][4] = 0x%08x, %llu clocks\n", (unsigned)y[0][4], (unsigned long long)stats.cycles);
  duplex_stack_close(stack);
  return y[0][4] == 0x43020000 ? 0 : 1;  // 130 * 0.5 * 2
}
