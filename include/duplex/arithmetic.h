// SPDX-License-Identifier: Apache-2.0
// The smaller and the larger of two numbers, and division that rounds up. Freestanding.
#ifndef DUPLEX_ARITHMETIC_H
#define DUPLEX_ARITHMETIC_H

#include <stddef.h>
#include <stdint.h>

static inline size_t duplex_smaller(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t duplex_larger(size_t a, size_t b) { return a > b ? a : b; }
// Of times of 64 bits, which the controller's size_t does not hold.
static inline uint64_t duplex_smaller_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t duplex_larger_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline uint32_t duplex_divide_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

#endif
