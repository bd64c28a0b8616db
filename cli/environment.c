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
    {"DUPLEX_RANDOM_START", "N",
     "registers and memories of the RTL start with random values from this seed (default: with zeros)"},
    {0}};

// The variable holds a number, if there is one.
static int check_number(const char *name) {
  const char *text = getenv(name);
  char *end = NULL;
  if (!text) return EXIT_GOOD;
  errno = 0;
  if (isdigit((unsigned char)text[0])) strtoull(text, &end, 0);
  return end && !*end && !errno
             ? EXIT_GOOD
             : fail(EXIT_BAD_INPUT, "%s is '%s': expected a number of 64 bits", name, text);
}

int environment_check(void) {
  if (!duplex_gemm_kernels())
    return fail(EXIT_BAD_INPUT,
                "DUPLEX_KERNEL is '%s': expected one that this processor has, of portable, avx2 and avx512",
                getenv("DUPLEX_KERNEL"));
  const int status = check_number("DUPLEX_AXI_SEED");
  return status ? status : check_number("DUPLEX_RANDOM_START");
}
