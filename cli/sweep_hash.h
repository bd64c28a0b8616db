// SPDX-License-Identifier: Apache-2.0
// What the result of a point of a sweep is kept under.
#ifndef DUPLEX_CLI_SWEEP_HASH_H
#define DUPLEX_CLI_SWEEP_HASH_H

#include <stdint.h>

// A number for the arguments, the files that they name, also the tables of a folder, and the version of the
// program.
uint64_t sweep_arguments_hash(char *const *arguments);

#endif
