// SPDX-License-Identifier: Apache-2.0
// Writes a small model into a folder that there is. usage: toy_model FOLDER NAME f16|bf16|f32 SEED; without
// arguments: prints the names.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/toy.h"

int main(int argc, char **argv) {
  if (argc == 1) {
    for (unsigned i = 0; toy_names[i]; i++) printf("%s\n", toy_names[i]);
    return 0;
  }
  if (argc != 5) {
    fprintf(stderr, "usage: toy_model FOLDER NAME f16|bf16|f32 SEED\n");
    return 2;
  }
  const enum toy_type type = strcmp(argv[3], "f16") == 0    ? TOY_F16
                             : strcmp(argv[3], "bf16") == 0 ? TOY_BF16
                                                            : TOY_F32;
  if (toy_write(argv[1], argv[2], type, strtoull(argv[4], NULL, 0)) == 0) return 0;
  fprintf(stderr, "toy_model: %s: ", argv[1]);
  perror(argv[2]);
  return 1;
}
