// SPDX-License-Identifier: Apache-2.0
// Where the firmware is, in words.
#ifndef DUPLEX_RV32_CRASH_H
#define DUPLEX_RV32_CRASH_H

#include "backend/rv32/platform.h"

// "pc 0x..., firmware_gemm + 0x14, gemm.c:17".
void place_text(const struct platform *p, uint32_t pc, char *text, size_t size);

// "load from bad memory 0x... at pc ...": the exception that the mailbox tells of.
void crash_text(const struct platform *p, char *text, size_t size);

#endif
