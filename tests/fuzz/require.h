// SPDX-License-Identifier: Apache-2.0
// What a fuzzing target demands, and with -DREPLAY the main function of a program that replays files.
#ifndef DUPLEX_TEST_FUZZ_REQUIRE_H
#define DUPLEX_TEST_FUZZ_REQUIRE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                    \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "FUZZ: %s is false (line %d)\n", #condition, __LINE__); \
      abort();                                                                \
    }                                                                         \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef REPLAY
// Each file is a case.
int main(int argc, char **argv) {
  static uint8_t bytes[1 << 20];
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (!file) return 2;
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
  }
  printf("replayed %d cases\n", argc - 1);
  return 0;
}
#endif

#endif
