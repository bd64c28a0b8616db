// SPDX-License-Identifier: Apache-2.0
// Trace of calls and register accesses, and profile by function.
#ifndef DUPLEX_RV32_WATCH_H
#define DUPLEX_RV32_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/rv32/image.h"

struct watch;

// A file that is NULL is not written. NULL: one cannot be written (then text says which), or no memory.
struct watch *watch_open(const struct image *image, const char *trace_file, const char *profile_file,
                         char *text, size_t size);
void watch_instruction(struct watch *watch, uint32_t pc, uint64_t clocks);
void watch_access(struct watch *watch, uint64_t clocks, bool write, uint32_t offset, uint32_t value);
// Clocks that passed while the controller was at pc.
void watch_clocks(struct watch *watch, uint32_t pc, double clocks);
// Writes the profile and closes both files. False: one of them is not whole, and text says which and why.
bool watch_end_files(struct watch *watch, char *text, size_t size);
void watch_close(struct watch *watch);

#endif
