// SPDX-License-Identifier: Apache-2.0
// The environment variables of the command, and what is wrong with them.
#include "cli/environment.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "cli/messages.h"
#include "duplex/gemm.h"

const struct variable variables[] = {
    {"DUPLEX_KERNEL", "portable|avx2|avx512",
     "kernel of the C model (default: the fastest that this processor can run); the bits are the same"},
    {"DUPLEX_RTL_DIR", "FOLDER", "where the Verilated stacks lie; no other folder is looked at then"},
    {"DUPLEX_AXI_SEED", "N",
     "the register port of the RTL is driven with random delays from this seed (default: none)"},
    {0}};

static int check_seed(const char *text) {
  char *end = NULL;
  errno = 0;
  if (isdigit((unsigned char)text[0])) strtoull(text, &end, 0);
  return end && !*end && !errno
             ? EXIT_GOOD
             : fail(EXIT_BAD_INPUT, "DUPLEX_AXI_SEED is '%s': expected a number of 64 bits", text);
}

int environment_check(void) {
  const char *seed = getenv("DUPLEX_AXI_SEED");
  if (!duplex_gemm_kernels())
    return fail(EXIT_BAD_INPUT,
                "DUPLEX_KERNEL is '%s': expected portable, avx2 or avx512, as this processor has",
                getenv("DUPLEX_KERNEL"));
  return seed ? check_seed(seed) : EXIT_GOOD;
}
